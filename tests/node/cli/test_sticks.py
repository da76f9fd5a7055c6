"""Nodes in processes of their own that share no network: a stick between them, and kill -9."""

import os
import re
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from commonfab.node import clock
from commonfab.node.library import Library
from commonfab.protocol.envelope import identify
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.car.bundle import NamedTree, SealedRecord, census, lay_out
from commonfab.storage.car.car import encode_header, encode_section
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.records import SqliteRecordStore
from tests.builders import a_design
from tests.node.running import RunningNode, commonfab, kill_during, running_node
from tests.node.village import MANIFEST, write_block
from tests.protocol.signers import ALICE
from tests.storage.content import content

NAMES = ("Ada", "Bea", "Cleo")
MACHINE = ("mk", "--process", "fff-printing", "--volume", "200,200,200")
PLASTIC = ("--material", "PLA,1000,25", "--time-lapse", "10000")
WAIT_S = 60
OTHER_DAY = """\
import os, time
real = time.time_ns
def time_ns():
    with open(os.environ["TEST_DAY"]) as file:
        return real() + int(file.read()) * 86_400 * 10**9
time.time_ns = time_ns
"""
"""Has each node believe that it is so many days later."""


class Days:
    """What day it is for the nodes: a stick is on its way for a day."""

    def __init__(self, file: Path) -> None:
        self._file, self._day = file, -1
        self.next()

    def next(self) -> None:
        self._day += 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(self._day))
        fresh.replace(self._file)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Generator[Days]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(OTHER_DAY)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setenv("TEST_DAY", str(folder / "day"))
        yield Days(folder / "day")


def init(home: Path, name: str) -> Path:
    assert commonfab("init", "--home", str(home), "--name", name, "--at", "48.1,11.6").code == 0
    return home


