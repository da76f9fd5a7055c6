"""The machines that a library knows of, now and by their workshops' last word."""

from typing import Any

from commonfab.node import clock
from commonfab.node.designs.carrying import LAST_WORDS_MAX, Carrying
from commonfab.node.library import Library
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX, DAY_MS, HOUR_MS, PATIENCE_MS_MAX
from commonfab.protocol.records import Record
from commonfab.scheduler.view import CapacityView
from commonfab.storage.memory import MemoryRecordStore
from commonfab.storage.ports import RecordStore
from tests.builders import a_capacity, a_workshop
from tests.protocol.signers import ALICE, BOB, named

PATIENT = 1


def a_library(store: RecordStore | None = None) -> Library:
    library = Library(store or MemoryRecordStore())
    library.load()
    return library


def over(ago_ms: int = HOUR_MS, **changes: Any) -> Record:
    """Return what Bob's machines could do, as it was until so long ago. Any: fields of it."""
    return a_capacity(at=clock.now() - ago_ms - CAPACITY_TERM_MS_MAX, **changes)


def carrying(library: Library) -> Carrying:
    return Carrying(ALICE.node, library, lambda _: (Timestamp(0), ()))


def machines(view: CapacityView) -> int:
    view.expire(clock.now())
    return len(view)


async def test_what_is_over_counts_for_orders_that_can_wait_whenever_they_first_ask() -> None:
    early, late = a_library(), a_library()
    early.view_for(PATIENT)
    for library in (early, late):
        library.take_last_word(over())
        assert machines(library.view) == 0
        assert machines(library.view_for(PATIENT)) == 1
        assert not library.ids(), "it is passed on to nobody"


async def test_a_fresh_word_takes_the_place_of_the_last_and_an_old_one_does_not() -> None:
    library = a_library()
    library.view_for(PATIENT)
    await library.keep([a_capacity(seq=2, at=clock.now())])

    library.take_last_word(over(seq=1))

    newest = library.newest(BOB.node, "capacity")
    assert newest is not None
    assert newest.body.seq == 2
    assert machines(library.view) == machines(library.view_for(PATIENT)) == 1


async def test_both_views_hear_of_a_workshops_place_and_standing() -> None:
    library = a_library()
    patient = library.view_for(PATIENT)
    library.take_last_word(over())
    await library.keep([a_workshop(at=clock.now(), until=clock.now() + DAY_MS)])

    library.set_standing(BOB.node, 0.9, 0)

    owner = patient.snapshot().owners[BOB.node]
    assert (owner.place is not None, owner.standing) == (True, 0.9)


async def test_what_a_stick_brought_is_known_after_a_restart_too_but_not_for_ever() -> None:
    store = MemoryRecordStore()
    await carrying(a_library(store)).remember([over(), over(PATIENCE_MS_MAX, by=ALICE)])

    again = a_library(store)
    words = carrying(again).last_words()

    assert [word.author for word in words] == [BOB.node]
    assert machines(again.view_for(PATIENT)) == 1


async def test_of_very_many_workshops_those_that_spoke_last_are_remembered() -> None:
    store = MemoryRecordStore()
    crowd = [over(HOUR_MS * n, by=named(f"shop {n}")) for n in range(LAST_WORDS_MAX + 1)]
    await carrying(a_library(store)).remember(crowd)

    kept = {word.author for word in carrying(a_library(store)).last_words()}

    assert kept == {word.author for word in crowd[:-1]}


async def test_a_word_that_is_over_is_among_what_a_node_has() -> None:
    word = over()
    here = carrying(a_library())
    await here.remember([word])

    assert word.id in set(here.ids_here())
