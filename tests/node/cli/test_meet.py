"""Pairing, invitations and private networks, as people type them: two nodes that run."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commonfab.node import clock
from commonfab.node.cli.meet import draw
from commonfab.node.home import config_edit, network_key
from commonfab.node.home.folder import Home
from commonfab.node.meeting import accepted
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting.invitation import Invitation, read
from tests.node.network.test_mdns import multicast_works_here
from tests.node.running import Ended, RunningNode, commonfab, running_node

PEER = "/ip4/192.0.2.7/tcp/4411/p2p/12D3KooWLssHUMcbner3jRoN8TQee5CcSHHDZTxah9oF9kA8S4EJ"
OLD = Invitation(host=NodeId(b"H" * 32), addresses=(), secret=b"s" * 16, until=clock.now())


def found(home: Path, name: str) -> Path:
    assert commonfab("init", "--name", name, "--at", "45.7,4.8", home=home).code == 0
    return home


@dataclass(frozen=True, slots=True)
class Village:
    alice: RunningNode
    bob: RunningNode


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Generator[Village]:
    folder = tmp_path_factory.mktemp("village")
    with (
        running_node(found(folder / "alice", "Alice")) as alice,
        running_node(found(folder / "bob", "Bob")) as bob,
    ):
        yield Village(alice, bob)


@contextmanager
def showing(node: RunningNode) -> "Generator[subprocess.Popen[str]]":
    """Have a node show a code, in a process that waits for it to be used."""
    words = ["pair", "--json", "--home", str(node.home)]
    with subprocess.Popen(  # our own program
        [sys.executable, "-m", "commonfab.node", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_what_one_shows_and_the_other_types_makes_two_nodes_friends(village: Village) -> None:
    with showing(village.alice) as process:
        code = said(process)
        # They are not linked: six words alone lead there by the local network.
        typed = code["code"].split() if multicast_works_here() else [code["text"]]
        joined = village.bob("pair", *typed)
        paired = said(process)

    assert joined.out == "paired with Alice\n"
    assert paired["name"] == "Bob"
    (line,) = village.bob("peers", "--json").json
    assert (line["name"], line["is_friend"], line["how"]) == ("Alice", True, "this computer")
    assert line["last_sync"] > 0
    assert not line["is_behind"]


def test_six_words_alone_are_enough_for_two_that_are_linked(village: Village) -> None:
    address = village.alice("status", "--json").json["addresses"][0]
    assert village.bob("connect", address).code == 0
    with showing(village.alice) as process:
        code = said(process)

        joined = village.bob("pair", *code["code"].split(), "--json").json

    assert joined["is_met"]
    assert joined["name"] == "Alice"


def test_a_code_that_is_typed_where_it_is_shown_is_refused_at_once(village: Village) -> None:
    with showing(village.alice) as process:
        ended = village.alice("pair", *said(process)["code"].split())

    assert ended.code == 1
    assert "type it on the other node" in ended.err


def test_a_code_ends_with_the_command_that_shows_it(village: Village) -> None:
    with showing(village.alice) as process:
        text = said(process)["text"]

    ended = village.bob("pair", text)

    assert ended.code == 1
    assert "does not know it any more" in ended.err


def test_an_invitation_is_used_once_and_listed_with_who_used_it(village: Village) -> None:
    made = village.alice("invite", "--for", "Bob", "--json").json

    assert village.bob("join", made["text"]).out == "paired with Alice\n"

    lines = village.alice("invite", "--list", "--json").json
    (line,) = [each for each in lines if each["id"] == made["invitation"]["id"]]
    assert (line["state"], line["used_by_name"]) == ("used", "Bob")
    refused = village.alice("invite", "--revoke", line["id"])
    assert refused.code == 1
    assert "used already" in refused.err


def test_an_invitation_that_was_taken_back_is_refused(village: Village) -> None:
    made = village.alice("invite", "--json").json
    identifier = made["invitation"]["id"]

    assert village.alice("invite", "--revoke", identifier).out == f"{identifier} is revoked\n"

    ended = village.bob("join", made["text"])
    assert ended.code == 1
    assert "taken back" in ended.err
    assert "revoked" in village.alice("invite", "--list").out


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_tables_fit(village: Village, columns: int) -> None:
    for words in (("peers",), ("invite", "--list")):
        shown = village.alice(*words, columns=columns)

        assert shown.code == 0
        assert max(map(len, shown.out.splitlines()), default=0) <= columns


def test_a_person_sees_words_a_picture_and_what_to_do(village: Village) -> None:
    shown = village.alice("invite", columns=80)

    assert "█" in shown.out
    assert shown.out.splitlines()[-1].startswith("commonfab:")
    assert "commonfab join TEXT" in shown.err
    assert "only this computer can reach this node" in shown.err
    assert "█" not in village.alice("invite", columns=40).out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pair", "army", "van", "defence"), "word 3, defence, is in no code; did you mean def"),
        (("pair", "army", "van"), "a code has 6 words; here are 2"),
        (("pair", "commonfab:aaaa"), "damaged"),
        (("join", "hello"), "is not an invitation"),
        (("join", OLD.text()), "it has expired; ask for a new one"),
        (("invite", "--revoke", "none"), "no such invitation"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(
    village: Village, words: tuple[str, ...], why: str
) -> None:
    ended = village.bob(*words)

    assert ended.code == 1
    assert why in ended.err
    assert ended.out == ""


def test_what_is_shown_as_a_picture_is_a_square_that_fits_a_terminal() -> None:
    full = Invitation(
        host=NodeId(b"H" * 32),
        addresses=("/ip4/192.168.178.122/tcp/44110", "/ip6/2001:db8:1:2:3:4:5:6/tcp/44110"),
        secret=b"s" * 16,
        until=clock.now(),
    )

    lines = draw(full.text()).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 80
    assert len(lines) * 2 - len(lines[0]) in (0, 1)


# Nodes that do not run.


def test_a_node_that_does_not_run_accepts_and_joins_when_it_starts(tmp_path: Path) -> None:
    home = found(tmp_path / "bob", "Bob")
    text = Invitation(
        host=NodeId(b"H" * 32), addresses=(), secret=b"s" * 16, until=clock.now()
    ).text()

    ended = commonfab("join", text, home=home)

    assert ended.out.startswith("accepted; ")
    assert list(accepted.load(Home(home).accepted)) == [text]
    assert oct(Home(home).accepted.stat().st_mode)[-3:] == "600"


def test_an_invitation_brings_the_key_of_its_private_network(tmp_path: Path) -> None:
    home = found(tmp_path / "bob", "Bob")
    psk = b"P" * 32
    text = Invitation(
        host=NodeId(b"H" * 32), addresses=(), secret=b"s" * 16, until=clock.now(), psk=psk
    ).text()

    ended = commonfab("join", text, home=home)

    assert "Start the node, or start it again" in ended.out
    assert network_key.read(Home(home).network_key) == psk
    shown = commonfab("network", "show", "--json", home=home).json
    assert shown["is_private"]
    assert shown["fingerprint"] == network_key.fingerprint(psk)
    assert list(accepted.load(Home(home).accepted)) == [text]

    other = read(text)
    stranger = Invitation(
        host=other.host, addresses=(), secret=b"s" * 16, until=other.until, psk=b"Q" * 32
    )
    refused = commonfab("join", stranger.text(), home=home)
    assert refused.code == 1
    assert "in another private network" in refused.err


def test_who_is_invited_into_a_private_network_meets_its_host_there(tmp_path: Path) -> None:
    alice, bob = found(tmp_path / "alice", "Alice"), found(tmp_path / "bob", "Bob")
    assert commonfab("network", "create", home=alice).code == 0
    with running_node(alice) as host:
        made = host("invite", "--for", "Bob", "--json").json
        assert made["is_private"]
        assert commonfab("join", made["text"], home=bob).code == 0

        with running_node(bob) as guest:
            joined = guest("join", made["text"])

            assert joined.out == "paired with Alice\n"
            (line,) = host("invite", "--list", "--json").json
            assert (line["state"], line["used_by_name"]) == ("used", "Bob")


def test_nobody_is_invited_into_a_network_that_the_node_is_not_in_yet(tmp_path: Path) -> None:
    home = found(tmp_path / "alice", "Alice")
    config_edit.set_network(Home(home), "announce", ("/ip4/192.0.2.7/tcp/4411",))
    with running_node(home) as alice:
        before = alice("invite")
        assert alice("network", "create").code == 0
        for words in ("invite", "pair"):
            ended = alice(words)
            assert ended.code == 1
            assert "stop it and start it again first" in ended.err

    assert before.code == 0


def test_a_private_network_is_made_once_and_shows_no_key(tmp_path: Path) -> None:
    home = found(tmp_path / "alice", "Alice")
    assert "open to all" in commonfab("network", "show", home=home).out

    made = commonfab("network", "create", home=home)

    key = network_key.read(Home(home).network_key)
    assert network_key.fingerprint(key) in made.out
    shown = commonfab("network", "show", home=home).out
    assert network_key.fingerprint(key) in shown
    assert key.hex() not in made.out + made.err + shown
    assert "already" in commonfab("network", "create", home=home).err


def test_the_bootstrap_list_is_empty_and_anybodys_to_replace(tmp_path: Path) -> None:
    home = found(tmp_path / "alice", "Alice")

    def bootstrap(*words: str) -> Ended:
        return commonfab("network", "bootstrap", *words, home=home)

    assert bootstrap("--json").json == {"bootstrap": []}
    assert bootstrap(PEER).out == f"{PEER}\n"
    assert bootstrap("--json").json == {"bootstrap": [PEER]}
    assert "is not an address" in bootstrap("somewhere").err
    assert bootstrap("--json").json == {"bootstrap": [PEER]}
    assert bootstrap("--clear", "--json").json == {"bootstrap": []}


def test_a_code_needs_a_node_that_runs(tmp_path: Path) -> None:
    home = found(tmp_path / "alice", "Alice")

    for words in (("pair",), ("pair", "army", "van"), ("invite",)):
        assert "no node runs" in commonfab(*words, home=home).err
