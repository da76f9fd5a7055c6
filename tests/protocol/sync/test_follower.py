"""A follower whose leader does not play fair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import PeerError
from commonfab.protocol.limits import SYNC_MESSAGE_BYTES_MAX, SYNC_RANGES_MAX
from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.index import END
from commonfab.protocol.sync.subset import Subset
from commonfab.protocol.sync.sync import TOLD_BYTES_MAX, Judge
from commonfab.protocol.sync.sync_wire import (
    PARTS_MAX,
    Ask,
    Differs,
    Hello,
    Message,
    Same,
    Split,
    Swap,
    Swapped,
    Told,
    encode,
    pack_bounds,
    pack_places,
)
from tests.protocol.sync_talk import FOLLOWERS_SALT, LEADERS_SALT, Shelf, identify, thing

HELLO = Hello(reconcile.promise(LEADERS_SALT), bytes(32))
ALL = Split(pack_bounds([b"", END]), b"x" * 16)
"""Everything, with a fingerprint that nothing has."""


def greeted(shelf: Shelf) -> Follower:
    follower = Follower(shelf.index, shelf.get, FOLLOWERS_SALT)
    assert follower.hear(HELLO) == Differs(FOLLOWERS_SALT)
    return follower


def asked(shelf: Shelf) -> Follower:
    follower = greeted(shelf)
    assert isinstance(follower.hear(Ask([ALL], LEADERS_SALT)), Told)
    return follower


@pytest.mark.rule("SYNC-11")
@pytest.mark.parametrize("word", [Same(), Differs(bytes(16)), Told([None]), Swapped(0, [])])
def test_a_leader_that_says_a_followers_word_is_at_fault(word: Message) -> None:
    with pytest.raises(PeerError, match="not due"):
        asked(Shelf()).hear(word)


@pytest.mark.rule("SYNC-11")
@pytest.mark.parametrize("word", [Ask([ALL], LEADERS_SALT), Swap(b"", []), Swap(b"", [b"x"])])
def test_a_session_begins_with_hello(word: Message) -> None:
    follower = Follower(Shelf().index, Shelf().get, FOLLOWERS_SALT)

    with pytest.raises(PeerError, match="not due"):
        follower.hear(word)


@pytest.mark.rule("SYNC-11")
def test_a_second_hello_and_a_swap_before_any_question_are_faults() -> None:
    with pytest.raises(PeerError, match="not due"):
        greeted(Shelf()).hear(HELLO)
    with pytest.raises(PeerError, match="not due"):
        greeted(Shelf()).hear(Swap(b"", [thing(1)]))


@pytest.mark.rule("SYNC-4")
@pytest.mark.parametrize("salt", [b"", b"M" * 16])
def test_a_leader_that_does_not_show_the_salt_it_promised_is_at_fault(salt: bytes) -> None:
    with pytest.raises(PeerError, match="salt"):
        greeted(Shelf()).hear(Ask([ALL], salt))


@pytest.mark.rule("SYNC-4")
def test_a_leader_cannot_change_its_salt_later() -> None:
    with pytest.raises(PeerError, match="salt"):
        asked(Shelf()).hear(Ask([ALL], LEADERS_SALT))


@pytest.mark.rule("SYNC-6")
@pytest.mark.parametrize(
    "splits",
    [
        [Split(pack_bounds([b"\x00", b"\x00"]), bytes(16))],
        [Split(pack_bounds([b"\x01", b"\x00"]), bytes(16))],
        [Split(pack_bounds([b"", END + b"\x00"]), bytes(16))],
        [Split(pack_bounds([b"", END]), bytes(32))],
        [Split(pack_bounds([b"", END]), bytes(17))],
        [ALL, Split(pack_bounds([b"\x01", END], END), bytes(16))],
        [Split([b"\x07", b"\x00\xff"], bytes(16))],
    ],
    ids=["empty", "backwards", "too high", "two prints", "half a print", "overlap", "no bound"],
)
def test_ranges_that_are_none_are_a_fault(splits: list[Split]) -> None:
    with pytest.raises(PeerError):
        greeted(Shelf(range(9))).hear(Ask(splits, LEADERS_SALT))


@pytest.mark.rule("SYNC-6")
def test_a_question_about_too_many_ranges_is_a_fault() -> None:
    splits: list[Split] = []
    previous = b""
    for n in range(SYNC_RANGES_MAX // PARTS_MAX + 1):
        bounds = [n.to_bytes(2, "big") + bytes([part]) for part in range(PARTS_MAX + 1)]
        splits.append(Split(pack_bounds(bounds, previous), bytes(16 * PARTS_MAX)))
        previous = bounds[-1]

    with pytest.raises(PeerError, match="more than"):
        greeted(Shelf()).hear(Ask(splits, LEADERS_SALT))


@pytest.mark.rule("SYNC-7")
@pytest.mark.rule("SYNC-12")
def test_whatever_is_asked_the_answer_keeps_its_bounds() -> None:
    shelf = Shelf(range(40_000))
    cuts = [b"", *shelf.index.cut(b"", END, 2000), END]
    prints = b"x" * 16 * PARTS_MAX
    groups = [cuts[at : at + PARTS_MAX + 1] for at in range(0, len(cuts) - 1, PARTS_MAX)]
    splits: list[Split] = []
    previous = b""
    for bounds in groups:
        splits.append(Split(pack_bounds(bounds, previous), prints[: 16 * (len(bounds) - 1)]))
        previous = bounds[-1]

    told = greeted(shelf).hear(Ask(splits, LEADERS_SALT))

    assert isinstance(told, Told)
    assert len(told.answers) > 1000
    assert len(encode(told)) < TOLD_BYTES_MAX + 20_000


@pytest.mark.rule("SYNC-8")
@pytest.mark.rule("SYNC-9")
def test_a_record_is_given_by_its_place_in_what_was_just_told() -> None:
    shelf = Shelf(range(5))
    follower = greeted(shelf)
    told = follower.hear(Ask([ALL], LEADERS_SALT))
    assert isinstance(told, Told)
    listed = told.answers[0]
    assert isinstance(listed, bytes)
    salt = LEADERS_SALT + FOLLOWERS_SALT
    by_short = {reconcile.short_ids(salt, [identify(thing(n))])[0]: thing(n) for n in range(5)}
    ordered = [by_short[listed[at : at + 8]] for at in range(0, 40, 8)]

    answer = follower.hear(Swap(pack_places([1, 3]), []))

    assert answer == Swapped(2, [ordered[1], ordered[3]])


@pytest.mark.rule("SYNC-11")
def test_a_leader_that_wants_what_was_not_told_is_at_fault() -> None:
    with pytest.raises(PeerError, match="not told"):
        asked(Shelf(range(5))).hear(Swap(pack_places([5]), []))


@pytest.mark.rule("SYNC-9")
@pytest.mark.rule("SYNC-11")
def test_what_an_earlier_answer_told_cannot_be_asked_for() -> None:
    follower = asked(Shelf(range(5)))
    follower.hear(Ask([Split(pack_bounds([b"\x05", b"\x06"]), b"x" * 16)]))

    with pytest.raises(PeerError, match="not told"):
        follower.hear(Swap(pack_places([0]), []))


@pytest.mark.rule("SYNC-9")
def test_the_leader_hears_which_of_its_records_were_refused() -> None:
    follower = asked(Shelf())

    step = follower.hear(Swap(b"", [b"a", b"b", b"c"]))

    assert step == Judge([b"a", b"b", b"c"])
    assert follower.judged([True, False, True]) == Swapped(0, [], [1])


messages = st.one_of(
    st.just(HELLO),
    st.builds(
        Ask,
        st.lists(
            st.builds(
                Split,
                st.lists(st.binary(max_size=4).map(lambda b: b"\x00" + b), min_size=2, max_size=5),
                st.integers(1, 5).map(lambda n: bytes(16 * n)),
            ),
            min_size=1,
            max_size=4,
        )
        | st.just([ALL]),
        st.sampled_from([b"", LEADERS_SALT]),
    ),
    st.builds(Swap, st.binary(max_size=40), st.lists(st.binary(max_size=9), max_size=3)),
    st.just(Told([None])),
)


@pytest.mark.rule("SYNC-11")
@pytest.mark.rule("SYNC-12")
@given(st.sets(st.integers(0, 200), max_size=120), st.lists(messages, max_size=12))
def test_whatever_a_leader_says_it_is_answered_in_bounds_or_at_fault(
    mine: set[int], lies: list[Message]
) -> None:
    shelf = Shelf(mine)
    follower = Follower(shelf.index, shelf.get, FOLLOWERS_SALT)
    try:
        for lie in [Hello(HELLO.promise, bytes(32), Subset()), *lies]:
            answer = follower.hear(lie)
            if isinstance(answer, Judge):
                answer = follower.judged([False] * len(answer.sealed))
            assert len(encode(answer)) < SYNC_MESSAGE_BYTES_MAX
    except PeerError:
        pass
    assert shelf.numbers() == sorted(mine)
