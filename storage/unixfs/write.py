"""Writing UnixFS: files and folders become trees of blocks, with the CIDs that Kubo gives them.

A file is cut into chunks, each a leaf, and hung into a balanced tree. A folder is one node of
named links, or a tree of shards where that node would be too large (hamt.py).
Rules: specs/unixfs.md.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

from ..cid import CID, DAG_PB, RAW
from ..ports import BlockStore, MadeBlock
from . import hamt
from .dagpb import Link, Node, encode, number
from .data import FOLDER, FOLDER_ENTRIES_MAX, Entry, NotSupported, Tree, file_data
from .profiles import DEFAULT_PROFILE, PROFILES, Profile

FOLDER_BYTES_MAX = 256 * 1024
"""A folder beyond this is split. What is counted is a matter of the profile."""
HASHING_THREADS = 2
"""With one, the reading and the keeping wait for the hashing (decisions/0010)."""
LEAVES_AHEAD = 4
"""Chunks being hashed while earlier ones are kept."""

Making = Generator[MadeBlock, None, Tree]
"""Yields each block of a tree after those below it, and returns the root."""

_DEFAULT = PROFILES[DEFAULT_PROFILE]
_FOLDER_DATA = number(1, FOLDER)


class Source(Protocol):
    """Anything with bytes to read: an open file, a buffer."""

    def read(self, size: int, /) -> bytes: ...


def add_file(blocks: BlockStore, source: Source, profile: Profile = _DEFAULT) -> tuple[CID, int]:
    """Add all that `source` has; return the root's CID and the bytes of content."""
    tree = add_tree(blocks, source, profile)
    return tree.cid, tree.size


def add_tree(blocks: BlockStore, source: Source, profile: Profile = _DEFAULT) -> Tree:
    """Add a file, a few chunks at a time in memory, and durable on return (UNIXFS-1)."""
    return put(blocks, file_blocks(source, profile))


def add_entries(blocks: BlockStore, entries: list[Entry], profile: Profile = _DEFAULT) -> Tree:
    """Add one folder whose entries are there already, each with a name of its own (UNIXFS-3)."""
    return put(blocks, folder_blocks(entries, profile))


def put(blocks: BlockStore, making: Making) -> Tree:
    """Keep all blocks of a tree, durable together, and return its root."""
    root: list[Tree] = []

    def made() -> Iterator[MadeBlock]:
        root.append((yield from making))

    with closing(making):
        blocks.put_many(made())
    return root[0]


def file_blocks(source: Source, profile: Profile) -> Making:
    """Make the blocks of a file."""
    return _Levels(profile).grow(_leaves(source, profile))


def folder_blocks(entries: list[Entry], profile: Profile) -> Making:
    """Make the blocks of one folder, without those of its entries."""
    if len(entries) > FOLDER_ENTRIES_MAX:
        raise NotSupported(
            f"a folder of {len(entries)} names; at most {FOLDER_ENTRIES_MAX} are taken: "
            "spread them over several folders"
        )
    made: list[MadeBlock] = []

    def keep(node: Node) -> Tree:
        block, tree = _made(node, 0, profile)
        made.append(block)
        return tree

    links = tuple(Link(entry.cid, entry.name, entry.tsize) for entry in _sorted(entries))
    node = Node(links, _FOLDER_DATA)
    is_split = _folder_bytes(node, profile) > FOLDER_BYTES_MAX
    root = hamt.add_shards(links, keep) if is_split else keep(node)
    yield from made
    return root


def _folder_bytes(node: Node, profile: Profile) -> int:
    if profile.folder_size == "block":
        return len(encode(node))
    return sum(len(link.name.encode()) + len(bytes(link.cid)) for link in node.links)


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name.encode())


def _made(node: Node, size: int, profile: Profile) -> tuple[MadeBlock, Tree]:
    """Return the block of a node with `size` bytes of content below it, and its tree."""
    data = encode(node)
    block = MadeBlock(data, codec=DAG_PB, version=profile.cid_version)
    return block, Tree(block[0], size, len(data) + sum(link.tsize for link in node.links))


def _leaves(source: Source, profile: Profile) -> Iterator[tuple[MadeBlock, Tree]]:
    """Yield a file's leaves in order; those of a large one are hashed beside each other."""
    chunk = _read_chunk(source, profile.chunk_bytes)
    if len(chunk) < profile.chunk_bytes:
        yield _leaf(chunk, profile)
        return
    ahead: deque[Future[tuple[MadeBlock, Tree]]] = deque()
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        while chunk:
            ahead.append(pool.submit(_leaf, chunk, profile))
            if len(ahead) == LEAVES_AHEAD:
                yield ahead.popleft().result()
            chunk = _read_chunk(source, profile.chunk_bytes)
        while ahead:
            yield ahead.popleft().result()


def _leaf(chunk: bytes, profile: Profile) -> tuple[MadeBlock, Tree]:
    if not profile.raw_leaves:
        return _made(Node((), file_data(chunk, len(chunk), [])), len(chunk), profile)
    block = MadeBlock(chunk, codec=RAW)
    return block, Tree(block[0], len(chunk), len(chunk))


def _read_chunk(source: Source, size: int) -> bytes:
    chunk = source.read(size)
    if len(chunk) == size or not chunk:
        return chunk
    parts = [chunk]
    while len(chunk) and (missing := size - sum(map(len, parts))):
        chunk = source.read(missing)
        parts.append(chunk)
    return b"".join(parts)


class _Levels:
    """A balanced tree that grows from its leaves up: one unfinished node a level."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[Tree]] = []

    def grow(self, leaves: Iterator[tuple[MadeBlock, Tree]]) -> Making:
        for block, tree in leaves:
            yield block
            yield from self._add(0, tree)
        level = 0
        while level + 1 < len(self._levels) or len(self._levels[level]) > 1:
            if self._levels[level]:
                yield from self._close(level)
            level += 1
        return self._levels[level][0]

    def _add(self, level: int, tree: Tree) -> Iterator[MadeBlock]:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == self._profile.width:
            yield from self._close(level)
        self._levels[level].append(tree)

    def _close(self, level: int) -> Iterator[MadeBlock]:
        children = self._levels[level]
        self._levels[level] = []
        size = sum(child.size for child in children)
        links = tuple(Link(child.cid, "", child.tsize) for child in children)
        data = file_data(b"", size, [child.size for child in children])
        block, tree = _made(Node(links, data), size, self._profile)
        yield block
        yield from self._add(level + 1, tree)
