"""Which offers are taken."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Job, Offer, Order
from commonfab.scheduler.offers import Choice, better, choices, likely_end, pick
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from tests.scheduler.worlds import (
    BERLIN,
    HAMBURG,
    HOUR_MS,
    NOON,
    a_capacity,
    a_machine,
    a_view,
    a_workshop,
    node,
)

BOB, CAROL, DAVE, EVE = (node(name) for name in ("bob", "carol", "dave", "eve"))
TOWN = [
    Known(BOB, a_capacity(a_machine()), a_workshop(BERLIN), 0.5),
    Known(CAROL, a_capacity(a_machine()), a_workshop(HAMBURG), 0.5),
    Known(DAVE, a_capacity(a_machine()), a_workshop(BERLIN), 0.9),
    Known(EVE, a_capacity(a_machine()), None, 0.5),
]


CAROL_NEAR = node("carol near")
NEAR = [TOWN[0], Known(CAROL_NEAR, a_capacity(a_machine()), a_workshop(BERLIN), 0.5)]
ORDER = Order(
    stream="order",
    seq=1,
    at=NOON,
    order=bytes(16),
    design=bytes(32),
    quantity=1,
    place=BERLIN,
    jobs=(Job(part="bracket", pieces=1),),
    grace_ms=60_000,
)


def an_offer(**changes: Any) -> Offer:
    """Any: the fields of `Offer`."""
    fields: dict[str, Any] = {
        "stream": "offer",
        "seq": 1,
        "at": NOON,
        "to": node("alice"),
        "request": bytes(32),
        "machine": "mk3",
        "start": NOON,
        "end": NOON + HOUR_MS,
        "held_until": NOON + 10_000,
        "price_minor": 500,
        "currency": "EUR",
        "machine_seconds": 3_000,
        "mass_mg": 50_000,
        "energy_mwh": 100_000,
        "co2e_mg": 40_000,
    }
    return Offer(**fields | changes)


def an_id(number: int) -> RecordId:
    return RecordId(number.to_bytes(32, "big"))


def the_choices(job: int, *offers: tuple[NodeId, int, Offer], by: int = 0) -> list[Choice]:
    offered = [(owner, an_id(number), offer) for owner, number, offer in offers]
    view = a_view(TOWN).snapshot()
    return choices(view, job, 50_000, BERLIN, by, offered, NOON, Weights())


def taken(*offers: tuple[NodeId, int, Offer], by: int = 0) -> int | None:
    picked = pick(the_choices(0, *offers, by=by))
    return int.from_bytes(picked[0], "big") if picked else None


@pytest.mark.rule("SCHED-11")
def test_the_cheapest_offer_is_taken_when_all_is_counted() -> None:
    assert taken((BOB, 1, an_offer()), (BOB, 2, an_offer(price_minor=499))) == 2
    assert taken((CAROL, 1, an_offer(price_minor=300)), (BOB, 2, an_offer())) == 2
    assert taken((BOB, 1, an_offer()), (DAVE, 2, an_offer(price_minor=550))) == 2
    assert taken((BOB, 1, an_offer()), (BOB, 2, an_offer(co2e_mg=39_000))) == 2
    assert taken((BOB, 1, an_offer()), (EVE, 2, an_offer(price_minor=300))) == 1


@pytest.mark.rule("SCHED-11")
def test_an_offer_that_is_late_is_dearer_by_its_lateness() -> None:
    late = an_offer(end=NOON + 3 * HOUR_MS, price_minor=300)

    assert taken((BOB, 1, an_offer()), (BOB, 2, late)) == 2
    assert taken((BOB, 1, an_offer()), (BOB, 2, late), by=NOON + 5 * HOUR_MS) == 2
    assert taken((BOB, 1, an_offer()), (BOB, 2, late), by=NOON + 3 * HOUR_MS) == 1


def test_the_cost_of_an_offer_is_that_of_the_spec() -> None:
    [choice] = the_choices(0, (CAROL, 1, an_offer()), by=NOON + 2 * HOUR_MS)

    km = 255.288 * 1.4
    hours = 1 / 1.1 + 2 + km / 60
    assert choice.minor == pytest.approx(
        500
        + 200
        + km * (2 + 0.2 * 0.05)
        + (40 + 0.05 / 1_000 * km * 137) * 0.03
        + hours * 10
        + (hours - 2) * 200
        + 0.5 * (200 + 0.5 * 500),
        abs=0.05,
    )


@pytest.mark.rule("SCHED-31")
def test_leeway_is_no_part_of_what_an_offer_costs() -> None:
    plain = an_offer()
    with_leeway = an_offer(end=NOON + 3 * HOUR_MS // 2, length_ms=HOUR_MS)

    assert likely_end(plain) == likely_end(with_leeway) == NOON + round(HOUR_MS / 1.1)


@pytest.mark.rule("SCHED-31")
def test_an_end_that_is_promised_far_beyond_its_plan_counts_but_for_the_usual_leeway() -> None:
    soon_it_says = an_offer(end=NOON + 9 * HOUR_MS, length_ms=HOUR_MS)
    of_a_queue = an_offer(start=NOON + 7 * HOUR_MS + HOUR_MS // 2, end=NOON + 9 * HOUR_MS)

    assert likely_end(soon_it_says) == NOON + 7 * HOUR_MS + HOUR_MS // 2 + round(HOUR_MS / 1.1)
    assert likely_end(of_a_queue) > likely_end(soon_it_says)


@pytest.mark.rule("SCHED-31")
def test_a_job_that_is_cleared_late_is_likely_made_when_it_is_cleared() -> None:
    """Its machine is done after an hour, but nobody is there for three."""
    cleared = an_offer(end=NOON + 3 * HOUR_MS + HOUR_MS // 2, length_ms=HOUR_MS)

    assert likely_end(cleared) == NOON + 2 * HOUR_MS + round(HOUR_MS / 1.1)


@pytest.mark.rule("SCHED-11")
def test_of_equal_offers_the_earlier_end_and_then_the_lower_id_is_taken() -> None:
    free = Weights(waiting_minor_per_hour=0.0)
    offered = [
        (BOB, an_id(3), an_offer()),
        (BOB, an_id(2), an_offer()),
        (BOB, an_id(1), an_offer(end=NOON + 2 * HOUR_MS)),
    ]

    ranked = choices(a_view(TOWN).snapshot(), 0, 50_000, BERLIN, 0, offered, NOON, free)

    assert pick(ranked) == {0: an_id(2)}


def test_offers_that_lapsed_or_cannot_be_paid_or_end_before_they_begin_are_left() -> None:
    assert taken((BOB, 1, an_offer(held_until=NOON))) is None
    assert taken((BOB, 1, an_offer(currency="CHF"))) is None
    assert taken((BOB, 1, an_offer(end=NOON))) is None
    assert taken() is None


def test_two_jobs_do_not_take_overlapping_windows_of_one_machine() -> None:
    """An owner that promises one hour twice: the second job takes its second choice."""
    both = [
        *the_choices(0, (BOB, 1, an_offer()), (BOB, 2, an_offer(machine="b", price_minor=900))),
        *the_choices(
            1,
            (BOB, 3, an_offer(start=NOON + 1)),
            (CAROL, 4, an_offer(price_minor=9_000)),
        ),
    ]

    assert pick(both) == {0: an_id(2), 1: an_id(3)}


def test_windows_one_after_the_other_are_both_taken() -> None:
    after = an_offer(start=NOON + HOUR_MS, end=NOON + 2 * HOUR_MS)
    both = [*the_choices(0, (BOB, 1, an_offer())), *the_choices(1, (BOB, 2, after))]

    assert pick(both) == {0: an_id(1), 1: an_id(2)}


def test_windows_that_leave_room_for_another_before_are_both_taken() -> None:
    """An owner gives each job half of its length as leeway, so that its windows cross."""
    length_ms, end = 2 * HOUR_MS, NOON + 3 * HOUR_MS
    first = an_offer(end=end, length_ms=length_ms)
    second = an_offer(start=NOON + length_ms, end=end + length_ms, length_ms=length_ms)
    both = [*the_choices(0, (BOB, 1, first)), *the_choices(1, (BOB, 2, second))]

    assert pick(both) == {0: an_id(1), 1: an_id(2)}


def test_a_window_that_crosses_two_that_exclude_others_excludes_all_of_them() -> None:
    hours = ((0, 2), (1, 4), (5, 8), (3, 6))
    offers = [an_offer(start=NOON + a * HOUR_MS, end=NOON + b * HOUR_MS) for a, b in hours]
    every = [c for job, each in enumerate(offers) for c in the_choices(job, (BOB, job, each))]

    assert len(pick(every)) == 1


def test_a_job_that_finds_no_window_of_its_own_is_left_out() -> None:
    both = [*the_choices(0, (BOB, 1, an_offer())), *the_choices(1, (BOB, 2, an_offer()))]

    assert pick(both) == {0: an_id(1)}


windows = st.tuples(
    st.integers(0, 2),
    st.sampled_from([BOB, CAROL]),
    st.sampled_from([0, 1]),
    st.sampled_from([100, 101, 500]),
)


@pytest.mark.rule("SCHED-11")
@given(st.lists(windows, max_size=7), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_no_other_way_serves_more_jobs_or_the_same_for_less(
    drawn: list[tuple[int, NodeId, int, int]], random: Any
) -> None:
    """Any: a `random.Random` that Hypothesis controls."""
    all_of_them: list[Choice] = []
    for number, (job, owner, hour, price) in enumerate(drawn):
        start = NOON + hour * HOUR_MS
        offer = an_offer(start=start, end=start + HOUR_MS, price_minor=price)
        all_of_them += the_choices(job, (owner, number, offer))

    picked = pick(all_of_them)

    by_id = {choice.id: choice for choice in all_of_them}
    assert _value([by_id[identifier] for identifier in picked.values()]) == pytest.approx(
        min(_value(way) for way in _ways(all_of_them)), abs=1e-3
    )
    random.shuffle(all_of_them)
    assert pick(all_of_them) == picked


def _value(way: list[Choice]) -> tuple[int, float]:
    return -len(way), sum(choice.minor for choice in way)


def _ways(all_of_them: list[Choice]) -> list[list[Choice]]:
    """Return every choice of at most one offer a job with no window twice."""
    jobs = [[c for c in all_of_them if c.job == job] for job in range(3)]
    ways = [[c for c in way if c] for way in product(*([None, *each] for each in jobs))]
    return [way for way in ways if len({(c.owner, c.offer.start) for c in way}) == len(way)]


@pytest.mark.rule("SCHED-30")
@pytest.mark.parametrize(("price_minor", "is_left"), [(500, False), (470, False), (200, True)])
def test_what_a_job_has_is_left_only_for_what_is_a_good_part_cheaper(
    price_minor: int, is_left: bool
) -> None:
    has = BOB, an_id(1), an_offer(held_until=NOON)
    other = CAROL_NEAR, an_id(2), an_offer(price_minor=price_minor)

    taken = better(a_view(NEAR).snapshot(), 50_000, ORDER, has, [other], NOON, Weights())

    assert taken == (an_id(2) if is_left else None)


def test_nothing_is_left_for_an_offer_that_is_not_held_any_more() -> None:
    has = BOB, an_id(1), an_offer()
    lapsed = CAROL_NEAR, an_id(2), an_offer(price_minor=1, held_until=NOON)

    assert better(a_view(NEAR).snapshot(), 50_000, ORDER, has, [lapsed], NOON, Weights()) is None
