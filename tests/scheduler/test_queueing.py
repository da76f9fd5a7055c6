"""The owner's queue: short jobs soon, long ones in time, and everybody their share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.scheduler.queueing import Rule, Waiting
from tests.scheduler.worlds import DAY_MS, HOUR_MS, NOON, node

ALICE, BOB, EVE = node("alice"), node("bob"), node("eve")
RULE = Rule()


def a_wait(name: str, hours: float, **changes: int) -> Waiting:
    buyer = {"a": ALICE, "b": BOB, "e": EVE}.get(name[0], node(name))
    length_ms = int(hours * HOUR_MS)
    fields = {"since": NOON} | changes
    return Waiting(id=name.encode(), buyer=buyer, length_ms=length_ms, **fields)


@st.composite
def waits(draw: st.DrawFn) -> Waiting:
    number = draw(st.integers(0, 99))
    return Waiting(
        id=b"%d" % number,
        buyer=(ALICE, BOB, EVE)[number % 3],
        length_ms=draw(st.integers(1, 30)) * HOUR_MS,
        since=NOON - draw(st.integers(0, 100)) * HOUR_MS,
    )


queues = st.lists(waits(), max_size=8, unique_by=lambda each: each.id)


def test_the_shortest_is_first() -> None:
    queue = [a_wait("c", 30), a_wait("d", 1), a_wait("f", 8)]

    assert RULE.order(queue, NOON + HOUR_MS) == [b"d", b"f", b"c"]
    assert RULE.order(queue, NOON) == [b"d", b"f", b"c"]


def test_a_long_job_that_has_waited_goes_before_a_short_one_that_came_just_now() -> None:
    queue = [a_wait("d", 1, since=NOON), a_wait("c", 10, since=NOON - 24 * HOUR_MS)]

    assert RULE.order(queue, NOON) == [b"c", b"d"]


def test_whoever_has_waited_longer_than_patience_is_first_whatever_the_rest() -> None:
    rule = Rule(priority={ALICE: 9}, patience_ms=DAY_MS)
    queue = [a_wait("a", 1), a_wait("b", 90, since=NOON - DAY_MS - 1)]

    assert rule.order(queue, NOON)[0] == b"b"
    assert rule.order(queue, NOON - 1)[0] == b"a"


def test_endless_short_jobs_do_not_starve_a_long_one() -> None:
    """A new job of an hour comes each hour; the one of 30 hours still gets its turn."""
    long = a_wait("z", 30)
    turn = next(
        at
        for at in range(NOON, NOON + 1_000 * HOUR_MS, HOUR_MS)
        if RULE.order([long, a_wait(f"y{at}", 1, since=at)], at)[0] == b"z"
    )
    assert turn - NOON <= RULE.patience_ms + HOUR_MS


def test_who_had_less_than_their_share_is_before_who_had_more() -> None:
    queue = [a_wait("a", 2), a_wait("b", 2)]

    assert RULE.order(queue, NOON, {ALICE: 100, BOB: 5}) == [b"b", b"a"]
    assert RULE.order(queue, NOON, {ALICE: 5, BOB: 100}) == [b"a", b"b"]
    large = Rule(shares={ALICE: 100})
    assert large.order(queue, NOON, {ALICE: 100, BOB: 5}) == [b"a", b"b"]


def test_many_equal_jobs_of_two_buyers_take_turns() -> None:
    queue = [a_wait(f"a{n}", 1) for n in range(3)] + [a_wait(f"b{n}", 1) for n in range(3)]

    order = [each[:1] for each in RULE.order(queue, NOON)]

    assert order == [b"a", b"b", b"a", b"b", b"a", b"b"]


def test_a_priority_goes_before_length_and_share() -> None:
    queue = [a_wait("a", 1), a_wait("b", 20)]

    assert Rule(priority={BOB: 1}).order(queue, NOON, {BOB: 100}) == [b"b", b"a"]


@given(queues)
@settings(max_examples=50, deadline=None)
def test_all_are_in_the_order_however_the_queue_is_given(queue: list[Waiting]) -> None:
    order = RULE.order(queue, NOON)

    assert sorted(order) == sorted(each.id for each in queue)
    assert order == RULE.order(queue[::-1], NOON)
