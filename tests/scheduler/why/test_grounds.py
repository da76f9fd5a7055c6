"""An explanation is made anew from its records, word for word, and a changed one is found out."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Capacity, Design, Order, Record, Workshop, sign
from commonfab.scheduler.problem import Want
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explain import OTHERS_MAX, explain
from commonfab.scheduler.why.explanation import Explanation
from commonfab.scheduler.why.grounds import Grounds, basis, check, names
from tests.builders import a_capacity, a_design, a_machine, a_workshop, an_order, body_of
from tests.protocol.signers import ALICE, BOB, CAROL
from tests.scheduler.worlds import NOON, a_town, wants_of

WEIGHTS = Weights(waiting_minor_per_hour=7.3)


class Town:
    """Signed records of a few workshops, and an explanation of a job there."""

    def __init__(self, *capacities: Record, workshops: tuple[Record, ...] = ()) -> None:
        self.design = a_design(ALICE)
        self.order = an_order(self.design, jobs=(4, 2))
        self.view = CapacityView()
        self.newest: dict[tuple[NodeId, str], Record] = {}
        for record in workshops:
            self.newest[record.author, "workshop"] = record
            self.view.update_workshop(record.author, body_of(record, Workshop))
        for record in capacities:
            self.newest[record.author, "capacity"] = record
            self.view.update_capacity(record.author, body_of(record, Capacity))
            self.view.set_standing(record.author, 1 / 3, tier=1)

    def told(self, job: int = 0) -> Explanation:
        design, order = body_of(self.design, Design), body_of(self.order, Order)
        want = Want(design.parts[0], order.jobs[job].pieces, order.place, order.by)
        view = self.view.snapshot()
        said = explain(view, want, NOON, WEIGHTS, job=job)
        found = basis(said, self.order, view, lambda author, kind: self.newest.get((author, kind)))
        return structs.replace(said, basis=found)

    def grounds(self, *told: Explanation) -> Grounds:
        known = {r.id: r for r in (self.design, self.order, *self.newest.values())}
        wanted = dict.fromkeys(name for each in told if each.basis for name in names(each.basis))
        return Grounds(told, tuple(known[name].data for name in wanted))


def a_small_town() -> Town:
    return Town(
        a_capacity(BOB, machines=(a_machine(), a_machine(id="mk4", stock=()))),
        a_capacity(CAROL, machines=(a_machine(price_minor_per_hour=333),)),
        workshops=(a_workshop(BOB),),
    )


@pytest.mark.rule("SCHED-18")
def test_an_explanation_is_had_anew_from_the_records_that_it_names() -> None:
    town = a_small_town()
    grounds = town.grounds(town.told(0), town.told(1))

    findings = check(grounds)

    assert [(found.job, found.machines, found.counted, found.fault) for found in findings] == [
        (0, 3, 0, ""),
        (1, 3, 0, ""),
    ]


@pytest.mark.rule("SCHED-18")
def test_it_is_the_same_after_a_way_through_json() -> None:
    town = a_small_town()
    grounds = town.grounds(town.told())

    again = msgspec.json.decode(msgspec.json.encode(grounds), type=Grounds)

    assert again == grounds
    assert check(again)[0].fault == ""


def test_of_many_machines_those_that_are_told_are_made_anew() -> None:
    machines = tuple(a_machine(id=f"m{n}") for n in range(150))
    town = Town(a_capacity(BOB, machines=machines), a_capacity(CAROL, machines=machines))

    (found,) = check(town.grounds(town.told()))

    assert (found.fault, found.machines, found.counted) == ("", OTHERS_MAX + 5, 95)


def _first(told: Explanation, **changes: Any) -> Explanation:
    """Any: the fields of `Verdict`."""
    return structs.replace(told, best=(structs.replace(told.best[0], **changes), *told.best[1:]))


LIES: dict[str, Callable[[Explanation], Explanation]] = {
    "a cost": lambda told: _first(told, milliminor=told.best[0].milliminor - 1),
    "a word": lambda told: _first(told, note="costs nothing"),
    "an order of machines": lambda told: structs.replace(told, best=told.best[::-1]),
    "a machine withheld": lambda told: structs.replace(told, best=told.best[1:]),
    "a count": lambda told: structs.replace(told, fitting=told.fitting + 1),
    "other weights": lambda told: structs.replace(told, weights=Weights()),
    "another time": lambda told: structs.replace(told, at=told.at + 1),
    "more pieces than were ordered": lambda told: structs.replace(told, pieces=5),
    "fewer pieces": lambda told: structs.replace(told, pieces=3),
    "another job": lambda told: structs.replace(told, job=1),
    "a job that is none": lambda told: structs.replace(told, job=2),
    "another part": lambda told: structs.replace(told, part="hinge"),
    "nothing to rest on": lambda told: structs.replace(told, basis=None),
}


@pytest.mark.rule("SCHED-18")
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_is_found_out(lie: Callable[[Explanation], Explanation]) -> None:
    town = a_small_town()
    told = town.told()
    grounds = structs.replace(town.grounds(told), jobs=(lie(told),))

    (found,) = check(grounds)

    assert found.fault


def test_trust_that_was_said_otherwise_is_found_out() -> None:
    town = a_small_town()
    told = town.told()
    assert told.basis is not None
    source = structs.replace(told.basis.sources[0], standing=1.0)
    other = structs.replace(told.basis, sources=(source, *told.basis.sources[1:]))

    (found,) = check(town.grounds(structs.replace(told, basis=other)))

    assert "not what follows from its records" in found.fault


def test_a_record_that_is_missing_is_named() -> None:
    town = a_small_town()
    grounds = town.grounds(town.told())

    (found,) = check(structs.replace(grounds, records=grounds.records[:-1]))

    assert "which is not in it" in found.fault


def test_a_record_that_nobody_signed_is_refused() -> None:
    town = a_small_town()
    grounds = town.grounds(town.told())
    signature = slice(37, 101)  # specs/envelope.md
    forged = bytearray(grounds.records[0])
    forged[signature] = bytes(64)

    (found,) = check(structs.replace(grounds, records=(bytes(forged), *grounds.records[1:])))

    assert found.fault.startswith("a record in it is not to be believed: order")
    assert "was not signed by" in found.fault


def test_a_place_that_had_expired_for_the_buyer_is_not_used_again() -> None:
    town = Town(a_capacity(BOB), workshops=(a_workshop(BOB, until=NOON - 1),))
    town.view.expire(NOON)
    told = town.told()

    (found,) = check(town.grounds(told))

    assert told.best[0].distance_m is None
    assert found.fault == ""


def test_a_workshop_cannot_be_given_the_machines_of_another() -> None:
    town = a_small_town()
    told = town.told()
    assert told.basis is not None
    bob, carol = sorted(told.basis.sources, key=lambda source: source.owner != BOB.node.hex())
    swapped = structs.replace(bob, capacity=carol.capacity), carol
    other = structs.replace(told.basis, sources=swapped)

    lie = structs.replace(told, basis=other)
    (found,) = check(structs.replace(town.grounds(told), jobs=(lie,)))

    assert found.fault.endswith("is another workshop's")


@given(st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_any_town_is_had_anew(seed: int) -> None:
    (known,) = a_town(1, seed)
    want = wants_of(1, seed, dated=0.5)[0]
    town = Town(sign(structs.replace(known.capacity, seq=2), BOB), workshops=(a_workshop(BOB),))
    town.design = a_design(ALICE, parts=(want.part,))
    order = body_of(an_order(town.design, jobs=(want.pieces,), place=want.place), Order)
    town.order = sign(structs.replace(order, by=want.by), ALICE)

    (found,) = check(town.grounds(town.told()))

    assert found.fault == ""


HONEST = a_small_town()
FILE: bytes = msgspec.json.encode(HONEST.grounds(HONEST.told()))
NUMBERS = [found.span() for found in re.finditer(rb"-?\d+\.?\d*(?=[,}\]])", FILE)]


@given(
    st.sampled_from(NUMBERS),
    st.integers(-(2**70), 2**70) | st.floats() | st.none() | st.text(max_size=3),
)
def test_no_number_in_a_file_brings_the_check_down(at: tuple[int, int], other: object) -> None:
    changed = FILE[: at[0]] + msgspec.json.encode(other) + FILE[at[1] :]

    try:
        grounds = msgspec.json.decode(changed, type=Grounds)
    except (msgspec.DecodeError, UsageError):
        return
    (found,) = check(grounds)

    assert found.job == grounds.jobs[0].job
