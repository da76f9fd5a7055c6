"""What was not believed: how long it is not asked for, and what is kept to be looked at."""

import pytest

from commonfab.node.library import Library
from commonfab.node.unbelieved import Unbelieved
from commonfab.protocol.admission import Accept, Ignore, Reject, Verdict
from commonfab.protocol.ids import RecordId
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import a_design
from tests.protocol.signers import BOB, EVE

GOOD, STALE, BAD = (a_design(stream=f"design/{n}") for n in range(3))


async def looked_at() -> tuple[Unbelieved, Library]:
    library = Library(MemoryRecordStore())
    library.load()
    await library.keep([GOOD])
    unbelieved = Unbelieved(library)
    sealed = [GOOD.data, STALE.data, BAD.data, b"no record at all"]
    verdicts: list[Verdict] = [
        Accept(GOOD),
        Ignore("stale"),
        Reject("forged"),
        Reject("not a record"),
    ]

    found = await unbelieved.look_at(EVE.node, sealed, verdicts)

    assert found == (1, [True, False, False, False])
    return unbelieved, library


async def test_what_is_not_here_is_not_asked_for_again() -> None:
    unbelieved, _ = await looked_at()

    assert unbelieved.ids(EVE.node) == [STALE.id, BAD.id]


@pytest.mark.rule("SYNC-13")
async def test_what_came_badly_from_one_peer_is_asked_of_another() -> None:
    unbelieved, _ = await looked_at()

    assert unbelieved.ids(BOB.node) == [STALE.id]


async def test_what_is_bad_is_put_aside_with_who_sent_it_and_what_is_stale_is_not() -> None:
    _, library = await looked_at()

    aside = {item.data: (item.sender, item.reason) for item in library.put_aside_items()}
    assert aside == {
        BAD.data: (EVE.node, "forged"),
        b"no record at all": (EVE.node, "not a record"),
    }


async def test_what_is_known_already_is_believed_and_not_new() -> None:
    unbelieved, _ = await looked_at()

    assert await unbelieved.look_at(BOB.node, [GOOD.data], [Ignore("already known")]) == (0, [True])
    assert GOOD.id not in unbelieved.ids(BOB.node)


async def test_a_peer_cannot_fill_the_disk_with_bad_records() -> None:
    unbelieved, library = await looked_at()

    junk = [b"junk %d" % n for n in range(400)]
    await unbelieved.look_at(EVE.node, junk, [Reject("no record")] * 400)
    await unbelieved.look_at(EVE.node, junk, [Reject("no record")] * 400)

    assert len(library.put_aside_items()) == 256


async def test_what_is_remembered_of_one_peer_is_bounded_and_the_newest() -> None:
    unbelieved, _ = await looked_at()
    many = [a_design(stream=f"design/x{n}") for n in range(300)]

    await unbelieved.look_at(BOB.node, [r.data for r in many], [Reject("forged")] * 300)

    assert len(unbelieved.ids(BOB.node)) == 1 + 256
    assert many[-1].id in unbelieved.ids(BOB.node)
    assert BAD.id in unbelieved.ids(EVE.node)


async def test_what_one_peer_refused_is_given_to_the_others() -> None:
    unbelieved, _ = await looked_at()

    unbelieved.note_declined(EVE.node, [GOOD.id])

    assert unbelieved.declined(EVE.node) == {GOOD.id}
    assert unbelieved.declined(BOB.node) == frozenset()


async def test_a_peer_that_refuses_everything_takes_no_memory() -> None:
    unbelieved, _ = await looked_at()

    unbelieved.note_declined(EVE.node, [RecordId(n.to_bytes(32, "big")) for n in range(5000)])

    assert unbelieved.declined(EVE.node) == frozenset()
