"""The queue of a node's machine goes by its rule and by the receipts on its disk."""

from typing import Any

from commonfab.node.library import Library
from commonfab.node.queueing import COUNTED_MS, SHARED_MS, Queueing
from commonfab.protocol.envelope import Signer
from commonfab.protocol.lease.slots import Leased, Slot
from commonfab.protocol.limits import HOUR_MS
from commonfab.protocol.records import Record
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import (
    NOON,
    a_lease,
    a_receipt,
    a_request,
    an_acceptance,
    an_offer,
    later,
)
from tests.protocol.signers import ALICE, BOB, CAROL


def a_slot(by: Signer, hours: int, **request: Any) -> Slot:
    """Any: the fields of `Request`."""
    asked = a_request(by, **request)
    offer = an_offer(asked, window_ms=hours * HOUR_MS)
    lease = a_lease(asked, offer, an_acceptance(offer, by))
    return Slot(asked, offer, Leased(lease))


def a_receipt_for(by: Signer, hours: int, **changes: Any) -> Record:
    """Any: the fields of `Receipt`."""
    slot = a_slot(by, hours)
    assert slot.lease is not None
    return a_receipt(slot.lease, machine_seconds=hours * 3_600, **changes)


async def test_the_shortest_lease_begins_first() -> None:
    queueing = Queueing(Library(MemoryRecordStore()), BOB.node)
    long, short = a_slot(ALICE, 9), a_slot(CAROL, 1)

    assert queueing.prefer([long, short], NOON) == [short, long]
    assert queueing.prefer([long], NOON) == [long]


async def test_a_lease_that_was_asked_for_long_ago_begins_before_a_shorter_one() -> None:
    queueing = Queueing(Library(MemoryRecordStore()), BOB.node)
    long, short = a_slot(ALICE, 9), a_slot(CAROL, 1, at=later(20 * HOUR_MS))

    assert queueing.prefer([short, long], later(20 * HOUR_MS)) == [long, short]


async def test_who_had_much_of_the_machines_lately_comes_after_who_had_little() -> None:
    library = Library(MemoryRecordStore())
    queueing = Queueing(library, BOB.node)
    alices, carols = a_slot(ALICE, 2), a_slot(CAROL, 3)
    assert queueing.prefer([alices, carols], NOON) == [alices, carols]

    await library.keep([a_receipt_for(ALICE, 40), a_receipt_for(CAROL, 1, seq=2)])

    assert queueing.prefer([alices, carols], NOON) == [alices, carols]
    assert queueing.prefer([alices, carols], later(COUNTED_MS)) == [carols, alices]
    month = later(SHARED_MS + COUNTED_MS)
    new = [a_slot(ALICE, 2, at=month), a_slot(CAROL, 3, at=month)]
    assert queueing.prefer(new, month) == new
