"""A leader whose follower does not play fair."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import PeerError
from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.index import END
from commonfab.protocol.sync.leader import Leader
from commonfab.protocol.sync.sync import DEPTH_MAX, PENDING_MAX, Judge
from commonfab.protocol.sync.sync_wire import (
    Ask,
    Differs,
    Hello,
    Message,
    Parts,
    Same,
    Split,
    Swap,
    Swapped,
    Told,
    decode,
    encode,
    pack_bounds,
    unpack_bounds,
)
from tests.protocol.sync_talk import FOLLOWERS_SALT, LEADERS_SALT, Shelf, identify, thing

DIFFERS = Differs(FOLLOWERS_SALT)


def asked(shelf: Shelf) -> tuple[Leader, Ask]:
    """Return a leader that has just asked its first question."""
    leader = Leader(shelf.index, shelf.get, LEADERS_SALT)
    leader.begin()
    ask = leader.hear(DIFFERS)
    assert isinstance(ask, Ask)
    return leader, ask


def swapping(shelf: Shelf, shorts: bytes) -> tuple[Leader, Swap]:
    """Return a leader that was told these short ids, and now exchanges records."""
    leader, _ = asked(shelf)
    swap = leader.hear(Told([shorts]))
    assert isinstance(swap, Swap)
    return leader, swap


def short(number: int) -> bytes:
    salt = LEADERS_SALT + FOLLOWERS_SALT
    return reconcile.short_ids(salt, [identify(thing(number))])[0]


@pytest.mark.rule("SYNC-4")
def test_the_salt_is_promised_first_and_shown_once() -> None:
    leader = Leader(Shelf(range(99)).index, Shelf().get, LEADERS_SALT)
    hello = leader.begin()
    assert isinstance(hello, Hello)
    assert LEADERS_SALT not in encode(hello)

    first = leader.hear(DIFFERS)
    assert isinstance(first, Ask)
    second = leader.hear(Told([Parts([b"\x00\x00"], bytes(32))]))

    assert isinstance(second, Ask)
    assert hello.promise == reconcile.promise(first.salt)
    assert (first.salt, second.salt) == (LEADERS_SALT, b"")


@pytest.mark.rule("SYNC-10")
@pytest.mark.parametrize(
    "reply",
    [Hello(bytes(32), bytes(32)), Ask([Split([b"\x00", b"\x00\xff"], bytes(16))]), Swap(b"", [])],
)
def test_a_follower_that_says_a_leaders_word_is_at_fault(reply: Message) -> None:
    leader = Leader(Shelf().index, Shelf().get, LEADERS_SALT)
    leader.begin()

    with pytest.raises(PeerError, match="not due"):
        leader.hear(reply)


@pytest.mark.rule("SYNC-10")
@pytest.mark.parametrize("reply", [Same(), DIFFERS, Swapped(0, [])])
def test_an_answer_to_another_question_is_a_fault(reply: Message) -> None:
    leader, _ = asked(Shelf(range(99)))

    with pytest.raises(PeerError, match="not due"):
        leader.hear(reply)


@pytest.mark.rule("SYNC-10")
@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([None] * 99, "answers about"),
        ([b"seven bytes"], "not a number of things"),
        ([Parts([b"\x00\x01", b"\x00\x01"], bytes(48))], "do not rise"),
        ([Parts([b"\x00\xff\xff"], bytes(32))], "do not rise"),
        ([Parts([b"\x05"], bytes(32))], "shares what is not there"),
        ([Parts([b"\x00\x00"], bytes(48))], "3 fingerprints of 2"),
        ([Parts([b"\x00\x00"], bytes(17))], "not a number of things"),
    ],
)
def test_an_answer_that_does_not_fit_the_ranges_is_a_fault(
    answers: list[Parts | bytes | None], fault: str
) -> None:
    leader, _ = asked(Shelf(range(99)))

    with pytest.raises(PeerError, match=fault):
        leader.hear(Told(answers))


@pytest.mark.rule("SYNC-10")
@pytest.mark.parametrize(
    ("swapped", "fault"),
    [
        (Swapped(0, []), "0 records dealt with of 2"),
        (Swapped(3, []), "3 records dealt with of 2"),
        (Swapped(2, [], [1]), "refuses what it was not given"),
    ],
)
def test_a_swap_that_does_not_fit_is_a_fault(swapped: Swapped, fault: str) -> None:
    leader, swap = swapping(Shelf([1]), short(2) + short(3))
    assert len(swap.sealed) == 1

    with pytest.raises(PeerError, match=fault):
        leader.hear(swapped)


@pytest.mark.rule("SYNC-10")
def test_records_that_nobody_asked_for_are_a_fault() -> None:
    leader, _ = swapping(Shelf([1]), b"")

    with pytest.raises(PeerError, match="nobody asked for"):
        leader.hear(Swapped(0, [thing(2)]))


@pytest.mark.rule("SYNC-10")
def test_a_follower_that_names_records_and_gives_none_is_left_with_them() -> None:
    leader, swap = swapping(Shelf([1]), short(1) + short(2) + short(3))
    assert (swap.want, swap.sealed) == (b"\x06", [])

    assert leader.hear(Swapped(2, [])) is None
    assert leader.wanted == 2


@pytest.mark.rule("SYNC-12")
def test_a_follower_that_goes_on_cutting_is_left_in_the_end() -> None:
    leader, _ = asked(Shelf())
    last = b""
    answers: list[Parts | bytes | None] = []
    for _ in range(DEPTH_MAX):
        leader.hear(Told([*answers, Parts(pack_bounds([last + b"\x01"], last), b"x" * 32)]))
        last += b"\x01"
        answers = [None]

    with pytest.raises(PeerError, match=f"more than {DEPTH_MAX} times"):
        leader.hear(Told([None, Parts(pack_bounds([last + b"\x01"], last), b"x" * 32)]))


@pytest.mark.rule("SYNC-12")
def test_a_follower_that_leaves_too_much_open_is_left() -> None:
    leader, ask = asked(Shelf())
    for _ in range(2):
        reply = leader.hear(Told(cut_all(ask)))
        assert isinstance(reply, Ask)
        ask = reply

    with pytest.raises(PeerError, match=f"more than {PENDING_MAX}"):
        leader.hear(Told(cut_all(ask)))


def cut_all(ask: Ask) -> list[Parts | bytes | None]:
    """Return 64 parts of each range that is asked about, none of which the leader has."""
    answers: list[Parts | bytes | None] = []
    previous = b""
    for split in ask.splits:
        bounds = unpack_bounds(split.bounds, previous)
        previous = bounds[-1]
        for low, high in pairwise(bounds):
            first, last = (int.from_bytes(bound.ljust(40, b"\0"), "big") for bound in (low, high))
            step = (last - first) // 64
            inside = [(first + step * n).to_bytes(40, "big") for n in range(1, 64)]
            answers.append(Parts(pack_bounds(inside, low), b"x" * 64 * 16))
    return answers


messages = st.one_of(
    st.just(Same()),
    st.builds(Differs, st.binary(min_size=16, max_size=16)),
    st.builds(
        Told,
        st.lists(
            st.none()
            | st.integers(0, 40).map(lambda n: n.to_bytes(8, "big") * (n % 5))
            | st.builds(
                Parts,
                st.lists(st.binary(max_size=4).map(lambda b: b"\x00" + b), min_size=1, max_size=4),
                st.integers(1, 5).map(lambda n: bytes(16 * n)),
            ),
            min_size=1,
            max_size=6,
        ),
    ),
    st.builds(
        Swapped,
        st.integers(0, 6),
        st.lists(st.binary(max_size=9), max_size=4),
        st.lists(st.integers(0, 9), max_size=3),
    ),
)


def lead_against(shelf: Shelf, say: Callable[[], Message]) -> int:
    """Lead a session with a liar; return how often it got to answer."""
    leader = Leader(shelf.index, shelf.get, LEADERS_SALT)
    step: Message | Judge | None = leader.begin()
    rounds = 0
    try:
        while step is not None:
            if isinstance(step, Judge):
                step = leader.judged()
                continue
            assert decode(encode(step)) == step
            rounds += 1
            step = leader.hear(say())
    except PeerError:
        pass
    return rounds


@pytest.mark.rule("SYNC-10")
@pytest.mark.rule("SYNC-12")
@given(st.sets(st.integers(0, 200), max_size=120), st.lists(messages, max_size=40))
def test_whatever_a_follower_says_the_session_ends_and_nothing_is_lost(
    mine: set[int], lies: list[Message]
) -> None:
    shelf = Shelf(mine)
    left = iter([DIFFERS, *lies])

    rounds = lead_against(shelf, lambda: next(left, Same()))

    assert rounds <= len(lies) + 2
    assert shelf.numbers() == sorted(mine)
    assert shelf.index.before(END) == Shelf(mine).index.before(END)
