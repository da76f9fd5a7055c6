"""`commonfab find`, as a person types it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.running import RunningNode, commonfab, running_node
from tests.node.village import write_block


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    home = tmp_path_factory.mktemp("find") / "node"
    words = ("--name", "Alice", "--at", "45.7,4.8")
    assert commonfab("init", *words, home=home).code == 0
    with running_node(home) as running:
        yield running


def test_it_says_that_a_design_of_its_own_is_here(node: RunningNode, tmp_path: Path) -> None:
    assert node("publish", str(write_block(tmp_path / "block"))).code == 0

    found = node("find", "block", "--json").json

    assert (found["is_here"], found["holders"]) == (True, [])
    assert "all here" in node("find", "block").out
    assert node("find", found["root"], "--json").json == found


def test_it_says_what_to_do_about_what_nobody_has(node: RunningNode) -> None:
    ended = node("find", "bafkreidvhw6uxlu4pbhqgmexryjqqb7ay5avl5vnhdnoz7xkubpgwpww74")
    assert "not all here" in ended.out
    assert "Nobody is known to have it." in ended.err
    assert "DHT (LAN): 0 peers asked" in ended.err
