"""UnixFS: files and folders as trees of blocks, with the same CIDs as Kubo gives them.

Writing a file cuts it into chunks, each a leaf, and hangs them into a balanced tree.
Reading trusts nothing: a block is hashed by its store, and here every claimed size is
compared with what is really there. `folders.py` carries whole folders from and to disk.
Rules: specs/unixfs.md.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from commonfab.protocol.errors import Malformed, UsageError

from .cid import CID, DAG_PB, RAW, Version
from .dagpb import Link, Node, decode, encode, fields, number, run
from .ports import BlockStore

FILE_DEPTH_MAX = 16
"""Levels of one file's tree. With 174 links each, 5 would hold an exabyte."""
FILE_BYTES_MAX = 4 * 1024**3
"""What is read of one file. The largest open designs known are a tenth of it."""
FILE_BLOCKS_MAX = 1 << 17
"""Blocks read for one file, repeats counted: a few blocks can stand for endlessly many."""
WALK_BLOCKS_MAX = 1 << 20
"""Different blocks below one root: 256 GiB in chunks of the usual size."""
BATCH_BYTES_MAX = 16 * 1024**2
"""Chunks held in memory while a file is added; as many are made durable together."""
FOLDER_BYTES_MAX = 256 * 1024
"""Names and CIDs of one folder. From here on others split a folder; that is not done here."""

_RAW_LEAF, _FOLDER, _FILE, _SYMLINK, _SHARD = 0, 1, 2, 4, 5
_FOLDER_DATA = number(1, _FOLDER)


class NotSupported(UsageError):
    """A form of UnixFS that this program does not read or write."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a file becomes blocks. Two profiles give one file two CIDs."""

    chunk_bytes: int
    width: int
    """Links of one node."""
    raw_leaves: bool
    cid_version: Version


KUBO_CIDV1: Final = Profile(chunk_bytes=256 * 1024, width=174, raw_leaves=True, cid_version=1)
"""As `ipfs add --cid-version=1` does."""


class Source(Protocol):
    """Anything with bytes to read: an open file, a buffer."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Tree:
    """The root of what was added."""

    cid: CID
    size: int
    """Bytes of content."""
    tsize: int
    """Bytes of all blocks, repeats counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    cid: CID
    tsize: int


@dataclass(frozen=True, slots=True)
class Stat:
    """What a CID leads to."""

    kind: Literal["file", "folder"]
    size: int
    """Bytes of content, as its root claims; 0 for a folder."""


def add_file(blocks: BlockStore, source: Source, profile: Profile = KUBO_CIDV1) -> tuple[CID, int]:
    """Add all that `source` has; return the root's CID and the bytes of content."""
    tree = add_tree(blocks, source, profile)
    return tree.cid, tree.size


def add_tree(blocks: BlockStore, source: Source, profile: Profile = KUBO_CIDV1) -> Tree:
    """Add a file, in memory bounded by `BATCH_BYTES_MAX`, and durable on return (UNIXFS-1)."""
    builder = _Builder(blocks, profile)
    chunk = _read_chunk(source, profile.chunk_bytes)
    builder.add_leaf(chunk)
    while len(chunk) == profile.chunk_bytes:
        chunk = _read_chunk(source, profile.chunk_bytes)
        if chunk:
            builder.add_leaf(chunk)
    return builder.finish()


def add_entries(blocks: BlockStore, entries: list[Entry], profile: Profile = KUBO_CIDV1) -> Tree:
    """Add one folder whose entries are there already, sorted by their names' bytes (UNIXFS-3)."""
    links = tuple(Link(entry.cid, entry.name, entry.tsize) for entry in _sorted(entries))
    if sum(len(link.name.encode()) + len(bytes(link.cid)) for link in links) >= FOLDER_BYTES_MAX:
        raise NotSupported(f"a folder of {len(links)} names is too large for one block; split it")
    data = encode(Node(links, _FOLDER_DATA))
    cid = CID.of(data, codec=DAG_PB, version=profile.cid_version)
    blocks.put(cid, data)
    return Tree(cid, 0, len(data) + sum(link.tsize for link in links))


def _sorted(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name.encode())


def _read_chunk(source: Source, size: int) -> bytes:
    chunk = source.read(size)
    if len(chunk) == size or not chunk:
        return chunk
    parts = [chunk]
    while len(chunk) and (missing := size - sum(map(len, parts))):
        chunk = source.read(missing)
        parts.append(chunk)
    return b"".join(parts)


