"""What would make a machine fit does, and nothing smaller would."""

from dataclasses import replace
from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import LEASE_TERM_MS_MAX
from commonfab.protocol.records import Machine, Place, Stock
from commonfab.scheduler import reference
from commonfab.scheduler.constraints import BLOCKING, Constraint
from commonfab.scheduler.problem import Want
from commonfab.scheduler.reference import Known
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explain import explain
from commonfab.scheduler.why.explanation import Change, Verdict
from tests.scheduler.worlds import (
    BERLIN,
    DAY_MS,
    HAMBURG,
    HOUR_MS,
    LASER,
    NOON,
    PLYWOOD,
    a_capacity,
    a_machine,
    a_part,
    a_town,
    a_view,
    a_workshop,
    node,
    wants_of,
)

BOB = node("bob")


class Asked:
    """A job, a machine and a buyer, all of which may change."""

    def __init__(self, known: Known, machine: Machine, want: Want, weights: Weights) -> None:
        self.known, self.machine, self.want, self.weights = known, machine, want, weights
        self.now = NOON

    def fits(self) -> bool:
        return not self.verdict() & BLOCKING

    def verdict(self) -> Constraint:
        capacity = structs.replace(self.known.capacity, machines=(self.machine,))
        known = replace(self.known, capacity=capacity)
        (pair,) = reference.evaluate([known], self.want, self.now, self.weights)
        return Constraint(pair.verdict)

    def change(self, change: Change, *, less: int = 0) -> None:
        """Change the one fact, by one unit less than it is said if so told."""
        getattr(self, f"_{change.constraint}")(change, less)

    def _volume(self, change: Change, less: int) -> None:
        sides = list(change.numbers)
        # Take the unit back on a side that the machine sets.
        given = sorted(self.machine.volume_um)
        sides[next(i for i, side in enumerate(sides) if side == given[i])] += less
        self._part(bbox_um=tuple(sides))

    def _material(self, change: Change, less: int) -> None:
        mass_mg = change.numbers[0] - less
        more = Stock(material=change.name, mass_mg=mass_mg, price_minor_per_kg=1)
        self._machine(stock=(*self.machine.stock, more))

    def _stock(self, change: Change, less: int) -> None:
        self._material(change, less)

    def _takes_jobs(self, change: Change, less: int) -> None:
        self._machine(takes_jobs=True)

    def _currency(self, change: Change, less: int) -> None:
        self.weights = replace(self.weights, currency=change.name)

    def _nozzle(self, change: Change, less: int) -> None:
        self._machine(nozzle_um=change.numbers[0] + less)

    def _tolerance(self, change: Change, less: int) -> None:
        self._part(tolerance_um=change.numbers[0] - less)

    def _hours(self, change: Change, less: int) -> None:
        assert self.now <= change.numbers[0] < change.numbers[1]
        self._machine(hours=(), attended=())

    def _licence(self, change: Change, less: int) -> None:
        self._machine(licences=(*self.machine.licences, change.name))

    def _makes_for(self, change: Change, less: int) -> None:
        self.known = replace(self.known, tier=0)

    def _trust(self, change: Change, less: int) -> None:
        self.weights = replace(self.weights, trust_floor=(change.numbers[0] + less) / 1e6)

    def _distance(self, change: Change, less: int) -> None:
        self.weights = replace(self.weights, distance_max_km=_km(change.numbers[0] - less))

    def _horizon(self, change: Change, less: int) -> None:
        self.now = Timestamp(change.numbers[0] - less)
        capacity = structs.replace(self.known.capacity, until=self.now + HOUR_MS)
        self.known = replace(self.known, capacity=capacity)

    def _capacity(self, change: Change, less: int) -> None:
        capacity = structs.replace(self.known.capacity, until=NOON + HOUR_MS)
        self.known = replace(self.known, capacity=capacity)

    def _deadline(self, change: Change, less: int) -> None:
        self.want = Want(
            self.want.part, self.want.pieces, self.want.place, change.numbers[0] - less
        )

    def _part(self, **changes: Any) -> None:
        """Any: the fields of `Part`."""
        part = structs.replace(self.want.part, **changes)
        self.want = Want(part, self.want.pieces, self.want.place, self.want.by)

    def _machine(self, **changes: Any) -> None:
        """Any: the fields of `Machine`."""
        self.machine = structs.replace(self.machine, **changes)


def _km(metres: int) -> float:
    """Return kilometres that are no less when they are metres again."""
    km = metres / 1000
    return km if km * 1000 >= metres else nextafter(km, inf)


def cases(town: list[Known], want: Want, weights: Weights) -> list[tuple[Verdict, Asked]]:
    said = explain(a_view(town).snapshot(), want, NOON, weights)
    machines = {
        (known.author.hex(), machine.id): (known, machine)
        for known in town
        for machine in known.capacity.machines
    }
    return [
        (verdict, Asked(*machines[verdict.owner, verdict.machine], want, weights))
        for verdict in (*said.best, *said.others)
    ]


@pytest.mark.rule("SCHED-17")
@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_the_changes_of_a_machine_make_it_fit_and_no_fewer_of_them_do(seed: int) -> None:
    want = wants_of(1, seed, dated=0.7)[0]

    weights = Weights(trust_floor=seed % 7 / 10, distance_max_km=seed % 5 * 500.0)
    for verdict, asked in cases(a_town(8, seed), want, weights):
        assert asked.fits() == (not verdict.obstacles)
        for change in verdict.changes:
            assert not asked.fits()
            asked.change(change)
        assert asked.fits() == (bool(verdict.changes) or not verdict.obstacles)


