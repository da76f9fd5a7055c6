"""How far a node is believed: ways, weights, experience, crowds; and what Sybils gain."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Record
from commonfab.protocol.standing.standing import (
    CROWD,
    GIVEN_MAX,
    KNOWN_MIN,
    STRANGER,
    STRANGERS_PER_SUBNET_MAX,
    WEIGHT_MIN,
    Experience,
    Facts,
    Standings,
)
from tests.builders import a_vouch
from tests.protocol.signers import ALICE, BOB, CAROL, EVE, Person, named

DAVE = named("dave")
EMMA = named("emma")
ME = ALICE.node


def standings(*vouches: Record, **facts: object) -> Standings:
    return Standings(Facts(me=ME, vouches=vouches, **facts))  # type: ignore[arg-type]  # as named


def vouch(by: Person, of: Person, weight: float = 1.0, **changes: object) -> Record:
    return a_vouch(by, subject=of.node, weight_permille=round(weight * 1000), **changes)


def sybils(count: int) -> list[Person]:
    return [named(f"sybil {n}") for n in range(count)]


@pytest.mark.rule("STANDING-1")
def test_of_whom_nobody_spoke_is_a_stranger() -> None:
    found = standings().of(BOB.node)

    assert (found.score, found.tier, found.rank) == (STRANGER, "stranger", 1)
    assert found.why == ("nobody who is known here has said anything of it",)


@pytest.mark.rule("STANDING-1")
def test_whom_this_node_vouches_for_is_known_by_that_weight() -> None:
    found = standings(vouch(ALICE, BOB, 0.6)).of(BOB.node)

    assert found.score == pytest.approx(0.8)
    assert (found.tier, found.rank) == ("vouched", 0)
    assert found.why == ("vouched for by this node (0.60)",)


@pytest.mark.rule("STANDING-1")
def test_who_was_met_is_known() -> None:
    found = standings(met={BOB.node}).of(BOB.node)

    assert found.score == pytest.approx(0.9)
    assert (found.tier, found.rank) == ("met", 0)


@pytest.mark.rule("STANDING-1")
def test_this_node_s_own_word_counts_before_the_pairing_and_before_others() -> None:
    taken_back = standings(vouch(ALICE, BOB, 0.0), vouch(CAROL, BOB), met={BOB.node, CAROL.node})

    assert taken_back.of(BOB.node).rank == 1


@pytest.mark.rule("STANDING-2")
def test_a_vouch_reaches_two_steps_and_no_further() -> None:
    found = standings(vouch(ALICE, BOB), vouch(BOB, CAROL), vouch(CAROL, DAVE))

    assert found.of(BOB.node).score == 1.0
    assert found.of(CAROL.node).score == pytest.approx(0.75)
    assert found.of(DAVE.node).rank == 1


@pytest.mark.rule("STANDING-2")
def test_two_steps_are_counted_from_who_was_met() -> None:
    found = standings(vouch(BOB, CAROL), vouch(CAROL, DAVE), vouch(DAVE, EMMA), met={BOB.node})

    ranks = [found.of(each.node).rank for each in (BOB, CAROL, DAVE, EMMA)]
    assert ranks == [0, 0, 0, 1]


@pytest.mark.rule("STANDING-3")
def test_of_several_ways_the_best_counts_and_not_their_sum() -> None:
    one = standings(vouch(ALICE, BOB), vouch(BOB, DAVE, 0.8))
    two = standings(
        vouch(ALICE, BOB), vouch(ALICE, CAROL), vouch(BOB, DAVE, 0.8), vouch(CAROL, DAVE, 0.5)
    )

    assert one.of(DAVE.node) == two.of(DAVE.node)


@pytest.mark.rule("STANDING-3")
def test_of_one_author_s_vouches_the_newest_counts() -> None:
    found = standings(vouch(ALICE, BOB, 0.2, seq=9), vouch(ALICE, BOB, 0.9, seq=8))

    assert found.of(BOB.node).score == pytest.approx(0.6)


@pytest.mark.rule("STANDING-4")
def test_what_a_voucher_gives_away_is_bounded_in_all() -> None:
    crowd = sybils(40)
    found = standings(vouch(ALICE, BOB), *(vouch(BOB, each) for each in crowd))

    gained = sum(2 * found.of(each.node).score - 1 for each in crowd)
    assert gained == pytest.approx(GIVEN_MAX / 2)


@pytest.mark.rule("STANDING-4")
@settings(max_examples=30)
@given(st.integers(1, 300), st.floats(0.05, 1.0))
def test_few_can_be_made_known_by_one_voucher(count: int, weight: float) -> None:
    crowd = sybils(count)
    found = standings(vouch(ALICE, BOB), *(vouch(BOB, each, weight) for each in crowd))

    known = sum(found.of(each.node).rank == 0 for each in crowd)
    assert known <= GIVEN_MAX / WEIGHT_MIN


@pytest.mark.rule("STANDING-4")
def test_who_vouches_for_bad_work_is_believed_less_in_all_it_says() -> None:
    crowd = sybils(20)
    words = [vouch(ALICE, BOB), *(vouch(BOB, each) for each in crowd)]
    at_first = standings(*words)
    burnt = standings(*words, experience={each.node: Experience(bad=1) for each in crowd[:3]})

    assert all(at_first.of(each.node).rank == 0 for each in crowd)
    assert all(burnt.of(each.node).rank > 0 for each in crowd)
    assert burnt.of(BOB.node).rank == 0, "its own work is another matter"


@pytest.mark.rule("STANDING-5")
def test_good_work_lifts_a_stranger_among_strangers_only() -> None:
    found = standings(experience={BOB.node: Experience(good=50)}).of(BOB.node)

    assert found.score > KNOWN_MIN
    assert (found.tier, found.rank) == ("proven", 1)


@pytest.mark.rule("STANDING-5")
def test_bad_work_puts_a_stranger_below_strangers_and_a_known_one_among_them() -> None:
    one = standings(experience={BOB.node: Experience(bad=1)}).of(BOB.node)
    known = standings(vouch(ALICE, BOB, 0.5), experience={BOB.node: Experience(bad=1)}).of(BOB.node)

    assert one.rank == 2
    assert known.rank == 1
    assert "0 jobs made here, 1 gone wrong" in known.why


@pytest.mark.rule("STANDING-5")
def test_offences_halve_a_score_and_are_told() -> None:
    found = standings(vouch(ALICE, BOB), offences={BOB.node: 10.0}).of(BOB.node)

    assert found.score == pytest.approx(0.5)
    assert "broke rules lately (weight 10)" in found.why


@pytest.mark.rule("STANDING-6")
def test_who_is_not_believed_has_no_standing_and_vouches_for_nobody() -> None:
    words = [vouch(ALICE, BOB), vouch(BOB, CAROL)]
    found = standings(*words, banned={BOB.node: "its key is revoked: stolen"})

    assert (found.of(BOB.node).score, found.of(BOB.node).rank) == (0.0, 2)
    assert found.of(BOB.node).why == ("its key is revoked: stolen",)
    assert found.of(CAROL.node).rank == 1


@pytest.mark.rule("STANDING-7")
def test_strangers_of_one_subnet_beyond_a_few_are_a_crowd() -> None:
    crowd = sybils(30)
    honest = named("honest")
    subnets = dict.fromkeys((each.node for each in crowd), "203.0.113.0/24")
    found = standings(subnets={**subnets, honest.node: "198.51.100.0/24"})

    ranks = [found.of(each.node).rank for each in crowd]
    assert ranks == [1] * STRANGERS_PER_SUBNET_MAX + [2] * (30 - STRANGERS_PER_SUBNET_MAX)
    assert found.of(crowd[-1].node).score == CROWD
    assert found.of(crowd[-1].node).why == ("one of many strangers at 203.0.113.0/24",)
    assert found.of(honest.node).rank == 1


@pytest.mark.rule("STANDING-7")
def test_who_is_known_is_in_no_crowd() -> None:
    crowd = sybils(30)
    subnets = dict.fromkeys((each.node for each in crowd), "203.0.113.0/24")
    last = crowd[-1]

    assert standings(vouch(ALICE, last), subnets=subnets).of(last.node).rank == 0


@pytest.mark.rule("STANDING-8")
def test_own_machines_rank_with_strangers_where_nobody_is_known() -> None:
    assert standings().of(ME).rank == 1
    assert standings(vouch(ALICE, BOB)).of(ME).rank == 0


people = st.sampled_from([ALICE, BOB, CAROL, DAVE, EVE])
_words = st.builds(vouch, people, people, st.sampled_from([0.0, 0.1, 0.5, 1.0]))


@pytest.mark.rule("STANDING-9")
@given(st.lists(_words, max_size=15), st.randoms(use_true_random=False))
def test_standing_does_not_depend_on_the_order_of_vouches(
    words: list[Record], chance: object
) -> None:
    shuffled = list(words)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random

    one, other = standings(*words), standings(*shuffled)

    for each in (ALICE, BOB, CAROL, DAVE, EVE):
        assert one.of(each.node) == other.of(each.node)


@pytest.mark.rule("STANDING-9")
@given(st.lists(_words, max_size=15))
def test_a_crowd_that_vouches_for_itself_changes_nobody_s_standing(words: list[Record]) -> None:
    crowd = sybils(6)
    among_themselves = [vouch(one, other) for one in crowd for other in crowd if one is not other]

    before, after = standings(*words), standings(*words, *among_themselves)

    for each in (BOB, CAROL, DAVE, EVE):
        assert before.of(each.node) == after.of(each.node)
    assert all(after.of(each.node).rank == 1 for each in crowd)


def _scores(found: Standings, nodes: Sequence[NodeId]) -> Mapping[NodeId, float]:
    return {node: found.of(node).score for node in nodes}


@pytest.mark.rule("STANDING-9")
@given(st.lists(_words, max_size=15))
def test_a_score_is_from_0_to_1(words: list[Record]) -> None:
    scores = _scores(standings(*words, met={BOB.node}), [ME, BOB.node, CAROL.node, EVE.node])

    assert all(0.0 <= score <= 1.0 for score in scores.values())