@dataclass(slots=True)
class _Builder:
    """Grows the balanced tree from its leaves up, holding one unfinished node a level."""

    blocks: BlockStore
    profile: Profile
    levels: list[list[Tree]] = field(default_factory=list[list[Tree]])
    batch: list[tuple[CID, bytes]] = field(default_factory=list[tuple[CID, bytes]])
    batch_bytes: int = 0

    def add_leaf(self, chunk: bytes) -> None:
        if self.profile.raw_leaves:
            cid, block = CID.of(chunk, codec=RAW), chunk
        else:
            block = encode(Node((), _file_data(chunk, len(chunk), [])))
            cid = CID.of(block, codec=DAG_PB, version=self.profile.cid_version)
        self._keep(cid, block)
        self._add(0, Tree(cid, len(chunk), len(block)))

    def finish(self) -> Tree:
        """Close every level, leave the rest of the batch durable, and return the root."""
        level = 0
        while level + 1 < len(self.levels) or len(self.levels[level]) > 1:
            if self.levels[level]:
                self._close(level)
            level += 1
        self.blocks.put_many(self.batch)
        return self.levels[level][0]

    def _add(self, level: int, tree: Tree) -> None:
        if level == len(self.levels):
            self.levels.append([])
        if len(self.levels[level]) == self.profile.width:
            self._close(level)
        self.levels[level].append(tree)

    def _close(self, level: int) -> None:
        children = self.levels[level]
        self.levels[level] = []
        size = sum(child.size for child in children)
        links = tuple(Link(child.cid, "", child.tsize) for child in children)
        block = encode(Node(links, _file_data(b"", size, [child.size for child in children])))
        cid = CID.of(block, codec=DAG_PB, version=self.profile.cid_version)
        self._keep(cid, block)
        self._add(level + 1, Tree(cid, size, len(block) + sum(child.tsize for child in children)))

    def _keep(self, cid: CID, block: bytes) -> None:
        self.batch.append((cid, block))
        self.batch_bytes += len(block)
        if self.batch_bytes >= BATCH_BYTES_MAX:
            self.blocks.put_many(self.batch)
            self.batch, self.batch_bytes = [], 0


def _file_data(content: bytes, size: int, sizes: list[int]) -> bytes:
    parts = [number(1, _FILE)]
    if content:
        parts.append(run(2, content))
    parts.append(number(3, size))
    parts.extend(number(4, child) for child in sizes)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Data:
    """The UnixFS message in a dag-pb node."""

    kind: int
    content: bytes
    size: int | None
    sizes: tuple[int, ...]


def _decode_data(cid: CID, data: bytes | None) -> _Data:
    # Fields: 1 kind, 2 content, 3 size, 4 child sizes; 5 to 8 (shards, mode, time) are not used.
    single: dict[int, int | bytes] = {}
    sizes: list[int] = []
    for place, value in fields(data or b""):
        if place == 4 and isinstance(value, int):
            sizes.append(value)
        elif place in single or not 1 <= place <= 8 or place == 4:
            raise Malformed(f"{cid}: UnixFS field {place} is unknown or repeated")
        else:
            single[place] = value
    kind, content, size = single.get(1), single.get(2, b""), single.get(3)
    if not isinstance(kind, int) or not isinstance(content, bytes) or isinstance(size, bytes):
        raise Malformed(f"{cid}: not a UnixFS node")
    return _Data(kind, content, size, tuple(sizes))


def _load(blocks: BlockStore, cid: CID) -> tuple[tuple[Link, ...], _Data]:
    """Load a file's or folder's node; a raw block is a file without links."""
    block = blocks.get(cid)
    if cid.codec == RAW:
        return (), _Data(_RAW_LEAF, block, len(block), ())
    node = decode(block)
    data = _decode_data(cid, node.data)
    if data.kind in (_SYMLINK, _SHARD):
        what = "a symbolic link" if data.kind == _SYMLINK else "a folder split over several blocks"
        raise NotSupported(f"{cid} is {what}, which is not read here")
    if data.kind not in (_RAW_LEAF, _FOLDER, _FILE):
        raise Malformed(f"{cid}: UnixFS kind {data.kind}")
    return node.links, data


