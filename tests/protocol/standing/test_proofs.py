"""Two records for one place: the proof, and what every node then believes, in whatever order."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol import envelope
from commonfab.protocol.admission import Accept, Admission, Conflict, Ignore, Reject
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import RecordId
from commonfab.protocol.limits import BODY_BYTES_MAX
from commonfab.protocol.records import LATEST, Proof, Record, sign
from commonfab.protocol.standing import proofs
from tests import vectors
from tests.builders import (
    NOON,
    a_capacity,
    a_denylist,
    a_design,
    a_grant,
    a_lease,
    a_part,
    a_request,
    a_revocation,
    a_vouch,
    a_window,
    a_workshop,
    an_acceptance,
    an_offer,
    body_of,
)
from tests.protocol.signers import ALICE, BOB, CAROL, EVE

PLACE = {"stream": "design/x", "seq": 50}


def two(seq: int = 50) -> tuple[Record, Record]:
    """Return two designs that Eve signed for one place."""
    place = {**PLACE, "seq": seq}
    return a_design(EVE, name="for you", **place), a_design(EVE, name="for him", **place)


def a_proof(seq: int = 50) -> Record:
    one, other = two(seq)
    return proofs.prove(one.data, other.data)


def judge(admission: Admission, *records: Record) -> list[object]:
    return [admission.judge(record.data, NOON) for record in records]


@pytest.mark.rule("LEASE-25")
def test_two_windows_for_one_time_prove_a_lie_from_the_later_on() -> None:
    request = a_request(to=EVE.node)
    offer = an_offer(request, by=EVE)
    one, other = (a_window(offer, an_acceptance(offer), EVE, seq=seq) for seq in (7, 9))

    proof = proofs.prove(one.data, other.data)

    assert proof == proofs.prove(other.data, one.data)
    assert proofs.accused(proof) == EVE.node
    assert proofs.rank(proof).seq == 9
    assert isinstance(Admission().judge(proof.data, NOON), Accept)


@pytest.mark.rule("LEASE-25")
def test_windows_that_can_both_be_kept_prove_nothing() -> None:
    offer = an_offer(a_request(to=EVE.node), by=EVE)
    one = a_window(offer, an_acceptance(offer), EVE)
    named = a_window(offer, an_acceptance(offer), EVE, over=(one.id,))

    with pytest.raises(Malformed, match="two places"):
        proofs.prove(one.data, named.data)


@pytest.mark.rule("LEASE-11")
def test_two_grants_for_one_attempt_prove_a_lie() -> None:
    one, other = grants(), grants(lease=bytes(32))

    proof = proofs.prove(one.data, other.data)

    assert proofs.accused(proof) == EVE.node
    assert isinstance(Admission().judge(proof.data, NOON), Accept)


@pytest.mark.rule("LEASE-11")
@pytest.mark.parametrize("changes", [{"epoch": 2}, {"job": 1}, {"order": bytes(16)}])
def test_grants_for_two_attempts_prove_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="a grant proves nothing"):
        proofs.prove(grants().data, grants(lease=bytes(32), **changes).data)


def grants(**changes: Any) -> Record:
    """Return what Eve signs to let a job begin."""
    request = a_request(EVE)
    offer = an_offer(request)
    return a_grant(a_lease(request, offer, an_acceptance(offer, EVE)), EVE, **changes)


@pytest.mark.rule("ADMISSION-13")
def test_whoever_saw_both_makes_the_same_proof() -> None:
    one, other = two()

    proof = proofs.prove(one.data, other.data)

    assert proof == proofs.prove(other.data, one.data)
    assert proofs.accused(proof) == EVE.node
    assert proof.author == proofs.NOBODY
    assert {body_of(proof, Proof).first, body_of(proof, Proof).second} == {one.data, other.data}


@pytest.mark.rule("ADMISSION-13")
def test_a_proof_needs_nobody_s_word() -> None:
    proof = a_proof()

    assert judge(Admission(), proof) == [Accept(proof)]


@pytest.mark.rule("ADMISSION-13")
def test_the_largest_records_prove_as_well() -> None:
    parts = tuple(a_part(name=f"{n:03}", file="f" * 220) for n in range(172))
    halves = [a_design(EVE, parts=parts, name=name, **PLACE) for name in "AB"]
    assert min(len(half.data) for half in halves) > BODY_BYTES_MAX * 0.9

    proof = proofs.prove(halves[0].data, halves[1].data)

    assert judge(Admission(), proof) == [Accept(proof)]


@pytest.mark.rule("ADMISSION-13")
@pytest.mark.parametrize(
    "halves",
    [
        (a_design(EVE, **PLACE), a_design(ALICE, **PLACE)),
        (a_design(EVE, **PLACE), a_design(EVE, stream="design/x", seq=51)),
        (a_design(EVE, **PLACE), a_design(EVE, stream="design/y", seq=50)),
        (a_request(EVE, seq=50), a_request(EVE, seq=50, job=1)),
    ],
    ids=["two authors", "two numbers", "two streams", "letters"],
)
def test_what_is_no_proof_cannot_be_made_into_one(halves: tuple[Record, Record]) -> None:
    with pytest.raises(Malformed, match=r"proves? nothing"):
        proofs.prove(halves[0].data, halves[1].data)


@pytest.mark.rule("ADMISSION-13")
def test_one_record_twice_is_no_proof() -> None:
    one, _ = two()

    with pytest.raises(Malformed, match="one record twice"):
        proofs.prove(one.data, one.data)


def _nobody() -> envelope.Signer:
    return proofs._NOBODY  # pyright: ignore[reportPrivateUsage]  # anybody can make this key


@pytest.mark.rule("ADMISSION-13")
def test_a_proof_in_another_form__reject() -> None:
    body = body_of(a_proof(), Proof)
    turned = Proof(
        stream=body.stream, seq=body.seq, at=body.at, first=body.second, second=body.first
    )
    elsewhere = Proof(
        stream="proof/x", seq=body.seq, at=body.at, first=body.first, second=body.second
    )

    for wrong in (turned, elsewhere):
        verdict = Admission().judge(sign(wrong, _nobody()).data, NOON)
        assert isinstance(verdict, Reject)


@pytest.mark.rule("ADMISSION-13")
def test_a_proof_that_somebody_signs_as_his_own__reject() -> None:
    verdict = Admission().judge(sign(body_of(a_proof(), Proof), CAROL).data, NOON)

    assert isinstance(verdict, Reject)


@pytest.mark.rule("ADMISSION-13")
def test_a_proof_with_a_forged_half__reject() -> None:
    one, other = two()
    forged = other.data.replace(b"for him", b"for her")

    verdict = Admission().judge(proofs.prove(one.data, forged).data, NOON)

    assert isinstance(verdict, Reject)
    assert "not signed by" in verdict.reason


@pytest.mark.rule("ADMISSION-13")
def test_the_key_of_proofs_signs_nothing_else() -> None:
    verdict = Admission().judge(a_design(_nobody()).data, NOON)

    assert verdict == Reject("the key of proofs signs nothing else")


@pytest.mark.rule("ADMISSION-14")
def test_after_a_proof_the_author_is_believed_up_to_the_proven_place_only() -> None:
    admission = Admission()
    judge(admission, a_proof(seq=50))

    before, after = a_design(EVE, seq=49), a_design(EVE, stream="design/y", seq=50)

    assert judge(admission, before, after) == [
        Accept(before),
        Ignore("its author signed two records for one place"),
    ]


@pytest.mark.rule("ADMISSION-14")
@pytest.mark.parametrize("build", [a_workshop, a_capacity, a_denylist])
def test_what_would_be_replaced_is_believed_no_more_wherever_it_stands(
    build: Callable[..., Record],
) -> None:
    admission = Admission()
    judge(admission, a_proof(seq=50))

    record = build(by=EVE, seq=3)

    assert judge(admission, record) == [Ignore("its author signed two records for one place")]


@pytest.mark.rule("ADMISSION-14")
def test_a_revocation_and_letters_are_judged_as_before() -> None:
    admission = Admission()
    judge(admission, a_proof())
    letter, revocation = a_request(EVE, seq=99), a_revocation(EVE, seq=99)

    assert judge(admission, letter, revocation) == [Accept(letter), Accept(revocation)]


@pytest.mark.rule("ADMISSION-14")
def test_of_two_proofs_the_one_that_goes_further_counts() -> None:
    admission = Admission()
    late, early = a_proof(seq=80), a_proof(seq=20)

    assert judge(admission, late, early) == [Accept(late), Accept(early)]
    assert judge(Admission(), early)[0] == Accept(early)
    assert judge(admission, a_design(EVE, seq=21)) == [
        Ignore("its author signed two records for one place")
    ]
    again = Admission()
    judge(again, early)
    assert judge(again, late) == [Ignore("more is proven of its author already")]


@pytest.mark.rule("ADMISSION-11")
def test_a_proof_that_could_not_be_stored_may_come_again() -> None:
    admission = Admission()
    proof = a_proof()
    judge(admission, proof)

    admission.forget(proof)

    assert judge(admission, proof) == [Accept(proof)]


@pytest.mark.rule("ADMISSION-13")
@pytest.mark.parametrize("case", vectors.load("proof"), ids=lambda case: case["name"])
def test_the_vectors_are_what_this_code_makes_and_believes(case: vectors.Case) -> None:
    one, other = bytes.fromhex(case["one"]), bytes.fromhex(case["other"])
    if case["verdict"] == "refuse":
        with pytest.raises(Malformed):
            proofs.prove(one, other)
        return

    proof = proofs.prove(one, other)

    assert proof.data.hex() == case["proof"]
    assert isinstance(Admission().judge(proof.data, NOON), Accept)


# Convergence: nodes that saw either half, and sync with one another.


class Believer:
    """What one node believes: admission, a shelf of public records, and proofs that it makes.
    tests/simulation has the whole node; this is the smallest that keeps the rules."""

    def __init__(self) -> None:
        self.admission = Admission(verify=_trusting)
        self.shelf: dict[RecordId, Record] = {}

    def hear(self, record: Record) -> None:
        match self.admission.judge(record.data, NOON):
            case Accept(accepted):
                self._keep(accepted)
            case Conflict(kept=kept, other=other) if kept in self.shelf:
                self.hear(proofs.prove(self.shelf[kept].data, other.data))
            case _:
                pass

    def _keep(self, record: Record) -> None:
        self.shelf[record.id] = record
        for each in list(self.shelf.values()):
            if _ends(record, each):
                del self.shelf[each.id]

    def meet(self, other: "Believer") -> None:
        mine, theirs = list(self.shelf.values()), list(other.shelf.values())
        for record in theirs:
            self.hear(record)
        for record in mine:
            other.hear(record)


def _ends(record: Record, other: Record) -> bool:
    """Tell whether a record that was accepted puts an end to another."""
    if record.kind == "proof":
        accused, rank = proofs.accused(record), proofs.rank(record)
        if other.kind == "proof":
            return proofs.accused(other) == accused and proofs.rank(other) > rank
        return other.author == accused and proofs.is_covered(other.kind, other.body.seq, rank)
    is_same = (other.author, other.kind) == (record.author, record.kind)
    return is_same and record.kind in LATEST and other.body.seq < record.body.seq


def _trusting(_: Envelope) -> None:
    """The records of this test are all signed; half of the time would go into checking that."""


def _story() -> list[Record]:
    """Return what one liar and two honest authors said."""
    place = {"stream": "design/x"}
    return [
        a_design(ALICE, seq=1),
        a_capacity(BOB, seq=5),
        a_capacity(BOB, seq=6),
        a_design(EVE, seq=10, **place),
        *(a_design(EVE, seq=20, name=name, **place) for name in ("A", "B", "C")),
        *(a_design(EVE, seq=30, name=name, **place) for name in ("A", "B")),
        a_design(EVE, seq=40, stream="design/y"),
        a_vouch(EVE, subject=ALICE.node, seq=15),
        a_capacity(EVE, seq=12),
        *(a_capacity(EVE, seq=25, grid_g_per_kwh=grid) for grid in (1, 2)),
        a_workshop(EVE, seq=18),
        a_revocation(CAROL, seq=7),
    ]


_STORY = _story()


@pytest.mark.rule("ADMISSION-15")
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(_STORY)), min_size=1, max_size=60),
    st.integers(0, 2**32),
)
def test_nodes_that_saw_either_half_converge_within_three_rounds(
    heard: Sequence[tuple[int, Record]], seed: int
) -> None:
    nodes = [Believer() for _ in range(4)]
    for index, record in heard:
        nodes[index].hear(record)
    chance = Random(seed)

    for _ in range(3):
        pairs = [(one, other) for one in nodes for other in nodes if one is not other]
        chance.shuffle(pairs)
        for one, other in pairs:
            one.meet(other)

    assert all(node.shelf.keys() == nodes[0].shelf.keys() for node in nodes)


@pytest.mark.rule("ADMISSION-15")
@settings(max_examples=60)
@given(st.permutations(_STORY), st.permutations(_STORY))
def test_what_is_believed_after_a_proof_does_not_depend_on_the_order(
    one: Sequence[Record], other: Sequence[Record]
) -> None:
    nodes = [Believer(), Believer()]
    for node, story in zip(nodes, (one, other), strict=True):
        for record in story:
            node.hear(record)
    nodes[0].meet(nodes[1])

    left = {record.id for record in nodes[0].shelf.values()}

    assert left == nodes[1].shelf.keys()
    frozen = nodes[0].admission.frozen(EVE.node)
    assert frozen is not None
    assert frozen.seq == 20
    by_eve = {record.body.seq for record in nodes[0].shelf.values() if record.author == EVE.node}
    assert by_eve == {10, 15}
