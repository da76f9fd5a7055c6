"""`commonfab bundle`, as a person types it, and as the power fails."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.car.car import encode_header, encode_section
from commonfab.storage.cid import CID, RAW
from tests.node.running import RunningNode, commonfab, kill_during, running_node

HOOK = Path(__file__).parents[3] / "node" / "demo" / "designs" / "wall-hook"


def init(home: Path, name: str) -> Path:
    assert commonfab("init", "--home", str(home), "--name", name, "--at", "48.1,11.6").code == 0
    return home


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningNode]:
    """A node that has published a design, and knows nobody."""
    with running_node(init(tmp_path_factory.mktemp("bundle") / "alice", "Alice's")) as running:
        assert running("publish", str(HOOK)).code == 0
        yield running


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningNode]:
    with running_node(init(tmp_path_factory.mktemp("bundle") / "bob", "Bob's")) as running:
        yield running


def test_a_bundle_is_made_looked_at_and_opened(
    alice: RunningNode, bob: RunningNode, tmp_path: Path
) -> None:
    stick = tmp_path / "stick.car"

    dry = alice("bundle", "make", "wall hook", "--to", str(stick), "--dry-run")
    assert dry.code == 0, dry.err
    assert "Nothing was written" in dry.err
    assert not stick.exists()
    made = alice("bundle", "make", "wall hook", "--to", str(stick))
    looked = bob("bundle", "open", str(stick), "--dry-run")
    assert "wall hook" not in bob("designs").out
    opened = bob("bundle", "open", str(stick), "--json").json
    again = bob("bundle", "open", str(stick))

    assert made.out.splitlines()[0] == str(stick)
    assert made.out.splitlines()[1] == dry.out.splitlines()[1]
    assert "1 design, 2 records" in made.out
    assert f"commonfab bundle open {stick.name}" in made.err
    assert looked.code == 0
    assert "whole" in looked.out
    assert "Nothing was kept" in looked.err
    assert opened["designs"][0]["missing"] == 0
    assert opened["new_records"] == 2
    assert "0 blocks new" in again.out
    got = bob("get", "wall hook", "--out", str(tmp_path / "out"))
    assert got.code == 0, got.err
    for file in filter(Path.is_file, HOOK.rglob("*")):
        assert (tmp_path / "out" / file.relative_to(HOOK)).read_bytes() == file.read_bytes()


def test_what_is_wrong_with_a_file_is_listed_and_the_program_ends_with_1(
    alice: RunningNode, bob: RunningNode, tmp_path: Path
) -> None:
    stick = tmp_path / "stick.car"
    assert alice("bundle", "make", "wall hook", "--to", str(stick)).code == 0
    data = bytearray(stick.read_bytes())
    data[-1] ^= 1
    stick.write_bytes(data + b"trailing noise")

    ended = bob("bundle", "open", str(stick))

    assert ended.code == 1
    assert "refused: byte" in ended.err
    assert "The file is not whole: byte" in ended.err
    assert "Traceback" not in ended.err


def test_blocks_without_records_say_that_nobody_vouches_for_them(
    bob: RunningNode, tmp_path: Path
) -> None:
    cid = CID.of(b"a file", codec=RAW)
    (tmp_path / "x.car").write_bytes(encode_header([cid]) + encode_section(cid, b"a file"))

    ended = bob("bundle", "open", str(tmp_path / "x.car"))

    assert ended.code == 0
    assert f"{cid}  whole" in ended.out
    assert "nobody vouches for it" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["make", "no such thing", "--to", "x.car"], "no such thing"),
        (["make", "wall hook", "--to", "no/x.car"], "there is no such folder"),
        (["make", "wall hook", "--to", "."], "not overwritten"),
        (["open", "none.car"], "there is no such file"),
        (["open", "text.car"], "not a CAR file"),
        (["open", "x.car.receipt"], "a receipt, and no bundle; commonfab bundle open"),
    ],
)
def test_a_refusal_is_one_sentence(
    alice: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text.car", "x.car.receipt"):
        (tmp_path / name).write_text("Dear Bob,")

    ended = alice("bundle", *words)

    assert (ended.code, ended.out) == (1, "")
    assert says in ended.err
    assert "Traceback" not in ended.err


def test_a_file_is_no_cid_and_ipfs_import_says_what_opens_it(tmp_path: Path) -> None:
    car = tmp_path / "x.car"
    car.touch()

    ended = commonfab("ipfs", "import", str(car))

    assert ended.code == 2
    assert f"commonfab bundle open {car}" in ended.err


def test_a_folder_without_a_bundle_says_so(alice: RunningNode, tmp_path: Path) -> None:
    ended = alice("bundle", "open", str(tmp_path))

    assert (ended.code, ended.out) == (0, "")
    assert "no bundle here" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ["make", "--to", "x.car"],
        ["make", "wall hook", "--to", "x.car", "--seal"],
        ["make", "wall hook", "--to", "x.car", "--budget", "4GB"],
        ["make", "--for", "Bob", "--to", "x.car", "--budget", "4 apples"],
    ],
)
def test_what_makes_no_sense_is_refused_before_the_node_is_asked(words: list[str]) -> None:
    ended = commonfab("bundle", *words)

    assert ended.code == 2


def test_without_a_node_it_says_how_to_start_one(tmp_path: Path) -> None:
    home = init(tmp_path / "idle", "Idle")

    for words in (["make", "hook", "--to", "x.car"], ["open", "x.car"]):
        ended = commonfab("bundle", *words, home=home)
        assert ended.code == 1
        assert f"start one with: commonfab run --home {home}" in ended.err


def _large_car(path: Path, blocks: int) -> list[CID]:
    datas = [index.to_bytes(4, "big") * 65_536 for index in range(blocks)]
    cids = [CID.of(data, codec=RAW) for data in datas]
    with path.open("wb") as file:
        file.write(encode_header([]))
        for cid, data in zip(cids, datas, strict=True):
            file.write(encode_section(cid, data))
    return cids


def test_kill_9_while_opening_loses_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    home, stick = init(tmp_path / "carol", "Carol's"), tmp_path / "large.car"
    cids = _large_car(stick, 300)
    most = 0
    for count in (1, 2):
        with running_node(home) as node:
            kill_during(node, "reading", count, "bundle.open", path=str(stick))
        store = DiskBlockStore(home / "blocks")
        here = [cid for cid in cids if store.has(cid)]
        for cid in here:
            store.get(cid)
        assert len(here) >= max(most, 64 * count)
        most = len(here)
    with running_node(home) as node:
        opened = node("bundle", "open", str(stick), "--json").json

    assert opened["blocks"] == 300
    assert opened["new_blocks"] == 300 - most


def test_kill_9_while_making_leaves_no_half_file_and_the_next_goes_on(tmp_path: Path) -> None:
    home, design, stick = init(tmp_path / "dave", "Dave's"), tmp_path / "design", tmp_path / "s.car"
    shutil.copytree(HOOK, design)
    with (design / "film.bin").open("wb") as file:
        for index in range(1500):
            file.write(index.to_bytes(4, "big") * 16_384)
    part = stick.with_name("s.car.part")
    with running_node(home) as node:
        assert node("publish", str(design)).code == 0
        kill_during(node, "writing", 2, "bundle.make", designs=["wall hook"], out=str(stick))
    assert part.exists()
    assert not stick.exists()
    with running_node(home) as node:
        assert node("bundle", "make", "wall hook", "--to", str(stick)).code == 0
        assert node("bundle", "make", "wall hook", "--to", str(tmp_path / "t.car")).code == 0

    assert stick.read_bytes() == (tmp_path / "t.car").read_bytes()
    assert not part.exists()
