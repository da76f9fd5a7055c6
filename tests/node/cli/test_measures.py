"""What a person types for a design that is made to measure, and for the attribution sheet."""

from collections.abc import Iterator

import pytest

from tests.node.measured.measured_block import write_measured
from tests.node.running import RunningNode, running_node
from tests.node.village import a_home, a_machine

TO = ("--quantity", "1", "--to", "45.7,4.8")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("measured")
    with running_node(a_home(folder, "alice", a_machine()).path) as running:
        assert running("publish", str(write_measured(folder / "block"))).code == 0
        yield running


def test_an_order_without_measures_says_how_to_give_them(node: RunningNode) -> None:
    ended = node("order", "block", *TO)

    assert ended.code == 1
    assert "order it with --measure, which asks for each measure, or with --set" in ended.err


@pytest.mark.parametrize(
    ("given", "code", "why"),
    [
        ("pd", 2, "'pd' is no NAME=VALUE, such as pd=64"),
        ("pd=", 2, "is no NAME=VALUE"),
        ("pd=5", 1, "pd is 5; choose 10 to 90 mm"),
        ("nose=5", 1, "no such parameter; there are pd, deep"),
    ],
)
def test_a_measure_that_is_none_is_refused_with_the_way_out(
    node: RunningNode, given: str, code: int, why: str
) -> None:
    ended = node("order", "block", *TO, "--set", given)

    assert (ended.code, why in ended.err) == (code, True), ended.err


def test_the_sheet_names_the_licensor_and_what_the_licence_asks(node: RunningNode) -> None:
    ended = node("show", "block", "--attribution")

    assert ended.code == 0
    assert ended.out.splitlines()[0].startswith("Block 1, Alice, CC0-1.0, ")
    assert ended.out.splitlines()[1] == "  - Do as you like with it."
