"""A node without a port in its settings keeps the one it was given."""

import socket
from pathlib import Path

import pytest

from commonfab.node.home.ports import remember, taken_again
from commonfab.protocol.errors import ResourceError
from tests.node.running import commonfab, running_node

ANY = ["/ip4/127.0.0.1/tcp/0"]


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def noted(tmp_path: Path, *addresses: str) -> Path:
    note = tmp_path / "ports"
    remember(ANY, addresses, note)
    return note


def test_the_port_of_the_last_start_is_taken_again(tmp_path: Path) -> None:
    port = free_port()
    note = noted(tmp_path, f"/ip4/127.0.0.1/tcp/{port}/p2p/12D3")

    assert taken_again(ANY, note) == [f"/ip4/127.0.0.1/tcp/{port}"]


def test_a_port_that_somebody_else_has_by_now_is_let_go(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        note = noted(tmp_path, f"/ip4/127.0.0.1/tcp/{other.getsockname()[1]}/p2p/12D3")

        assert taken_again(ANY, note) == ANY


def test_a_port_in_the_settings_counts_alone(tmp_path: Path) -> None:
    note = tmp_path / "ports"
    settings = ["/ip4/127.0.0.1/tcp/4411"]

    remember(settings, ["/ip4/127.0.0.1/tcp/4411/p2p/12D3"], note)

    assert not note.exists()
    assert taken_again(settings, noted(tmp_path, "/ip4/127.0.0.1/tcp/9/p2p/12D3")) == settings


def test_one_port_is_not_used_for_two_places(tmp_path: Path) -> None:
    port = free_port()
    note = noted(tmp_path, f"/ip4/127.0.0.1/tcp/{port}/p2p/12D3")

    assert taken_again([*ANY, *ANY], note) == [f"/ip4/127.0.0.1/tcp/{port}", *ANY]


def test_a_relays_address_is_no_port_of_this_node(tmp_path: Path) -> None:
    assert not noted(tmp_path, "/ip4/127.0.0.1/tcp/7/p2p/12D3/p2p-circuit/p2p/12D4").exists()


@pytest.mark.parametrize("text", ["", "ip4\n", "ip4 -1\n", "ip4 99999\n", "ipx 80\n"])
def test_a_note_that_says_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    note = tmp_path / "ports"
    note.write_text(text)

    assert taken_again(ANY, note) == ANY


def test_a_note_that_is_no_text_is_named(tmp_path: Path) -> None:
    note = tmp_path / "ports"
    note.write_bytes(b"\xff\xfe")

    with pytest.raises(ResourceError, match="ports: cannot be read"):
        taken_again(ANY, note)


def test_a_node_is_reached_at_the_same_address_after_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "node"
    commonfab("init", "--name", "One", "--at", "45,5", home=home)
    seen: list[list[str]] = []
    for _ in range(2):
        with running_node(home):
            seen.append(commonfab("status", "--json", home=home).json["addresses"])

    assert seen[0] == seen[1]
