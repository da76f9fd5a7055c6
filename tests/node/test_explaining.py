"""Explanations are kept with what they rest on, and no longer than they are needed."""

import pytest

from commonfab.node.explaining import KEPT_BYTES_MAX, Explaining
from commonfab.node.library import Library
from commonfab.protocol.author import Author
from commonfab.protocol.errors import UsageError
from commonfab.protocol.lease.attempts import new_order
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import Design, Order, Record
from commonfab.scheduler.placement import Planner
from commonfab.scheduler.why.grounds import check
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import (
    NOON,
    a_capacity,
    a_design,
    a_machine,
    a_workshop,
    an_order,
    body_of,
    later,
)
from tests.protocol.signers import ALICE, CAROL

DESIGN = a_design()
SIGNED = an_order(DESIGN, jobs=(4, 2))
ORDER, BODY = body_of(SIGNED, Order), body_of(DESIGN, Design)


def a_record(price: int) -> Record:
    return a_capacity(machines=(a_machine(price_minor_per_hour=price),))


async def a_buyer(
    *records: Record, kept_bytes_max: int = KEPT_BYTES_MAX
) -> tuple[Library, Explaining]:
    """Return Alice's library with these records, and the order placed."""
    library = Library(MemoryRecordStore())
    library.load()
    await library.keep([DESIGN, SIGNED, *records])
    planner = Planner(library.view)
    buyer = Buyer(Author(ALICE), planner, stored=[new_order(SIGNED, DESIGN, NOON)])
    return library, Explaining(library, planner, buyer, kept_bytes_max)


async def test_what_an_explanation_rests_on_outlives_the_records_themselves() -> None:
    library, why = await a_buyer(a_workshop(), a_record(150), a_capacity(CAROL))
    await why.keep(ORDER, BODY, [(0, 4), (1, 2)])

    await library.keep([a_record(900), a_capacity(CAROL, machines=(a_machine(id="new"),))])

    grounds = why.grounds(ORDER)
    assert len(grounds.records) == 5
    assert [(found.machines, found.fault) for found in check(grounds)] == [(2, ""), (2, "")]


async def test_jobs_that_were_placed_at_different_times_rest_on_different_records() -> None:
    first, second = a_record(150), a_record(900)
    library, why = await a_buyer(first)
    await why.keep(ORDER, BODY, [(0, 4), (1, 2)])
    await library.keep([second])
    await why.keep(ORDER, BODY, [(1, 2)])

    between = why.grounds(ORDER)
    await why.keep(ORDER, BODY, [(0, 4)])
    after = why.grounds(ORDER)
    kept = library.note(f"explained/{ORDER.order.hex()}/records") or b""

    assert set(between.records) == {SIGNED.data, DESIGN.data, first.data, second.data}
    assert set(after.records) == {SIGNED.data, DESIGN.data, second.data}
    assert second.data in kept
    assert first.data not in kept
    assert [found.fault for found in (*check(between), *check(after))] == [""] * 4


async def test_beyond_a_bound_only_the_newest_is_kept() -> None:
    first, second = a_record(150), a_record(900)
    library, why = await a_buyer(first, kept_bytes_max=len(first.data) + len(second.data) - 1)
    await why.keep(ORDER, BODY, [(0, 4)])
    await library.keep([second])
    await why.keep(ORDER, BODY, [(1, 2)])
    await library.remove_expired(later(DAY_MS))

    with pytest.raises(UsageError, match="1 of the records that its explanation rests on are kept"):
        why.grounds(ORDER)

    assert [told.job for told in why.told(ORDER)] == [0, 1]
