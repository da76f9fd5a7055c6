"""Files and folders have the CIDs that a current Kubo gives them, and each reads the other's.

Here Kubo's command works on a repository of its own, without a daemon: one for each profile.
"""

import io
from pathlib import Path

import pytest

from commonfab.storage.car import car
from commonfab.storage.cid import CID
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import folders, unixfs
from commonfab.storage.unixfs.unixfs import PROFILES, Profile
from tests.peers.kubo_daemon import KuboDaemon, kubo_program
from tests.storage.content import Content, content
from tests.storage.unixfs_vectors import VECTORS

FILES = {
    "README.md": 1200,
    "empty.txt": 0,
    "parts/arm.stl": 3_145_733,
    "parts/Base.stl": 262_144,
    "parts/spares/Größe 零件": 70,
    "a.b": 1,
    "a/b": 2,
}
OPTIONS = [
    *("--trickle", "--chunker=rabin", "--chunker=buzhash", "--chunker=size-100000"),
    *("--trickle --raw-leaves", "--raw-leaves", "--cid-version=1 --raw-leaves=false"),
    *("--cid-version=1 --inline", "--cid-version=1 --inline --inline-limit=128"),
    *("--hash=sha2-512", "--hash=blake3", "--hash=blake2b-256 --trickle"),
    *("--max-file-links=3 --max-directory-links=2 --max-hamt-fanout=16", "--mode=0640"),
]


class Kubo:
    """Kubo with the settings of one profile."""

    def __init__(self, folder: Path, profile: str) -> None:
        self._kubo = KuboDaemon(kubo_program(), folder)
        self.profile: Profile = PROFILES[profile]
        self._options = ["--cid-version=1"] if profile == "kubo-cidv1" else []
        if not self._options:
            self._kubo.run("config", "profile", "apply", profile)

    def add(self, data: bytes) -> str:
        return self._kubo.run("add", "-Q", *self._options, stdin=data).decode().strip()

    def add_folder(self, path: Path, options: str | None = None) -> CID:
        chosen = self._options if options is None else options.split()
        return CID.parse(self._kubo.run("add", "-Q", "-r", *chosen, str(path)).decode().strip())

    def take(self, blocks: MemoryBlockStore, root: CID) -> None:
        """Have all blocks of a tree."""
        sections = [
            car.encode_section(cid, blocks.get(cid)) for cid, _ in unixfs.walk(blocks, root)
        ]
        self._kubo.run("dag", "import", stdin=car.encode_header([root]) + b"".join(sections))

    def give(self, root: CID) -> MemoryBlockStore:
        """Return all blocks of a tree."""
        data = self._kubo.run("dag", "export", str(root))
        blocks = MemoryBlockStore()
        for item in car.Reader(io.BytesIO(data), len(data)).items():
            assert isinstance(item, car.Block)
            blocks.put(item.cid, item.data)
        return blocks

    def get(self, root: CID, to: Path) -> None:
        self._kubo.run("get", "-o", str(to), str(root))


@pytest.fixture(scope="module", params=PROFILES)
def kubo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kubo:
    return Kubo(tmp_path_factory.mktemp("kubo") / "repo", request.param)


@pytest.fixture(scope="module")
def plain_kubo(tmp_path_factory: pytest.TempPathFactory) -> Kubo:
    return Kubo(tmp_path_factory.mktemp("kubo") / "repo", "kubo-cidv1")


@pytest.fixture
def design(tmp_path: Path) -> Path:
    folder = tmp_path / "design"
    for name, size in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, size))
    (folder / "pictures").mkdir()
    return folder


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder that every profile splits, with a folder in it."""
    folder = tmp_path / "large"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "arm.stl").write_bytes(content("arm", 300_000))
    for n in range(1200):
        (folder / f"{n:0200}").write_text(f"{n % 7}")
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.rule("UNIXFS-1")
@pytest.mark.parametrize("chunks", [0, 1, 5, 174])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_file_has_the_cid_that_kubo_gives_it(kubo: Kubo, chunks: int, more: int) -> None:
    size = max(0, chunks * 262_144 + more)

    cid, _ = unixfs.add_file(MemoryBlockStore(), Content("live", size), kubo.profile)

    assert kubo.add(content("live", size)) == str(cid)


@pytest.mark.rule("UNIXFS-3")
@pytest.mark.parametrize("name", ["design", "large"])
def test_a_folder_has_the_cid_that_kubo_gives_it_and_each_reads_the_others(
    kubo: Kubo, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(name)
    ours = MemoryBlockStore()

    root = folders.add_folder(ours, folder, profile=kubo.profile)
    kubo.take(ours, root)
    kubo.get(root, tmp_path / "by kubo")

    assert contents(tmp_path / "by kubo") == contents(folder)
    assert kubo.add_folder(folder) == root
    theirs = kubo.give(root)
    assert set(theirs.cids()) == set(ours.cids())
    folders.export(theirs, root, tmp_path / "by us")
    assert contents(tmp_path / "by us") == contents(folder)


@pytest.mark.rule("UNIXFS-6")
@pytest.mark.parametrize("count", [1024, 1025, 1065, 1066])
def test_a_folder_of_folders_is_split_where_kubo_splits_it(
    kubo: Kubo, tmp_path: Path, count: int
) -> None:
    # Kubo adds each of them empty and fills it later, so its own count changes on the way.
    for n in range(count):
        (tmp_path / f"{n:0200}").mkdir()
        (tmp_path / f"{n:0200}" / "a").write_bytes(bytes(n % 3 * 100))

    root = folders.add_folder(MemoryBlockStore(), tmp_path, profile=kubo.profile)

    assert kubo.add_folder(tmp_path) == root


@pytest.mark.rule("UNIXFS-5")
@pytest.mark.parametrize("options", OPTIONS)
def test_a_folder_that_kubo_cut_in_another_way_is_read(
    plain_kubo: Kubo, design: Path, tmp_path: Path, options: str
) -> None:
    root = plain_kubo.add_folder(design, options)

    folders.export(plain_kubo.give(root), root, tmp_path / "out")

    assert contents(tmp_path / "out") == contents(design)


@pytest.mark.parametrize("vector", VECTORS["layouts"], ids=lambda vector: vector["name"])
def test_a_layout_in_the_vectors_is_what_kubo_makes(
    plain_kubo: Kubo, tmp_path: Path, vector: dict[str, str | int]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(str(vector["seed"]), int(vector["size"])))

    assert str(plain_kubo.add_folder(path, str(vector["options"]))) == vector["cid"]
