"""Whether a node can be dialled, by what its peers say."""

import pytest

from commonfab.node.finding.addresses import Reach
from commonfab.node.network.reaching import Voice, state_by


def voices(*said: bool, reach: Reach = Reach.INTERNET) -> list[Voice]:
    return [Voice(is_reached, reach, "", 0.0) for is_reached in said]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([], "unknown"),
        ([True], "open"),
        ([False], "hidden"),
        ([True, False, True], "open"),
        ([False, True, False], "hidden"),
        ([True, False], "hidden"),
    ],
)
def test_one_liar_among_three_makes_no_node_open_and_none_hidden(
    said: list[bool], state: str
) -> None:
    assert state_by(voices(*said)) == state


def test_only_those_farthest_away_count() -> None:
    near = voices(True, True, reach=Reach.NEIGHBOURHOOD)

    assert state_by([*near, *voices(False)]) == "hidden"
