"""What a person may ask of an order."""

import pytest

from commonfab.node.ordering import with_guardians
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from tests.protocol.signers import ALICE, BOB, CAROL, EVE


def test_the_buyer_is_the_first_of_three_guardians() -> None:
    together = with_guardians(ALICE.node, [BOB.node, CAROL.node])

    assert together == (ALICE.node, BOB.node, CAROL.node)


def test_an_order_may_have_no_guardians() -> None:
    assert with_guardians(ALICE.node, []) == ()


@pytest.mark.parametrize(
    "others",
    [
        [BOB.node],
        [BOB.node, BOB.node],
        [ALICE.node, BOB.node],
        [BOB.node, CAROL.node, EVE.node],
        [BOB.node, CAROL.node, BOB.node],
    ],
)
def test_other_numbers_of_guardians_are_refused_in_one_sentence(others: list[NodeId]) -> None:
    with pytest.raises(UsageError, match="name two, or none"):
        with_guardians(ALICE.node, others)
