"""The cases of specs/vectors/proof.json: proofs that two records make."""

from typing import Any

from commonfab.protocol.records import Grant, Record, sign
from commonfab.protocol.standing import proofs
from tests.builders import (
    NOON,
    a_capacity,
    a_design,
    a_request,
    a_vouch,
    a_window,
    an_acceptance,
    an_offer,
)
from tests.protocol.signers import ALICE, BOB, CAROL, EVE
from tests.vectors import Case

ABOUT = (
    "Proofs, ADMISSION-13 of specs/admission.md. accept: two sealed records, in whatever order,"
    " and the sealed proof that they make, with its id, its author and its place. refuse: two"
    " sealed records that prove nothing. The seed of the key of proofs is `nobody`."
)


def cases() -> list[Case]:
    place = {"stream": "design/x", "seq": 50, "at": NOON}
    designs = [a_design(EVE, name=name, **place) for name in ("for you", "for him")]
    capacities = [a_capacity(BOB, seq=7, at=NOON, grid_g_per_kwh=grid) for grid in (1, 2)]
    late = {**place, "at": NOON + 5}
    return [
        _accept("two designs", *designs),
        _accept("the same two the other way around", *reversed(designs)),
        _accept("two capacities", *capacities),
        _accept("two windows for one time", *_windows()),
        _accept("two grants for one attempt", *_grants({}, {"lease": bytes(32)})),
        _accept("signed at two times", designs[0], a_design(EVE, name="later", **late)),
        _refuse("a window that the later one calls over", *_windows(is_over=True)),
        _refuse("two grants for two attempts", *_grants({}, {"lease": bytes(32), "epoch": 2})),
        _refuse("one record twice", designs[0], designs[0]),
        _refuse("two authors", designs[0], a_design(ALICE, **place)),
        _refuse("two numbers", designs[0], a_design(EVE, **{**place, "seq": 51})),
        _refuse("two streams", designs[0], a_design(EVE, **{**place, "stream": "design/y"})),
        _refuse(
            "two kinds",
            designs[0],
            a_vouch(EVE, subject=CAROL.node, stream="design/x", seq=50, at=NOON, until=NOON + 1),
        ),
        _refuse(
            "two letters",
            *(a_request(EVE, seq=9, at=NOON, job=job, stream="request") for job in (0, 1)),
        ),
    ]


def _windows(*, is_over: bool = False) -> list[Record]:
    offer = an_offer(a_request(to=EVE.node, seq=1), by=EVE, seq=1)
    acceptance = an_acceptance(offer, seq=1)
    first = a_window(offer, acceptance, EVE, seq=50)
    over = (first.id,) if is_over else ()
    return [first, a_window(offer, acceptance, EVE, seq=51, over=over)]


def _grants(*changes: dict[str, Any]) -> list[Record]:
    lease: dict[str, Any] = {
        "to": BOB.node,
        "lease": bytes([1] * 32),
        "order": bytes(16),
        "job": 0,
        "epoch": 1,
    }
    heads: list[dict[str, Any]] = [
        {"stream": "grant", "seq": seq, "at": NOON, "use_by": NOON} for seq in (50, 51)
    ]
    return [
        sign(Grant(**head, **lease | each), EVE) for head, each in zip(heads, changes, strict=True)
    ]


def _accept(name: str, one: Record, other: Record) -> Case:
    proof = proofs.prove(one.data, other.data)
    return {
        "name": name,
        "verdict": "accept",
        "one": one.data.hex(),
        "other": other.data.hex(),
        "nobody": proofs.NOBODY_SEED.hex(),
        "accused": proofs.accused(proof).hex(),
        "stream": proof.body.stream,
        "seq": proof.body.seq,
        "at": proof.body.at,
        "proof": proof.data.hex(),
        "id": proof.id.hex(),
    }


def _refuse(name: str, one: Record, other: Record) -> Case:
    return {
        "name": name,
        "verdict": "refuse",
        "rule": "ADMISSION-13",
        "one": one.data.hex(),
        "other": other.data.hex(),
    }
