"""The designs of a node: entered as they come, found again, whatever becomes of the catalogue."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commonfab.node.library import Library
from commonfab.protocol.envelope import identify
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Record
from commonfab.protocol.standing import proofs
from commonfab.storage.catalogue.query import Query
from commonfab.storage.memory import MemoryRecordStore
from commonfab.storage.records import SqliteRecordStore
from tests.builders import (
    NOON,
    a_design,
    a_fork_of,
    a_lease,
    a_receipt,
    a_request,
    a_revocation,
    a_workshop,
    an_acceptance,
    an_offer,
)
from tests.protocol.signers import ALICE, BOB


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    library = opened(home)
    yield library
    library.close()


def opened(home: Path) -> Library:
    store = SqliteRecordStore(home / "records.sqlite", identify=identify)
    library = Library(store, home / "catalogue.db")
    library.load()
    return library


async def found(library: Library, words: str = "", **asked: object) -> list[RecordId]:
    _, records = await library.designs.search(Query(words=words, **asked), 100)  # type: ignore[arg-type]  # the test names what it asks
    return [record.id for record in records]


async def test_a_design_that_is_kept_can_be_searched_at_once(library: Library) -> None:
    design = a_design(name="Hand pump")
    await library.keep([design])

    assert await found(library, "pump") == [design.id]
    assert library.designs.get(design.id) == design
    assert (design.id in library.designs, len(library.designs)) == (True, 1)


async def test_it_is_found_after_a_restart_also_without_the_catalogue(home: Path) -> None:
    library = opened(home)
    design = a_design(name="Hand pump")
    await library.keep([design, a_workshop()])
    library.close()

    again = opened(home)
    assert await found(again, "pump") == [design.id]
    again.close()
    (home / "catalogue.db").unlink()

    anew = opened(home)
    assert await found(anew, "pump") == []
    assert anew.designs.missing == 1
    await anew.designs.fill()
    assert await found(anew, "pump") == [design.id]
    assert anew.designs.missing == 0
    anew.close()


async def test_a_start_reads_no_designs_but_those_that_were_ordered(home: Path) -> None:
    library = opened(home)
    designs = [a_design(name=f"Thing {i}") for i in range(3)]
    await library.keep(designs)
    library.close()

    again = Library(SqliteRecordStore(home / "records.sqlite", identify=identify))

    assert again.load() == []
    assert sorted(again.ids()) == sorted(design.id for design in designs)
    again.close()


def _remove(path: Path) -> None:
    path.unlink()


def _spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000] + b"\xa5" * 50_000)


@pytest.mark.parametrize("harm", [_remove, _spoil])
async def test_a_catalogue_that_is_lost_or_spoilt_is_filled_again(
    home: Path, harm: Callable[[Path], None]
) -> None:
    library = opened(home)
    designs = [a_design(name=f"Pump {i}", stream=f"design/pump-{i}") for i in range(250)]
    await library.keep(designs)
    library.close()
    harm(home / "catalogue.db")

    again = opened(home)
    await again.designs.fill()
    await found(again, "pump")
    await again.designs.fill()

    assert set(await found(again, "pump", sort="name")) <= {design.id for design in designs}
    assert len(await found(again, "pump")) == 100
    assert again.designs.missing == 0
    again.close()


async def test_without_a_catalogue_records_are_kept_and_a_search_says_why(home: Path) -> None:
    (home / "catalogue.db").mkdir()
    library = opened(home)
    design = a_design()

    await library.keep([design])

    assert library.designs.get(design.id) == design
    assert await library.designs.find(design.id.hex()) == design
    assert "catalogue.db" in library.designs.trouble
    with pytest.raises(ResourceError, match=r"catalogue\.db"):
        await library.designs.search(Query(), 1)
    (home / "catalogue.db").rmdir()
    await library.designs.fill()
    assert await found(library, "bracket") == [design.id]
    assert library.designs.trouble == ""
    library.close()


async def test_an_entry_whose_record_is_gone_is_not_shown_and_leaves_the_catalogue(
    home: Path,
) -> None:
    library = opened(home)
    design = a_design()
    await library.keep([design])
    library.close()
    (home / "records.sqlite").unlink()

    again = opened(home)

    assert await found(again) == []
    assert len(again.designs) == 0
    again.close()


async def test_a_workshop_that_takes_another_name_is_found_by_it(library: Library) -> None:
    design = a_design(BOB)
    await library.keep([a_workshop(BOB, name="Old forge"), design])
    assert await found(library, "forge") == [design.id]

    await library.keep([a_workshop(BOB, name="New mill")])
    await library.designs.fill()

    assert await found(library, "mill") == [design.id]
    assert await found(library, "forge") == []


async def test_the_newest_honest_version_is_shown_also_after_a_restart(home: Path) -> None:
    library = opened(home)
    old, new = a_design(version="1"), a_design(version="2")
    await library.keep([old, new])
    assert await found(library) == [new.id]
    other = a_design(version="other", seq=new.body.seq)

    await library.keep([proofs.prove(new.data, other.data)])

    assert await found(library) == [old.id]
    library.close()
    (home / "catalogue.db").unlink()
    again = opened(home)
    await again.designs.fill()
    assert await found(again) == [old.id]
    again.close()


async def test_what_was_signed_after_a_revocation_is_not_the_newest(home: Path) -> None:
    library = opened(home)
    old, new = a_design(at=NOON), a_design(at=NOON + 5)
    await library.keep([old, new])

    await library.keep([a_revocation(ALICE, since=NOON + 5)])

    assert await found(library) == [old.id]
    assert await library.designs.find("bracket") == old
    library.close()
    again = opened(home)
    assert await found(again) == [old.id]
    again.close()


async def test_pieces_are_counted_by_the_owners_receipts_once(home: Path) -> None:
    library = opened(home)
    design = a_design()
    request = a_request(design=design.id)
    offer = an_offer(request)
    acceptance = an_acceptance(offer)
    lease = a_lease(request, offer, acceptance)
    made = a_receipt(lease, pieces=4)
    await library.keep([design, request, offer, acceptance, lease, made])
    await library.keep([made])

    assert library.designs.made(design.id) == 4
    assert await found(library, made_min=4) == [design.id]
    library.close()
    again = opened(home)
    assert again.designs.made(design.id) == 4
    assert await found(again, made_min=4) == [design.id]
    again.close()


async def test_versions_and_kin_are_told(library: Library) -> None:
    first = a_design()
    second = a_design(version="2")
    fork = a_design(BOB, derived_from=(a_fork_of(first),))
    await library.keep([first, second, fork])

    assert await library.designs.versions(first) == [
        (second.id, True, True),
        (first.id, True, False),
    ]
    assert await library.designs.derived([first.id, second.id]) == [(fork.id, "fork", first.id)]


async def test_a_design_is_named_by_name_short_name_id_or_a_part_of_these(
    library: Library,
) -> None:
    one, two = a_design(name="Hand pump"), a_design(name="Foot pump", stream="design/foot-pump")
    await library.keep([one, two])

    for which in ("hand pump", one.id.hex(), one.id.hex()[:8].upper(), "HAND"):
        assert await library.designs.find(which) == one
    with pytest.raises(UsageError, match="pump: 2 designs fit"):
        await library.designs.find("pump")
    with pytest.raises(UsageError, match="no such design is known here"):
        await library.designs.find("chair")
    with pytest.raises(UsageError, match="without a name"):
        await library.designs.find(" ")


async def test_nobody_takes_a_name_by_seeking_an_id_that_begins_like_it() -> None:
    library = Library(MemoryRecordStore())
    library.load()
    sought = a_design(BOB)
    while not sought.id.hex()[:4].isalpha():
        sought = a_design(BOB)
    named = a_design(name=sought.id.hex()[:4], stream="design/x")
    await library.keep([sought, named])

    assert await library.designs.find(sought.id.hex()[:4]) == named
    library.close()


def of(author: NodeId, designs: list[Record]) -> int:
    return sum(design.author == author for design in designs)


async def test_the_public_records_of_each_author_are_counted(library: Library) -> None:
    designs = [a_design(), a_design(BOB), a_design(BOB)]
    await library.keep([*designs, a_workshop(BOB), a_workshop(BOB)])

    assert library.count_by(ALICE.node) == of(ALICE.node, designs) == 1
    assert library.count_by(BOB.node) == 3
    assert len(library) == 4
    assert library.ids() == sorted(library.ids())
