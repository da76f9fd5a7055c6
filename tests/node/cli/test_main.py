"""The command, as a person types it: two real nodes, exit codes, stdout and stderr."""

import filecmp
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from commonfab.node.answers import node as answers
from commonfab.scheduler.plans.ways import Ways
from tests.node.running import (
    STOP_S,
    Ended,
    RunningNode,
    commonfab,
    commonfab_process,
    running_node,
)

HOOK = Path(__file__).parents[3] / "node" / "demo" / "designs" / "wall-hook"
PRINTER = (
    *("--process", "fff-printing", "--volume", "250,210,210"),
    *("--material", "PLA,1000,25", "--price-per-hour", "2.5", "--power", "120"),
    *("--time-lapse", "9000"),
)


def init(home: Path, name: str = "Bob's", at: str = "48.1,11.6") -> Path:
    ended = commonfab("init", "--home", str(home), "--name", name, "--at", at)
    assert ended.code == 0, ended.err
    return home


def refused(ended: Ended, *words: str) -> None:
    """Check that a command was refused: nothing on stdout, one sentence on stderr."""
    assert ended.code == 1, ended
    assert ended.out == ""
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


class Town(NamedTuple):
    alice: RunningNode
    bob: RunningNode
    hook: dict[str, Any]
    """The design that Alice has published, as her `publish --json` printed it."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Generator[Town]:
    """Alice has a design and no machine, Bob has machines; they know each other."""
    folder = tmp_path_factory.mktemp("town")
    init(folder / "alice", name="Alice's", at="48.2,11.5")
    init(folder / "bob")
    with running_node(folder / "alice") as alice, running_node(folder / "bob") as bob:
        published = alice("publish", str(HOOK), "--json").json
        for machine in ("mk3", "mk4"):
            assert bob("machine", "add", machine, *PRINTER).code == 0
        laser = ("--process", "laser-cutting", "--volume", "600,400,9", "--material", "birch,9,4")
        assert bob("machine", "add", "laser", *laser).code == 0
        assert alice("connect", bob("status", "--json").json["addresses"][0]).code == 0
        yield Town(alice, bob, published["design"])


def test_the_program_ends_with_0_1_or_2_and_keeps_results_and_talk_apart(tmp_path: Path) -> None:
    init(tmp_path / "node")

    done = commonfab_process("machine", "list", home=tmp_path / "node")
    refusal = commonfab_process("status", home=tmp_path / "node")
    misuse = commonfab_process("status", "--wrong", home=tmp_path / "node")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("No machines yet")
    refused(refusal, "no node runs")
    assert (misuse.code, misuse.out) == (2, "")
    assert "--wrong" in misuse.err


def test_init_makes_a_node_and_says_what_comes_next(tmp_path: Path) -> None:
    home = tmp_path / "node"

    ended = commonfab("init", "--home", str(home), "--name", "Bob's", "--at", "48.1,11.6")

    assert ended.code == 0
    assert ended.out.splitlines()[0] == "Bob's"
    assert "node  12D3KooW" in ended.out
    assert f"{home}/key.pem" in ended.err
    assert f"commonfab run --home {home}" in ended.err
    assert home.stat().st_mode & 0o777 == 0o700


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    home = init(tmp_path / "node")
    before = (home / "key.pem").read_bytes()

    refused(
        commonfab("init", "--home", str(home), "--name", "Eve's", "--at", "0,0"),
        "a node lives here already",
    )

    assert (home / "key.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["init", "--name", "Bob's"], "--name and --at are needed"),
        (["init", "--name", "Bob's", "--at", "Munich"], "'Munich' is not a place; one looks like"),
        (["init", "--name", "Bob's", "--at", "91,0"], "degrees north are -90 to 90"),
        (["order", "hook", "--to", "1,2"], "Missing option '--quantity'"),
        (["order", "hook", "--quantity", "0", "--to", "1,2"], "0 is not in the range"),
        (["order", "h", "--quantity", "1", "--to", "1,2", "--by", "soon"], "'soon' is not a time"),
        (["machine", "add", "x", "--volume", "1,2"], "'1,2' is not a box"),
        (["machine", "add", "x", "--material", "PLA"], "'PLA' is not a material"),
        (["get", "hook"], "Missing option '--out'"),
        (["fly"], "No such command 'fly'"),
        (["status", "--jsno"], "No such option"),
    ],
)
def test_a_command_that_is_misused_ends_with_2_and_says_how_it_is_used(
    tmp_path: Path, words: list[str], says: str
) -> None:
    ended = commonfab(*words, home=tmp_path / "node")

    assert ended.code == 2
    assert ended.out == ""
    assert says in " ".join(ended.err.split())
    assert not (tmp_path / "node").exists()


def test_without_a_home_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    for words in (["status"], ["run"], ["machine", "list"], ["orders"]):
        refused(commonfab(*words, home=tmp_path), f"commonfab init --home {tmp_path}")


def test_without_a_running_node_a_command_says_how_to_start_one(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    refused(commonfab("designs", home=home), f"start one with: commonfab run --home {home}")


def test_a_name_that_could_steer_a_terminal_is_refused(tmp_path: Path) -> None:
    ended = commonfab("init", "--name", "Bob\x1b[2J", "--at", "1,2", home=tmp_path / "node")

    refused(ended, "workshop.name")
    assert not (tmp_path / "node").exists()


def test_the_home_may_be_named_before_the_command_or_after_it(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    before = commonfab("--home", str(home), "machine", "list", "--json")
    after = commonfab("machine", "list", "--json", "--home", str(home))

    assert before.json == after.json == []


def test_machines_are_kept_while_no_node_runs(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    added = commonfab("machine", "add", "mk3", *PRINTER, "--json", home=home)
    refused(commonfab("machine", "add", "mk3", *PRINTER, home=home), "machine remove mk3")
    refused(commonfab("machine", "add", "a b", *PRINTER, home=home), "machine.id")
    listed = commonfab("machine", "list", "--json", home=home)
    shown = commonfab("machine", "list", home=home)
    refused(commonfab("machine", "remove", "mk4", home=home), "did you mean mk3?")
    removed = commonfab("machine", "remove", "mk3", home=home)

    assert added.json["node_knows"] is False
    assert [machine["state"] for machine in listed.json] == ["offline"]
    assert "250 x 210 x 210" in shown.out
    assert removed.out == "mk3 is removed\n"
    assert commonfab("machine", "list", "--json", home=home).json == []


def test_a_node_does_not_run_without_its_checks(tmp_path: Path) -> None:
    home = init(tmp_path / "node")

    refused(commonfab_process("run", home=home, python="-O"), "python -O")


def test_a_second_node_on_the_same_home_is_refused(town: Town) -> None:
    ended = commonfab("run", home=town.bob.home)

    refused(ended, f"pid {town.bob.process.pid}", "--home")


def test_an_order_to_stop_ends_a_node_in_time_and_well(tmp_path: Path) -> None:
    home = init(tmp_path / "node")
    with running_node(home) as node:
        node.process.send_signal(signal.SIGTERM)

        assert node.process.wait(timeout=STOP_S) == 0

    assert not (home / "control.sock").exists()


def test_status_tells_what_a_node_is_doing(town: Town) -> None:
    status = msgspec.convert(town.bob("status", "--json").json, answers.Status)
    shown = town.bob("status")

    assert status.name == "Bob's"
    assert [machine.id for machine in status.machines] == ["mk3", "mk4", "laser"]
    assert shown.err == ""
    assert status.node in shown.out
    assert "mk3" in shown.out


def test_status_warns_where_the_files_here_cannot_be_counted(town: Town) -> None:
    shard = town.bob.home / "blocks" / "blocks" / "a"
    shard.rename(shard.with_name("elsewhere"))
    broken = town.bob("status")
    shard.with_name("elsewhere").rename(shard)

    assert broken.code == 0
    assert "the files here cannot be counted" in broken.err
    assert town.bob("status").err == ""


def test_what_one_publishes_the_other_finds_shows_and_gets(town: Town, tmp_path: Path) -> None:
    found = town.bob("designs", "wall", "--json").json
    shown = town.bob("show", town.hook["id"][:8])
    drawn = town.bob("show", "wall hook", "--picture")
    got = town.bob("get", "wall hook", "--out", str(tmp_path / "hook"))

    assert [design["id"] for design in found["designs"]] == [town.hook["id"]]
    assert town.bob("designs", "no such words", "--json").json["designs"] == []
    assert "CERN-OHL-P-2.0" in shown.out
    assert "Alice's" in shown.out
    assert "\nwall hook\n" in drawn.out
    assert set("▀▄█") & set(drawn.out)
    assert got.code == 0, got.err
    assert got.out.startswith(str(tmp_path / "hook"))
    compared = filecmp.dircmp(HOOK, tmp_path / "hook")
    assert (compared.left_only, compared.right_only, compared.diff_files) == ([], [], [])


def test_what_is_published_twice_is_one_design(town: Town) -> None:
    again = town.alice("publish", str(HOOK), "--json").json

    assert again["design"]["id"] == town.hook["id"]
    assert not again["is_new"]


def test_what_cannot_be_published_is_refused_by_name(town: Town, tmp_path: Path) -> None:
    (tmp_path / "hook.stl").write_text("no mesh")

    refused(town.alice("publish", str(tmp_path / "nothing")), "nothing")
    refused(town.alice("publish", str(tmp_path / "hook.stl")), "hook.stl")


def test_an_order_is_made_and_explained_so_that_anybody_can_check_it(
    town: Town, tmp_path: Path
) -> None:
    words = ("wall hook", "--quantity", "3", "--to", "48.15,11.5", "--by", "9d")

    made = town.alice("order", *words, "--watch")
    (order,) = msgspec.convert(town.alice("orders", "--json").json, list[answers.OrderLine])
    start = order.id[:6]
    shown = town.alice("orders", start)
    explained = town.alice("explain", start)
    reasons = msgspec.convert(town.alice("explain", start, "--json").json, answers.Explained)

    assert made.code == 0, made.err
    assert "done: 3 of 3 pieces made" in made.out
    assert "made: " in made.err
    assert (order.state, order.pieces_made) == ("done", 3)
    assert shown.out == made.out
    assert {attempt.owner_name for job in order.jobs for attempt in job.attempts} == {"Bob's"}
    assert "<- has it" in explained.out
    assert "does laser-cutting, not fff-printing" in " ".join(explained.out.split())
    assert sum(job.pieces for job in reasons.jobs) == 3
    _check_anywhere(town, start, tmp_path)


def _check_anywhere(town: Town, order: str, folder: Path) -> None:
    """Check an explanation where no node runs, and one in which a number was changed."""
    file, lie = folder / "why.json", folder / "lie.json"
    town.alice("explain", order, "--out", str(file))
    lie.write_text(file.read_text().replace('"seconds":', '"seconds":1', 1))

    checked = commonfab("explain", "--check", str(file), home=folder)
    found = commonfab("explain", "--check", str(lie), home=folder)

    assert checked.code == 0, checked.err
    assert "every word and number as told" in checked.out
    assert found.code == 1
    assert "seconds: not what follows from its records" in found.out
    refused(town.alice("explain", "--check", str(HOOK / "okh.toml")), "not what commonfab explain")
    assert town.alice("explain").code == 2


def test_ways_to_have_a_design_made_are_shown_before_anybody_is_asked(town: Town) -> None:
    words = ("wall hook", "--quantity", "3", "--to", "48.15,11.5")

    shown = town.alice("plan", *words)
    ways = msgspec.convert(town.alice("plan", *words, "--json").json, Ways)

    assert shown.code == 0, shown.err
    assert "to have 3 x wall hook made" in shown.out
    assert {making.workshop for way in ways.ways for making in way.makings} == {"Bob's"}
    refused(town.alice("plan", *words, "--profile", "slow"), "slow: no such profile; there are")


def test_an_order_that_nobody_can_make_waits_and_can_be_called_off(town: Town) -> None:
    soon = ("--quantity", "9", "--to", "1,2", "--by", "5min")
    refused(town.bob("order", "wall hook", *soon), "to make it fit: give it")
    placed = town.bob("order", "wall hook", *soon, "--wait", "--json")
    start = placed.json["id"][:8]

    cancelled = town.bob("cancel", start)

    assert cancelled.code == 0, cancelled.err
    assert town.bob("orders", start, "--json").json[0]["state"] == "cancelled"
    refused(town.bob("cancel", "ffff"), "no such order here; see: commonfab orders")
    refused(town.bob("order", "no hook", "--quantity", "1", "--to", "1,2"), "no such design")


def test_peers_are_listed_and_a_wrong_address_is_refused(town: Town) -> None:
    lines = msgspec.convert(town.alice("peers", "--json").json, list[answers.PeerLine])

    assert [(line.name, line.is_connected) for line in lines] == [("Bob's", True)]
    assert "Bob's" in town.alice("peers").out
    refused(town.alice("connect", "bob"), "'bob' is not an address")
    nobody = lines[0].address.replace(lines[0].node, town.alice("status", "--json").json["node"])
    refused(town.bob("connect", nobody.replace("/tcp/", "/tcp/1")))


def test_every_table_fits_the_terminal(town: Town) -> None:
    commands = (["status"], ["machine", "list"], ["designs"], ["show", "wall hook"], ["peers"])
    for columns in (80, 50):
        for words in commands:
            shown = town.bob(*words, columns=columns)

            rule = shown.out.splitlines().index(
                next(r for r in shown.out.splitlines() if "──" in r)
            )
            assert all(len(line) <= columns for line in shown.out.splitlines()[rule - 1 :])


def test_the_doctor_finds_a_running_node_well(town: Town) -> None:
    findings = town.bob("doctor", "--json").json

    verdicts = {finding["about"]: finding["verdict"] for finding in findings}
    assert verdicts["node"] == verdicts["meshes"] == verdicts["key"] == verdicts["peers"] == "ok"
    assert "fail" not in verdicts.values()