def publish(node: RunningNode, folder: Path, name: str, *, tag: str = "medical") -> None:
    text = MANIFEST.replace('"Block"', f'"{name}"')
    text = text.replace("\n[[part]]", f'\nkeywords = ["{tag}"]\n\n[[part]]', 1)
    write_block(folder, manifest=text)
    (folder / "film.bin").write_bytes(content(name, 400_000))
    ended = node("publish", str(folder))
    assert ended.code == 0, ended.err


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, days: Days) -> Generator[dict[str, RunningNode]]:
    """Run three nodes that nobody can dial, of which Bea has a machine."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("town")
        homes = {name: init(folder / name, name) for name in NAMES}
        for home in homes.values():
            settings = home / "commonfab.toml"
            settings.write_text(re.sub("# listen = .*", "listen = []", settings.read_text()))
        assert commonfab("machine", "add", *MACHINE, *PLASTIC, home=homes["Bea"]).code == 0
        yield {name: stack.enter_context(running_node(home)) for name, home in homes.items()}


def _id(node: RunningNode) -> str:
    found: str = node("status", "--json").json["node"]
    return found


def _known(node: RunningNode) -> dict[str, bool]:
    found = node("designs", "--json").json["designs"]
    return {each["name"]: each["is_here"] for each in found}


def _carry(maker: RunningNode, to: RunningNode, stick: Path, *options: str) -> dict[str, Any]:
    made = maker("bundle", "make", "--for", _id(to), "--to", str(stick), "--json", *options)
    assert made.code == 0, made.err
    opened = to("bundle", "open", str(stick), "--json")
    assert opened.code == 0, opened.err
    found: dict[str, Any] = opened.json
    return found


def _job(buyer: RunningNode, order: str) -> dict[str, Any]:
    found: dict[str, Any] = buyer("orders", order, "--json").json[0]["jobs"][0]
    return found


@pytest.mark.rule("BUNDLE-9")
def test_three_nodes_that_share_no_network_come_to_know_the_same_by_a_stick(
    town: dict[str, RunningNode], tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    ada, bea, cleo = (town[name] for name in NAMES)
    for name, node in town.items():
        publish(node, tmp_path / f"design of {name}", f"Pump of {name}")
    publish(ada, tmp_path / "toy", "Toy", tag="fun")
    assert cleo("wish", "add", "--tag", "medical", "--budget", "5MB").code == 0

    _carry(ada, bea, stick)
    _carry(bea, cleo, stick, "--seal")
    _carry(cleo, bea, stick)
    last = _carry(bea, ada, stick, "--seal")
    _carry(bea, cleo, stick)

    pumps = {f"Pump of {name}" for name in NAMES}
    for name, node in town.items():
        known = _known(node)
        assert known.keys() == {*pumps, "Toy"}, name
        assert {each for each, is_here in known.items() if is_here} >= pumps, name
        assert node("peers", "--json").code == 0
    assert "medical, 5.0 MB" in cleo("wishes").out
    assert "2 designs here" in cleo("wishes").out
    assert [each["receiver_name"] for each in last["receipts"]].count("Bea") >= 1
    assert [each["why"] for each in last["passed_over"]]
    text = bea("bundle", "open", str(stick)).out
    assert "received by Ada" in text
    assert "received by Cleo" in text


def test_a_bundle_for_a_node_is_told_in_words(town: dict[str, RunningNode], tmp_path: Path) -> None:
    ada, bea, _ = (town[name] for name in NAMES)
    publish(ada, tmp_path / "1", "Pump")
    publish(ada, tmp_path / "2", "Mask")
    stick = tmp_path / "my stick"
    stick.mkdir()
    file = stick / "for bea.car"
    words = ("bundle", "make", "--for", _id(bea), "--budget", "500kB", "--to", str(file))

    dry = ada(*words, "--dry-run")
    made = ada(*words)
    opened = bea("bundle", "open", str(file))
    back = bea("bundle", "make", "--for", "Ada", "--to", str(tmp_path), "--dry-run")
    stranger = ada("bundle", "make", "--for", "Zoe", "--to", str(tmp_path))
    mine = ada("bundle", "open", str(file))

    assert "Nothing was written" in dry.err
    assert made.out.splitlines()[0] == str(file)
    assert "left out: Pump" in made.out
    assert "over the budget of this bundle" in made.out
    assert file.stat().st_size <= 500_000
    assert "made for this node by Ada" in opened.out
    assert f"receipt: {file}.receipt" in opened.out
    assert f"commonfab bundle make --for Ada --to '{stick}'" in opened.err
    assert "Ada lacks nothing that is here" in back.err
    assert (stranger.code, mine.code) == (1, 1)
    assert "no node of this name is known here" in stranger.err
    assert "it is for" in mine.err


def test_wishes_are_said_shown_and_taken_back(town: dict[str, RunningNode]) -> None:
    ada = town["Ada"]
    assert "Nothing is wished yet" in ada("wishes").err

    added = ada("wish", "add", "--area", "45,5,100km", "--licence", "CC-BY-4.0", "--process", "FFF")
    words = ada("wish", "add", "--words", "hand pump", "--budget", "1.5GB")
    listed = ada("wishes", "--json").json
    gone = ada("wish", "remove", "1")

    assert added.out.splitlines()[0] == "1 area:45,5,100km licence:CC-BY-4.0 process:fff-printing"
    assert words.out.splitlines() == ["2 words:hand pump, 1.5 GB", "  no design fits it yet"]
    assert [(each["id"], each["budget_bytes"]) for each in listed] == [(1, None), (2, 1500000000)]
    assert gone.out == "1 area:45,5,100km licence:CC-BY-4.0 process:fff-printing: taken back\n"
    assert ada("wish", "remove", "1").code == 1
    assert ada("wish", "add", "--area", "45,5").code == 2
    assert ada("wish", "add").code == 1


@pytest.mark.rule("BUNDLE-14")
def test_three_nodes_that_share_no_network_have_a_thing_made_by_stick_alone(
    town: dict[str, RunningNode], days: Days, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    ada, bea, cleo = (town[name] for name in NAMES)
    assert cleo("publish", str(write_block(tmp_path / "block"))).code == 0
    order = ("order", "Block", "--quantity", "2", "--to", "48.1,11.6")

    # What Bea's machine can do comes by way of Cleo.
    for maker, to in ((bea, cleo), (cleo, ada)):
        days.next()
        _carry(maker, to, stick)
    days.next()
    hasty = ada(*order)
    placed = ada(*order, "--patience", "4", "--json").json["id"]
    states = [_job(ada, placed)["state"]]
    for _ in ("offer", "lease", "receipt"):
        days.next()
        _carry(ada, bea, stick)
        days.next()
        _carry(bea, ada, stick)
        states.append(_job(ada, placed)["state"])
    end = time.monotonic() + WAIT_S
    while _job(ada, placed)["state"] != "done":  # Its machine needs a moment.
        assert time.monotonic() < end
        _carry(bea, ada, stick)

    assert (hasty.code, "hear from its workshop again" in hasty.err) == (1, True)
    assert states[:3] == ["asking", "accepting", "granted"]
    (attempt,) = _job(ada, placed)["attempts"]
    assert (attempt["owner_name"], attempt["made"]) == ("Bea", 2)
    assert ada("explain", placed, "--out", str(tmp_path / "why")).code == 0
    assert ada("explain", "--check", str(tmp_path / "why")).code == 0
    assert {node("status", "--json").json["peers"] for node in town.values()} == {0}


# Kill -9.


def _whole_designs(home: Path) -> int:
    """Return how many designs a node knows; fail if the files of one are not all there."""
    library = Library(SqliteRecordStore(home / "records.sqlite", identify=identify))
    blocks = DiskBlockStore(home / "blocks")
    count = 0
    for record in library.stored(["design"]):
        assert isinstance(record.body, Design)
        assert census(blocks, CID.from_bytes(record.body.root)).missing == 0
        count += 1
    library.close()
    return count


def _large_bundle(path: Path, designs: int) -> None:
    """Write a bundle of many small designs with files of their own."""
    blocks = MemoryBlockStore()
    now = clock.now()
    sealed: list[SealedRecord] = []
    trees: list[NamedTree] = []
    files: list[tuple[CID, bytes]] = []
    for number in range(designs):
        data = number.to_bytes(4, "big") * 10_000
        root = CID.of(data, codec=RAW)
        blocks.put(root, data)
        record = a_design(ALICE, at=now, stream=f"design/{number}", root=bytes(root))
        sealed.append(SealedRecord("design", record.data))
        trees.append(NamedTree("x", record.id, root))
        files.append((root, data))
    layout = lay_out(sealed, trees, blocks)
    with path.open("wb") as file:
        file.write(encode_header([layout.root]))
        for cid, data in (*layout.blocks, *files):
            file.write(encode_section(cid, data))


@pytest.mark.rule("BUNDLE-6")
def test_kill_9_at_any_step_of_opening_leaves_nothing_half_taken(tmp_path: Path) -> None:
    home, stick = init(tmp_path / "dora", "Dora"), tmp_path / "many.car"
    _large_bundle(stick, 300)
    found: list[int] = []
    for step, count in (("reading", 1), ("judging", 1)):
        with running_node(home) as node:
            kill_during(node, step, count, "bundle.open", path=str(stick))
        found.append(_whole_designs(home))
    with running_node(home) as node:
        opened = node("bundle", "open", str(stick), "--json").json

    assert found[0] == 0, "no record before all files are there"
    assert found[1] > 0
    assert opened["new_records"] == 300 - found[1]
    assert _whole_designs(home) == 300


def test_kill_9_while_a_bundle_for_a_node_is_made_leaves_no_bundle(tmp_path: Path) -> None:
    home, stick = init(tmp_path / "emil", "Emil"), tmp_path / "stick"
    stick.mkdir()
    with running_node(home) as node:
        publish(node, tmp_path / "1", "Pump")
        params = {"to": peer_text(ALICE.node), "out": str(stick), "budget_bytes": 10**9}
        kill_during(node, "writing", 1, "bundle.make_for", **params)

    assert [path.suffix for path in stick.iterdir()] == [".part"]
