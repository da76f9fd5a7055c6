"""Files and folders have the CIDs that a running Kubo gives them, and each reads the other's.

This Kubo adds with version 0 CIDs and no raw leaves, so the profile compared live is that one.
The one that nodes use differs from it in two flags; for it, Kubo reads here what we write,
and specs/vectors/unixfs.json has CIDs that newer releases of Kubo state.
"""

from pathlib import Path

import pytest

from commonfab.storage.cid import CID, DAG_PB
from commonfab.storage.folders import add_folder, export
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import KUBO_CIDV1, Profile, add_file, walk
from tests.peers.kubo import Kubo
from tests.storage.content import Content, content

KUBO_CIDV0 = Profile(chunk_bytes=256 * 1024, width=174, raw_leaves=False, cid_version=0)
CHUNK = KUBO_CIDV1.chunk_bytes
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1_000_000, 174 * CHUNK, 174 * CHUNK + 1, 60_000_000]
FILES = {
    "README.md": 1200,
    "empty.txt": 0,
    "parts/arm.stl": 3 * CHUNK + 5,
    "parts/Base.stl": CHUNK,
    "parts/spares/Größe 零件": 70,
    "a.b": 1,
    "a/b": 2,
}


@pytest.fixture
def design(tmp_path: Path) -> Path:
    folder = tmp_path / "design"
    for name, size in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, size))
    (folder / "pictures").mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.rule("UNIXFS-1")
@pytest.mark.parametrize("size", SIZES)
def test_a_file_has_the_cid_that_kubo_gives_it(kubo: Kubo, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content("live", size))

    cid, _ = add_file(MemoryBlockStore(), Content("live", size), KUBO_CIDV0)

    assert kubo.add(path) == str(cid)


@pytest.mark.rule("UNIXFS-3")
def test_a_folder_has_the_cid_that_kubo_gives_it(kubo: Kubo, design: Path) -> None:
    assert kubo.add(design) == str(add_folder(MemoryBlockStore(), design, profile=KUBO_CIDV0))


@pytest.mark.parametrize("profile", [KUBO_CIDV0, KUBO_CIDV1], ids=["cidv0", "cidv1"])
def test_kubo_reads_the_folder_that_we_wrote(
    kubo: Kubo, design: Path, tmp_path: Path, profile: Profile
) -> None:
    blocks = MemoryBlockStore()
    root = add_folder(blocks, design, profile=profile)
    for cid, _ in walk(blocks, root):
        kubo.put_block(cid, blocks.get(cid))

    assert kubo.get(root, tmp_path / "out")

    assert contents(tmp_path / "out") == contents(design)


def test_we_read_the_folder_that_kubo_wrote(kubo: Kubo, design: Path, tmp_path: Path) -> None:
    root = CID.parse(kubo.add(design))
    blocks = MemoryBlockStore()
    for data in kubo.blocks():
        blocks.put(CID.of(data, codec=DAG_PB), data)

    export(blocks, root, tmp_path / "out")

    assert contents(tmp_path / "out") == contents(design)
