"""The exchange of what is missing: two sets, one session, and peers that do not play fair."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol import sync
from commonfab.protocol.errors import Malformed, PeerError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.limits import ENVELOPE_BYTES_MAX, FRAME_BYTES_MAX, SYNC_PAGE_IDS_MAX
from commonfab.protocol.sync import (
    BATCH_BYTES_MAX,
    LAST_ID,
    Batch,
    Differs,
    Get,
    Hello,
    Message,
    Missing,
    Page,
    Same,
    Taken,
)


class Shelf:
    """A library of things that stand for records; what is on `refused` is not believed."""

    def __init__(self, things: Iterable[bytes] = (), refused: Iterable[bytes] = ()) -> None:
        self.things = {identify(thing): thing for thing in things}
        self.refused = set(refused)
        self.gone: set[RecordId] = set()
        """Still listed, but not there any more."""

    def ids(self) -> list[RecordId]:
        return sorted(self.things)

    def get(self, identifier: RecordId) -> bytes | None:
        return None if identifier in self.gone else self.things.get(identifier)

    def take(self, thing: bytes) -> bool:
        if thing in self.refused or identify(thing) in self.things:
            return False
        self.things[identify(thing)] = thing
        return True


def identify(thing: bytes) -> RecordId:
    return RecordId(sha256(thing).digest())


def things(first: int, last: int, size: int = 0) -> list[bytes]:
    return [str(number).encode() + bytes(size) for number in range(first, last)]


def session(leader: Shelf, follower: Shelf, cut_after: int = 10**9) -> tuple[int, list[Message]]:
    """Let one lead a session with the other, over the wire; return what was new, and all said."""
    talk = sync.lead(leader, leader.take)
    said: list[Message] = []
    try:
        message = next(talk)
        while len(said) < cut_after:
            reply = sync.answer(sync.decode(sync.encode(message)), follower, follower.take)
            said += [message, reply]
            message = talk.send(sync.decode(sync.encode(reply)))
    except StopIteration as end:
        new: int = end.value
        return new, said
    return 0, said


def bytes_of(said: list[Message]) -> int:
    return sum(len(sync.encode(message)) for message in said)


# Two honest sides.


@pytest.mark.rule("SYNC-2")
@pytest.mark.parametrize("size", [0, 1, 3000])
def test_two_equal_sets_are_found_equal_by_two_short_messages(size: int) -> None:
    leader, follower = Shelf(things(0, size)), Shelf(things(0, size))

    new, said = session(leader, follower)

    assert (new, [type(message) for message in said]) == (0, [Hello, Same])
    assert bytes_of(said) < 80


@pytest.mark.rule("SYNC-10")
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_any_two_sets_are_equal_after_one_session(mine: set[int], theirs: set[int]) -> None:
    leader = Shelf(str(number).encode() for number in mine)
    follower = Shelf(str(number).encode() for number in theirs)

    new, _ = session(leader, follower)

    assert leader.things == follower.things
    assert len(leader.things) == len(mine | theirs)
    assert new == len(theirs - mine)


@pytest.mark.rule("SYNC-3")
@pytest.mark.rule("SYNC-5")
@pytest.mark.rule("SYNC-10")
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ((0, 0), (0, 5000)),
        ((0, 5000), (0, 0)),
        ((0, 2500), (2500, 5000)),
        ((0, 1024), (0, 1025)),
        ((0, 1025), (1, 1025)),
        ((0, 1), (0, 1025)),
        ((0, 3000), (1500, 9000)),
    ],
)
def test_sets_of_many_pages_are_equal_after_one_session(
    mine: tuple[int, int], theirs: tuple[int, int]
) -> None:
    leader, follower = Shelf(things(*mine)), Shelf(things(*theirs))

    session(leader, follower)

    assert leader.things == follower.things


@pytest.mark.rule("SYNC-10")
@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)), st.integers(0, 8))
def test_a_session_that_is_cut_anywhere_loses_nothing_and_the_next_one_goes_on(
    mine: set[int], theirs: set[int], cut_after: int
) -> None:
    leader = Shelf(str(number).encode() for number in mine)
    follower = Shelf(str(number).encode() for number in theirs)

    session(leader, follower, cut_after)
    assert len(leader.things) >= len(mine)
    session(leader, follower)

    assert leader.things == follower.things


@pytest.mark.rule("SYNC-10")
def test_what_a_cut_session_has_brought_is_not_brought_again() -> None:
    leader, follower = Shelf(), Shelf(things(0, 3000))
    session(leader, follower, cut_after=6)
    brought = len(leader.things)
    assert 0 < brought < 3000

    new, _ = session(leader, follower)

    assert new == 3000 - brought


@pytest.mark.rule("SYNC-9")
def test_one_record_that_is_not_believed_does_not_stop_the_others() -> None:
    leader, follower = Shelf(things(0, 10)), Shelf(things(20, 30), refused=things(3, 4))
    leader.refused = set(things(25, 26))

    new, _ = session(leader, follower)

    assert new == 9
    assert len(follower.things) == 19


@pytest.mark.rule("SYNC-6")
@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_records_that_expire_while_they_are_asked_for_stop_nothing(
    gone_here: set[int], gone_there: set[int]
) -> None:
    leader, follower = Shelf(things(0, 20)), Shelf(things(20, 40))
    leader.gone = {identify(thing) for n, thing in enumerate(things(0, 20)) if n in gone_here}
    follower.gone = {identify(thing) for n, thing in enumerate(things(20, 40)) if n in gone_there}

    new, _ = session(leader, follower)

    assert new == 20 - len(gone_there)
    assert len(follower.things) == 40 - len(gone_here)


@pytest.mark.rule("SYNC-6")
def test_batches_stay_below_their_bound_however_large_the_records() -> None:
    large = things(0, 60, size=ENVELOPE_BYTES_MAX - 10)
    leader, follower = Shelf(large[:30]), Shelf(large[30:])

    _, said = session(leader, follower)

    assert leader.things == follower.things
    sizes = [len(sync.encode(message)) for message in said if isinstance(message, Batch)]
    assert max(sizes) < BATCH_BYTES_MAX + 1000 < FRAME_BYTES_MAX
    assert len(sizes) >= 4


def test_a_digest_names_a_set_and_not_its_order() -> None:
    ids = [identify(thing) for thing in things(0, 5)]

    assert sync.digest(ids) == sync.digest(reversed(ids))
    assert sync.digest(ids) != sync.digest(ids[1:])


# A follower that does not play fair.


def lead_against(shelf: Shelf, reply: Callable[[Message], Message], rounds_max: int) -> int:
    """Lead a session with a liar, and return how many replies it got to give."""
    talk = sync.lead(shelf, shelf.take)
    rounds = 0
    try:
        message = next(talk)
        while True:
            rounds += 1
            assert rounds <= rounds_max, "an endless session"
            message = talk.send(reply(message))
    except (StopIteration, PeerError):
        return rounds


def fake_ids() -> Iterator[bytes]:
    return (number.to_bytes(32, "big") for number in count(1))


@pytest.mark.rule("SYNC-8")
def test_a_follower_that_names_records_without_end_and_gives_none_is_left() -> None:
    def reply(message: Message) -> Message:
        match message:
            case Hello():
                return Differs()
            case Page(after=after):
                start = int.from_bytes(after, "big") + 1
                more = range(start, start + SYNC_PAGE_IDS_MAX)
                return Missing([], [number.to_bytes(32, "big") for number in more])
            case _:
                return Batch([])

    assert lead_against(Shelf(), reply, rounds_max=10) == 3


@pytest.mark.rule("SYNC-8")
def test_a_follower_that_gives_one_record_at_a_time_is_left_in_the_end() -> None:
    new = count()

    def reply(message: Message) -> Message:
        match message:
            case Hello():
                return Differs()
            case Page(after=after):
                start = int.from_bytes(after, "big") + 1
                more = range(start, start + SYNC_PAGE_IDS_MAX)
                return Missing([], [number.to_bytes(32, "big") for number in more])
            case Get(ids) if len(ids) == SYNC_PAGE_IDS_MAX:
                return Batch([b"%d" % next(new)])
            case _:
                return Batch([])

    rounds = lead_against(Shelf(), reply, rounds_max=3 * sync.PAGES_MAX + 1)

    assert rounds == 3 * sync.PAGES_MAX + 1


BAD_HAVE: dict[str, list[bytes]] = {
    "backwards": [b"\x02" * 32, b"\x01" * 32],
    "twice": [b"\x01" * 32, b"\x01" * 32],
    "what the leader has": [identify(b"0")],
}


@pytest.mark.rule("SYNC-7")
@pytest.mark.parametrize("what", BAD_HAVE)
def test_a_follower_that_names_ids_against_the_order_is_at_fault(what: str) -> None:
    talk = sync.lead(Shelf(things(0, 1)), lambda thing: True)
    next(talk)
    talk.send(Differs())

    with pytest.raises(PeerError, match="not asked for"):
        talk.send(Missing([], BAD_HAVE[what]))


@pytest.mark.rule("SYNC-7")
def test_a_follower_that_gives_more_than_was_asked_for_is_at_fault() -> None:
    talk = sync.lead(Shelf(), lambda thing: True)
    next(talk)
    talk.send(Differs())
    talk.send(Missing([], [b"\x01" * 32]))

    with pytest.raises(PeerError, match="2 records where 1"):
        talk.send(Batch([b"a", b"b"]))


@pytest.mark.rule("SYNC-7")
def test_a_follower_that_wants_what_is_not_there_gets_nothing() -> None:
    talk = sync.lead(Shelf(things(0, 1)), lambda thing: True)
    next(talk)
    talk.send(Differs())

    with pytest.raises(StopIteration):
        talk.send(Missing(list(islice(fake_ids(), 1000)), []))


replies = st.one_of(
    st.builds(Hello, st.integers(0, 9), st.binary(min_size=32, max_size=32)),
    st.just(Same()),
    st.just(Differs()),
    st.builds(
        Missing,
        st.lists(st.binary(min_size=32, max_size=32), max_size=5),
        st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(sorted),
    ),
    st.builds(Batch, st.lists(st.binary(max_size=10), max_size=5)),
    st.builds(Taken, st.integers(0, 9)),
    st.builds(Get, st.just([])),
    st.just(Page(b"", LAST_ID, [])),
)


@pytest.mark.rule("SYNC-7")
@pytest.mark.rule("SYNC-8")
@given(st.integers(0, 5), st.lists(replies, min_size=1, max_size=30))
def test_whatever_a_follower_says_the_session_ends_or_it_is_at_fault(
    size: int, lies: list[Message]
) -> None:
    lie = iter(lies)

    def reply(message: Message) -> Message:
        return next(lie, Same())

    rounds = lead_against(Shelf(things(0, size)), reply, rounds_max=len(lies) + 1)

    assert rounds >= 1


# A leader that does not play fair, and bytes that are no message.


@pytest.mark.rule("SYNC-8")
@pytest.mark.parametrize("word", [Same(), Differs(), Missing([], []), Taken(1)])
def test_a_leader_that_says_a_followers_word_is_at_fault(word: Message) -> None:
    with pytest.raises(PeerError, match="is a follower's word"):
        sync.answer(word, Shelf(), lambda thing: True)


@pytest.mark.rule("SYNC-4")
@given(
    st.binary(max_size=32),
    st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=32, max_size=32), max_size=8),
)
def test_whatever_page_a_leader_sends_the_answer_has_the_bounds_of_one(
    after: bytes, through: bytes, ids: list[bytes]
) -> None:
    shelf = Shelf(things(0, 2000))

    reply = sync.answer(Page(after, through, ids), shelf, shelf.take)

    assert isinstance(reply, Missing)
    assert len(reply.have) <= SYNC_PAGE_IDS_MAX
    assert all(after < identifier <= through for identifier in reply.have)
    assert set(reply.want) <= set(ids)
    assert sync.decode(sync.encode(reply)) == reply


@pytest.mark.rule("SYNC-1")
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_malformed(data: bytes) -> None:
    try:
        message = sync.decode(data)
    except Malformed:
        return
    assert sync.decode(sync.encode(message)) == message


@pytest.mark.rule("SYNC-1")
@pytest.mark.parametrize(
    "message",
    [
        Get([b"short"]),
        Get([bytes(32)] * (SYNC_PAGE_IDS_MAX + 1)),
        Batch([bytes(ENVELOPE_BYTES_MAX + 1)]),
        Hello(-1, bytes(32)),
        Page(bytes(33), LAST_ID, []),
    ],
    ids=["short id", "too many ids", "too large", "a negative count", "a long place"],
)
def test_a_message_out_of_bounds_is_malformed(message: Message) -> None:
    with pytest.raises(Malformed):
        sync.decode(sync.encode(message))


@pytest.mark.rule("SYNC-1")
@given(st.sampled_from([b"\xa4type\xa4same", b"\x81\xa4type\xa4same\x00", b"\x82\xa4type\xa4same"]))
def test_almost_a_message_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        sync.decode(data)
