"""What peers ask for, looked up in the block store. It waits for the disk: call it in a thread."""

from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.exchange.bitswap_wire import Block, prefix_of
from commonfab.storage.cid import CID
from commonfab.storage.ports import BlockStore


def name_of(cid: bytes) -> CID | None:
    """Return what the store calls a block; None for one that it cannot have."""
    try:
        return CID.from_bytes(cid) if prefix_of(cid) else None
    except Malformed:
        return None


def find(blocks: BlockStore, cids: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return those of the CIDs whose blocks are here."""
    return tuple(cid for cid in cids if (name := name_of(cid)) and blocks.has(name))


def load(
    blocks: BlockStore, cids: tuple[bytes, ...], bytes_max: int
) -> tuple[tuple[Block, ...], tuple[bytes, ...]]:
    """Read blocks in order until they hold `bytes_max`; return them, and what is not here.

    A block that cannot be read is not here, whatever the reason: another peer may have it.
    """
    read: list[Block] = []
    missing: list[bytes] = []
    size = 0
    for cid in cids:
        if size >= bytes_max:
            break
        data = _get(blocks, cid)
        if data is None:
            missing.append(cid)
        else:
            read.append(Block(cid, data))
            size += len(data)
    return tuple(read), tuple(missing)


def _get(blocks: BlockStore, cid: bytes) -> bytes | None:
    name = name_of(cid)
    if name is None:
        return None
    try:
        return blocks.get(name)
    except ResourceError:
        return None