def stat(blocks: BlockStore, cid: CID) -> Stat:
    """Tell whether a CID is a file or a folder, from its root block alone."""
    children, data = _load(blocks, cid)
    if data.kind == _FOLDER:
        return Stat("folder", 0)
    return Stat("file", _checked_size(cid, children, data))


def read_file(
    blocks: BlockStore,
    cid: CID,
    *,
    bytes_max: int = FILE_BYTES_MAX,
    blocks_max: int = FILE_BLOCKS_MAX,
) -> Iterator[bytes]:
    """Yield a file's bytes in order; `Malformed` if it is not one, or a size in it lies.

    What was yielded before an error belongs to no whole file: throw it away.
    """
    waiting: list[tuple[CID, int | None, int]] = [(cid, None, 1)]
    blocks_left = blocks_max
    while waiting:
        here, expected, depth = waiting.pop()
        children, data = _load(blocks, here)
        size = _checked_size(here, children, data)
        if size > bytes_max:
            raise Malformed(f"{here}: a file of {size} bytes; at most {bytes_max} are read")
        if expected is not None and size != expected:
            raise Malformed(f"{here}: {size} bytes, where its parent claims {expected}")
        if depth > FILE_DEPTH_MAX:
            raise Malformed(f"{here}: a file deeper than {FILE_DEPTH_MAX} levels")
        blocks_left -= len(children)
        if blocks_left < 0:
            raise Malformed(f"{cid}: a file of more than {blocks_max} blocks")
        if data.content:
            yield data.content
        below = zip(children, data.sizes, strict=True)
        waiting.extend(reversed([(link.cid, claim, depth + 1) for link, claim in below]))


def _checked_size(cid: CID, children: tuple[Link, ...], data: _Data) -> int:
    """Return how many bytes a node of a file claims, once its own sums agree (UNIXFS-5)."""
    if data.kind == _FOLDER:
        raise Malformed(f"{cid} is a folder, not a file")
    if len(children) != len(data.sizes):
        raise Malformed(f"{cid}: {len(children)} links and {len(data.sizes)} sizes")
    # A child with nothing in it would let a few small blocks stand for endless work.
    if len(children) > 1 and 0 in data.sizes:
        raise Malformed(f"{cid}: a part of a file with no bytes in it")
    size = len(data.content) + sum(data.sizes)
    if data.size is not None and data.size != size:
        raise Malformed(f"{cid}: claims {data.size} bytes and has {size}")
    return size


def list_folder(blocks: BlockStore, cid: CID) -> list[Entry]:
    """Return a folder's entries in their order there; `Malformed` for a name used twice."""
    children, data = _load(blocks, cid)
    if data.kind != _FOLDER:
        raise Malformed(f"{cid} is a file, not a folder")
    entries = [Entry(link.name, link.cid, link.tsize) for link in children]
    if len({entry.name for entry in entries}) < len(entries):
        raise Malformed(f"{cid}: a folder with one name twice")
    return entries


def resolve(blocks: BlockStore, root: CID, path: str) -> CID:
    """Return what a path such as "parts/arm.stl" leads to; the empty path is the root."""
    cid = root
    for name in path.split("/") if path else []:
        found = [entry.cid for entry in list_folder(blocks, cid) if entry.name == name]
        if not found:
            raise UsageError(f"{root} has no {path!r}: {name!r} is not there")
        cid = found[0]
    return cid


def links(cid: CID, block: bytes) -> list[CID]:
    """Return the CIDs that a block names, in order and with repeats; a raw block names none."""
    return [] if cid.codec == RAW else [link.cid for link in decode(block).links]


def walk(
    blocks: BlockStore, root: CID, *, blocks_max: int = WALK_BLOCKS_MAX
) -> Iterator[tuple[CID, list[CID]]]:
    """Yield each different block of a tree once, breadth first, with the CIDs that it names.

    Raises `BlockMissing` at the first that is not here. Raw blocks are not read, only looked for.
    """
    seen = {root}
    waiting = deque([root])
    while waiting:
        cid = waiting.popleft()
        below = [] if cid.codec == RAW and blocks.has(cid) else links(cid, blocks.get(cid))
        yield cid, below
        for child in below:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
        if len(seen) > blocks_max:
            raise Malformed(f"{root}: more than {blocks_max} blocks")