class Setting:
    """What a case is about; the rest is a machine that fits."""

    def __init__(
        self,
        machine: dict[str, Any] | None = None,
        part: dict[str, Any] | None = None,
        *,
        pieces: int = 1,
        by: int = 0,
        place: Place = BERLIN,
        **weights: Any,
    ) -> None:
        """Any: the fields of `Machine`, `Part` and `Weights`."""
        self._want = Want(a_part(**part or {}), pieces, place, by)
        self._known = Known(BOB, a_capacity(a_machine(**machine or {})), a_workshop(), 0.4321, 1)
        self._weights = Weights(**weights)

    def told(self) -> Verdict:
        return self._case()[0]

    def asked(self) -> Asked:
        return self._case()[1]

    def _case(self) -> tuple[Verdict, Asked]:
        return cases([self._known], self._want, self._weights)[0]


PLYWOOD_ALONE = (Stock(material=PLYWOOD, mass_mg=1, price_minor_per_kg=1),)
MEASURED = {
    "volume": Setting({"volume_um": (100_000, 300_000, 50_000)}),
    "material": Setting({"stock": PLYWOOD_ALONE}),
    "stock": Setting(pieces=21),
    "horizon": Setting({"free_at": NOON + LEASE_TERM_MS_MAX}),
    "deadline": Setting(by=NOON + HOUR_MS),
    "nozzle": Setting({"nozzle_um": 600}, {"nozzle_um": 400}),
    "tolerance": Setting({"tolerance_um": 300}, {"tolerance_um": 200}),
    "trust": Setting(trust_floor=0.5),
    "distance": Setting(place=HAMBURG, distance_max_km=200.0),
}
LISTED = {
    "hours": Setting({"hours": ((0, 30),), "attended": ((0, 30),)}),
    "licence": Setting({"licences": ("CC0-1.0",)}, {"licence": "CERN-OHL-S-2.0"}),
    "makes_for": Setting({"makes_for": "known"}),
    "takes_jobs": Setting({"takes_jobs": False}),
}


@pytest.mark.rule("SCHED-17")
@pytest.mark.parametrize("constraint", MEASURED)
def test_one_unit_less_of_a_change_is_not_enough(constraint: str) -> None:
    setting = MEASURED[constraint]
    (change,) = setting.told().changes
    enough, less = setting.asked(), setting.asked()

    enough.change(change)
    less.change(change, less=1)

    assert change.constraint == constraint
    assert enough.fits()
    assert not less.fits()


@pytest.mark.rule("SCHED-17")
@pytest.mark.parametrize("constraint", LISTED)
def test_what_has_no_measure_is_changed_as_a_whole(constraint: str) -> None:
    (change,) = LISTED[constraint].told().changes
    asked = LISTED[constraint].asked()

    asked.change(change)

    assert change.constraint == constraint
    assert asked.fits()


SENTENCES = {
    "volume": "make it no larger than 120 x 80 x 50 mm",
    "material": "load 50 g of PLA",
    "stock": "load 50 g more of PLA",
    "horizon": "ask again in 1 h 07 min",
    "deadline": "give it 2 h 07 min more",
    "nozzle": "mount a nozzle or tool of 0.4 mm",
    "tolerance": "allow it to be off by 0.3 mm",
    "trust": "allow standing 0.43",
    "distance": "allow 256 km",
    "hours": "be open and attended for 1 h 07 min at a time",
    "licence": "make designs under CERN-OHL-S-2.0 too",
    "makes_for": "get to know its owner",
    "takes_jobs": "let it take jobs",
}


@pytest.mark.parametrize("constraint", SENTENCES)
def test_a_change_is_said_so_that_what_is_said_is_enough(constraint: str) -> None:
    (change,) = (MEASURED | LISTED)[constraint].told().changes

    assert change.sentence == SENTENCES[constraint]


def test_every_constraint_has_a_sentence_and_is_tried_here() -> None:
    hopeless = {"process", "temperature"}
    apart = {"capacity", "currency"}

    assert {name_of(each) for each in BLOCKING} == {*SENTENCES, *hopeless, *apart}


def name_of(constraint: Constraint) -> str:
    assert constraint.name
    return constraint.name.lower()


@pytest.mark.rule("SCHED-17")
@pytest.mark.parametrize(
    "setting",
    [
        Setting({"process": LASER}),
        Setting({"process": LASER, "stock": ()}),
        Setting({"temperature_c": 240}, {"temperature_c": 300}),
        Setting({"setup_seconds": LEASE_TERM_MS_MAX // 1000}),
        Setting({"licences": ("CC0-1.0",)}, {"licence": "MIT AND CERN-OHL-S-2.0"}),
    ],
    ids=[
        "another process",
        "another process and no material",
        "too cold",
        "a window beyond all promises",
        "two licences at once",
    ],
)
def test_where_no_single_change_would_help_none_is_told(setting: Setting) -> None:
    assert setting.told().obstacles
    assert setting.told().changes == ()


def test_a_machine_that_lacks_several_things_hears_of_each() -> None:
    told = Setting({"stock": (), "takes_jobs": False}, by=NOON + HOUR_MS).told()

    assert [change.constraint for change in told.changes] == ["material", "takes_jobs", "deadline"]


def test_a_workshop_that_fell_silent_or_is_paid_otherwise_hears_what_to_change() -> None:
    known = Known(
        BOB, a_capacity(a_machine(), until=NOON - DAY_MS, currency="CHF"), a_workshop(), 0.5
    )
    verdict, asked = cases([known], Want(a_part(), 1, BERLIN), Weights())[0]

    for change in verdict.changes:
        asked.change(change)

    assert [change.sentence for change in verdict.changes] == [
        "hear from its workshop again",
        "pay in CHF",
    ]
    assert asked.fits()
