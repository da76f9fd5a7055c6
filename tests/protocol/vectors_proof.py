"""The cases of specs/vectors/proof.json: proofs that two records for one place make."""

from commonfab.protocol.records import Record
from commonfab.protocol.standing import proofs
from tests.builders import NOON, a_capacity, a_design, a_request, a_vouch
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
        _accept("signed at two times", designs[0], a_design(EVE, name="later", **late)),
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
