"""specs/vectors/unixfs.json, and the blocks of the layouts in it."""

import json
from pathlib import Path
from typing import Any

from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs.unixfs import Profile
from tests.storage.content import Content

VECTORS: dict[str, Any] = json.loads(Path("specs/vectors/unixfs.json").read_text())
PROFILES = {name: Profile(**how) for name, how in VECTORS["profiles"].items()}


def name_of(vector: dict[str, Any]) -> str:
    """What a test of this vector is called."""
    return "-".join(
        str(vector[key]) for key in ("profile", "name", "size", "seed", "names") if key in vector
    )


def lay_blocks(vector: dict[str, Any]) -> MemoryBlockStore:
    """Return a store with the blocks of a layout, as Kubo had them."""
    blocks = MemoryBlockStore()
    named: dict[str, str] = vector.get("nodes", vector.get("blocks", {}))
    for name, data in named.items():
        blocks.put(CID.parse(name), bytes.fromhex(data))
    content = Content(vector.get("seed", ""), vector.get("size", 0))
    leaves: list[tuple[str, int]] = vector.get("leaves", [])
    for name, length in leaves:
        cid, chunk = CID.parse(name), content.read(length)
        assert cid.codec == RAW
        if cid.inline is None:
            blocks.put(cid, chunk)
    return blocks
