"""Which pieces are a workshop's own stock, by the receipts on its disk."""

import pytest

from commonfab.node.cli.surplus import print_surplus
from commonfab.node.library import Library
from commonfab.node.surplus import surplus
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Record
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import NOON, a_lease, a_receipt, a_request, an_acceptance, an_offer
from tests.protocol.signers import ALICE, BOB

ASKED = a_request()
OFFER = an_offer(ASKED)
LEASE = a_lease(ASKED, OFFER, an_acceptance(OFFER))


def a_confirmation(told: Record, pieces: int) -> Record:
    return a_receipt(
        LEASE,
        ALICE,
        to=BOB.node,
        stream="receipt/confirmed",
        statement="confirmed",
        about=told.id,
        pieces=pieces,
    )


async def bobs(*kept: Record) -> Library:
    library = Library(MemoryRecordStore())
    await library.keep([ASKED, OFFER, LEASE, *kept])
    return library


async def test_pieces_that_their_buyer_did_not_take_are_stock(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = a_receipt(LEASE, pieces=4, mass_mg=100_000)

    (line,) = surplus(await bobs(told, a_confirmation(told, 1)), BOB.node)

    assert (line.pieces, line.part, line.machine) == (3, "bracket", "mk3")
    assert (line.mass_mg, line.at, line.buyer) == (75_000, NOON, peer_text(ALICE.node))
    print_surplus([line])
    assert "bracket" in capsys.readouterr().out


@pytest.mark.parametrize("taken", [None, 4])
async def test_pieces_that_were_taken_or_may_still_be_are_none(taken: int | None) -> None:
    told = a_receipt(LEASE, pieces=4)
    kept = [told] if taken is None else [told, a_confirmation(told, taken)]

    assert surplus(await bobs(*kept), BOB.node) == []


async def test_what_others_made_is_no_stock_of_this_node() -> None:
    told = a_receipt(LEASE, pieces=4)

    assert surplus(await bobs(told, a_confirmation(told, 0)), ALICE.node) == []
