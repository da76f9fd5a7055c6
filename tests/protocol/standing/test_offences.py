"""What a peer did against the rules: counted, faded, and too much at a bound."""

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.standing.offences import (
    BOUND,
    HALF_LIFE_MS,
    KEPT_OUT_MS,
    OFFENDERS_MAX,
    Offences,
)
from tests.builders import NOON, later
from tests.protocol.signers import BOB, EVE, named


def test_offences_add_up_until_a_peer_is_shown_out() -> None:
    offences = Offences()

    told = [offences.offend(EVE.node, "garbage", 1.0, NOON) for _ in range(int(BOUND))]

    assert told == [False] * (int(BOUND) - 1) + [True]
    assert offences.is_kept_out(EVE.node, later(KEPT_OUT_MS - 1))
    assert not offences.is_kept_out(EVE.node, later(KEPT_OUT_MS))
    assert offences.count(EVE.node) == BOUND
    assert offences.last(EVE.node) == "garbage"


def test_one_offence_that_no_mistake_explains_may_be_enough() -> None:
    assert Offences().offend(EVE.node, "a forged proof", BOUND, NOON)


def test_offences_fade_by_half() -> None:
    offences = Offences()
    offences.offend(EVE.node, "garbage", 8.0, NOON)

    assert offences.weight(EVE.node, later(HALF_LIFE_MS)) == 4.0
    assert offences.weight(EVE.node, Timestamp(NOON - 1)) == 8.0, "a clock that was set back"


def test_a_slow_trickle_of_mistakes_never_comes_to_the_bound() -> None:
    offences = Offences()

    told = [offences.offend(EVE.node, "late", 1.0, later(n * HALF_LIFE_MS)) for n in range(100)]

    assert not any(told)


def test_nobody_pays_for_another() -> None:
    offences = Offences()
    offences.offend(EVE.node, "garbage", 1.0, NOON)

    assert offences.weight(BOB.node, NOON) == 0.0
    assert not offences.is_kept_out(BOB.node, NOON)
    assert list(offences) == [EVE.node]


def test_only_so_many_offenders_are_remembered() -> None:
    offences = Offences()
    people = [named(str(n)).node for n in range(8)] * (OFFENDERS_MAX // 8 + 1)
    for number in range(OFFENDERS_MAX + 5):
        node = type(people[0])(number.to_bytes(32, "big"))
        offences.offend(node, "garbage", 1.0, NOON)

    assert len(list(offences)) == OFFENDERS_MAX
