"""The indexes of a library: all public records, and subsets that follow what comes and goes."""

import pytest
import trio

from commonfab.node.library import Library
from commonfab.protocol.gossip.areas import area_of
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.records import Place, Record
from commonfab.protocol.sync.index import END, Index, id_of
from commonfab.protocol.sync.subset import ALL, Subset
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import LISBON, NOON, a_capacity, a_design, a_request, a_workshop
from tests.protocol.signers import ALICE, BOB

MUNICH = Place(lat_udeg=48_137_000, lon_udeg=11_575_000)
LAMP = a_design(tags=("lamp",))
CHAIR = a_design(stream="design/chair", at=NOON + 5)
BOBS, CAPACITY = a_workshop(), a_capacity()
SUBSETS = [
    Subset(tags=("lamp",)),
    Subset(kinds=("design",)),
    Subset(authors=(BOB.node,)),
    Subset(since=NOON + 1),
    Subset(bytes_max=len(CHAIR.data)),
    Subset(areas=(area_of(LISBON),)),
]


def having(index: Index) -> set[bytes]:
    return {id_of(key) for key in index.keys(b"", END)}


def ids(*records: Record) -> set[bytes]:
    return {record.id for record in records}


async def a_library(*records: Record) -> Library:
    library = Library(MemoryRecordStore())
    library.load()
    await library.keep(records)
    return library


async def test_all_that_is_public_is_in_the_index_of_all_and_no_letter() -> None:
    library = await a_library(LAMP, CHAIR, BOBS, CAPACITY, a_request())

    assert having(await library.index()) == ids(LAMP, CHAIR, BOBS, CAPACITY)


async def test_a_node_that_starts_again_has_the_same_index() -> None:
    store = MemoryRecordStore()
    first, again = Library(store), Library(store)
    await first.keep([LAMP, CHAIR, BOBS, CAPACITY])

    again.load()

    assert (await again.index()).before(END) == (await first.index()).before(END)


@pytest.mark.rule("SYNC-5")
@pytest.mark.parametrize("subset", SUBSETS)
async def test_a_subset_has_what_matches_whenever_it_came(subset: Subset) -> None:
    everything = [BOBS, LAMP, CHAIR, CAPACITY]
    expected = ids(*(r for r in everything if subset.matches(r, _home(r))))
    assert 0 < len(expected) < 4

    before = await a_library(*everything)
    after = await a_library()
    await after.index(subset)
    await after.keep(everything)

    assert having(await before.index(subset)) == expected
    assert having(await after.index(subset)) == expected


def _home(record: Record) -> int | None:
    return area_of(LISBON) if record.author == BOB.node else None


async def test_what_expires_or_is_replaced_leaves_all_indexes() -> None:
    library = await a_library(BOBS, CAPACITY)
    subset = await library.index(Subset(authors=(BOB.node,)))
    newer = a_workshop(name="Bob's new workshop")

    await library.keep([newer])
    await library.remove_expired(Timestamp(CAPACITY.body.until))

    assert having(subset) == having(await library.index(ALL)) == ids(newer)


async def test_a_workshop_that_moves_takes_its_records_to_its_new_area() -> None:
    library = await a_library(BOBS, CAPACITY)
    here, there = Subset(areas=(area_of(LISBON),)), Subset(areas=(area_of(MUNICH),))
    assert having(await library.index(here)) == ids(BOBS, CAPACITY)

    moved = a_workshop(place=MUNICH)
    await library.keep([moved])

    assert having(await library.index(here)) == set()
    assert having(await library.index(there)) == ids(moved, CAPACITY)


async def test_what_comes_while_a_subset_is_made_is_in_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    designs = [a_design(stream=f"design/{n}", tags=("lamp",)) for n in range(200)]
    library = await a_library(*designs[:150])
    subset = Subset(tags=("lamp",))
    made: list[Index] = []

    async def make() -> None:
        made.append(await library.index(subset))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(make)
        for design in designs[150:]:
            await library.keep([design])

    assert having(made[0]) == ids(*designs)


async def test_only_a_few_subsets_are_kept_ready() -> None:
    library = await a_library(LAMP, CHAIR)
    first = await library.index(Subset(since=1))

    for since in range(2, 12):
        await library.index(Subset(since=since))
    await library.keep([a_design(by=ALICE, stream="design/new")])

    assert len(having(first)) == 2, "nobody keeps it up to date any more"
    assert len(having(await library.index(Subset(since=1)))) == 3
