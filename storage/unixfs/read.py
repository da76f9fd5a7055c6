"""Reading UnixFS: files, folders and whole trees, in every layout that Kubo can write.

Nothing is trusted: a block is hashed by its store, and here every claimed size is compared
with what is really there. Rules: specs/unixfs.md.
"""

from collections import deque
from collections.abc import Iterator

from commonfab.protocol.errors import Malformed, UsageError

from ..cid import CID, RAW
from ..ports import BlockStore
from . import hamt
from .dagpb import Link, decode
from .data import (
    FILE,
    FOLDER,
    RAW_LEAF,
    SHARD,
    SYMLINK,
    Data,
    Entry,
    NotSupported,
    Stat,
    load,
)

FILE_DEPTH_MAX = 16
"""Levels of one file's tree. With 174 links each, 5 would hold an exabyte."""
FILE_BYTES_MAX = 4 * 1024**3
"""What is read of one file. The largest open designs known are a tenth of it."""
FILE_BLOCKS_MAX = 1 << 17
"""Blocks read for one file, repeats counted: a few blocks can stand for endlessly many."""
WALK_BLOCKS_MAX = 1 << 18
"""Different blocks below one root: 256 GiB in chunks of the usual size."""


def stat(blocks: BlockStore, cid: CID) -> Stat:
    """Tell whether a CID is a file or a folder, from its root block alone."""
    children, data = load(blocks, cid)
    if data.kind in (FOLDER, SHARD):
        return Stat("folder", 0)
    if data.kind == SYMLINK:
        return Stat("symbolic link", 0)
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
        children, data = load(blocks, here)
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


def _checked_size(cid: CID, children: tuple[Link, ...], data: Data) -> int:
    """Return how many bytes a node of a file claims, once its own sums agree (UNIXFS-5)."""
    if data.kind == SYMLINK:
        raise NotSupported(f"{cid} is a symbolic link, which is not read here")
    if data.kind not in (FILE, RAW_LEAF):
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
    """Return a folder's entries: in their order there, or by name if it is split.

    `Malformed` for a name used twice, and for a split folder of too many.
    """
    children, data = _load_folder(blocks, cid)
    if data.kind == SHARD:
        return sorted(hamt.entries(blocks, cid), key=lambda entry: entry.name.encode())
    entries = [Entry(link.name, link.cid, link.tsize) for link in children]
    if len({entry.name for entry in entries}) < len(entries):
        raise Malformed(f"{cid}: a folder with one name twice")
    return entries


def _load_folder(blocks: BlockStore, cid: CID) -> tuple[tuple[Link, ...], Data]:
    children, data = load(blocks, cid)
    if data.kind not in (FOLDER, SHARD):
        kind = "a symbolic link" if data.kind == SYMLINK else "a file"
        raise Malformed(f"{cid} is {kind}, not a folder")
    return children, data


def resolve(blocks: BlockStore, root: CID, path: str) -> CID:
    """Return what a path such as "parts/arm.stl" leads to; the empty path is the root."""
    cid = root
    for name in path.split("/") if path else []:
        found = _find(blocks, cid, name)
        if found is None:
            raise UsageError(f"{root} has no {path!r}: {name!r} is not there")
        cid = found
    return cid


def _find(blocks: BlockStore, folder: CID, name: str) -> CID | None:
    _, data = _load_folder(blocks, folder)
    if data.kind == SHARD:
        return hamt.find(blocks, folder, name)
    entries = list_folder(blocks, folder)
    return next((entry.cid for entry in entries if entry.name == name), None)


def links(cid: CID, block: bytes) -> list[CID]:
    """Return the CIDs that a block names, in order and with repeats; a raw block names none.

    A block that is in its own name is no block to have: what it names stands in its place.
    """
    if cid.codec == RAW:
        return []
    return [below for link in decode(block).links for below in blocks_of(link.cid)]


def blocks_of(cid: CID) -> list[CID]:
    """Return the CIDs of the blocks that a CID stands for: itself, or what its own bytes name."""
    inline = cid.inline
    return [cid] if inline is None else links(cid, inline)


def walk(
    blocks: BlockStore, root: CID, *, blocks_max: int = WALK_BLOCKS_MAX
) -> Iterator[tuple[CID, list[CID]]]:
    """Yield each different block of a tree once, breadth first, with the CIDs that it names.

    Raises `BlockMissing` at the first that is not here. Raw blocks are not read, only looked for.
    Blocks that are in their own names are looked through, and not yielded.
    """
    waiting = deque(dict.fromkeys(blocks_of(root)))
    seen = set(waiting)
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
