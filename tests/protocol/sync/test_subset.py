"""Subsets: what is in them follows from the record, on both sides alike."""

import pytest

from commonfab.protocol.gossip.areas import area_of
from commonfab.protocol.records import Place, Record
from commonfab.protocol.sync.subset import ALL, Subset
from tests.builders import LISBON, NOON, a_capacity, a_design, a_workshop
from tests.protocol.signers import ALICE, BOB

MUNICH = Place(lat_udeg=48_137_000, lon_udeg=11_575_000)
HERE, THERE = area_of(LISBON), area_of(MUNICH)
LAMP = a_design(tags=("Lamp", "light"))
BOBS, CAPACITY = a_workshop(place=LISBON), a_capacity()


@pytest.mark.rule("SYNC-5")
@pytest.mark.parametrize(
    ("subset", "record"),
    [
        (ALL, LAMP),
        (ALL, CAPACITY),
        (Subset(kinds=("workshop", "design")), LAMP),
        (Subset(authors=(BOB.node, ALICE.node)), LAMP),
        (Subset(tags=("lamp", "chair")), LAMP),
        (Subset(areas=(THERE, HERE)), BOBS),
        (Subset(areas=(HERE,)), CAPACITY),
        (Subset(since=NOON, before=NOON + 1), LAMP),
        (Subset(bytes_max=len(LAMP.data)), LAMP),
        (Subset(kinds=("design",), authors=(ALICE.node,), tags=("LIGHT",), since=1), LAMP),
    ],
)
def test_what_meets_all_that_is_said_is_in_it(subset: Subset, record: Record) -> None:
    assert subset.matches(record, home=HERE)


@pytest.mark.rule("SYNC-5")
@pytest.mark.parametrize(
    ("subset", "record"),
    [
        (Subset(kinds=("workshop",)), LAMP),
        (Subset(authors=(BOB.node,)), LAMP),
        (Subset(tags=("chair",)), LAMP),
        (Subset(tags=("lamp",)), BOBS),
        (Subset(areas=(THERE,)), BOBS),
        (Subset(areas=(THERE,)), LAMP),
        (Subset(since=NOON + 1), LAMP),
        (Subset(before=NOON), LAMP),
        (Subset(bytes_max=len(LAMP.data) - 1), LAMP),
        (Subset(kinds=("design",), tags=("chair",)), LAMP),
    ],
)
def test_what_misses_one_thing_is_not_in_it(subset: Subset, record: Record) -> None:
    assert not subset.matches(record, home=HERE)


@pytest.mark.rule("SYNC-5")
def test_a_workshop_is_where_it_says_and_others_are_where_their_author_is() -> None:
    moved = Subset(areas=(THERE,))

    assert moved.matches(a_workshop(place=MUNICH), home=HERE)
    assert moved.matches(LAMP, home=THERE)
    assert not moved.matches(LAMP, home=None)


@pytest.mark.parametrize("record", [LAMP, BOBS, CAPACITY])
def test_what_cannot_match_by_its_outline_does_not_match(record: Record) -> None:
    for subset in (Subset(tags=("lamp",)), Subset(kinds=("design",)), Subset(since=NOON + 1)):
        outline = (record.kind, record.author, record.body.at, len(record.data))

        assert subset.may_match(*outline) or not subset.matches(record)


def test_only_tags_and_areas_need_the_record() -> None:
    assert not Subset(kinds=("design",), authors=(BOB.node,), since=1, bytes_max=9).reads_bodies
    assert Subset(tags=("lamp",)).reads_bodies
    assert Subset(areas=(HERE,)).reads_bodies
