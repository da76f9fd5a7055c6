"""The view holds the newest word of each workshop, and nothing else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Capacity, Stock, Workshop
from commonfab.scheduler.columns import Names
from commonfab.scheduler.stock import stock_of
from commonfab.scheduler.view import STANDING, CapacityView, Snapshot
from tests.scheduler.worlds import (
    BERLIN,
    HAMBURG,
    LASER,
    NOON,
    PETG,
    PLA,
    PRINTING,
    a_capacity,
    a_machine,
    a_workshop,
    node,
)

ALICE, BOB, CAROL = node("alice"), node("bob"), node("carol")


def told(snapshot: Snapshot) -> dict[tuple[NodeId, str], tuple[Any, ...]]:
    """Return all that a snapshot says of each machine; Any: columns of all types."""
    machines = snapshot.machines
    stock: dict[int, list[tuple[str, float, float]]] = {}
    for material in (PLA, PETG, "ABS"):
        found = snapshot.stocks_of(material)
        for row, mass_mg, price in zip(found.machine, found.mass_mg, found.price, strict=True):
            stock.setdefault(int(row), []).append((material, float(mass_mg), float(price)))
    assert set(stock) <= set(snapshot.rows().tolist())
    return {
        (snapshot.authors[row], snapshot.ids[row]): (
            bool(machines.takes_jobs[row]),
            bool(machines.placed[row]),
            snapshot.processes.name(int(machines.process[row])),
            snapshot.currencies.name(int(machines.currency[row])),
            *(float(column[row]) for column in (machines.small, machines.middle, machines.large)),
            *(float(column[row]) for column in (machines.speed, machines.free_at, machines.until)),
            *(float(column[row]) for column in (machines.x, machines.y, machines.z)),
            float(machines.standing[row]),
            tuple(snapshot.materials_at(row)),
            tuple(stock.get(row, [])),
        )
        for row in snapshot.rows().tolist()
    }


def a_spool(material: str) -> tuple[Stock]:
    return (Stock(material=material, mass_mg=1_000, price_minor_per_kg=2_000),)


def test_a_workshop_that_speaks_again_replaces_all_its_machines() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(id="old"), a_machine(id="both")))

    view.update_capacity(ALICE, a_capacity(a_machine(id="both", process=LASER)))

    assert len(view) == 1
    assert list(told(view.snapshot())) == [(ALICE, "both")]
    assert told(view.snapshot())[ALICE, "both"][2] == LASER


def test_the_sides_of_a_build_volume_are_kept_by_size() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(volume_um=(3, 1, 2))))

    machines = view.snapshot().machines

    assert (machines.small[0], machines.middle[0], machines.large[0]) == (1.0, 2.0, 3.0)


def test_of_two_machines_with_one_id_the_first_counts() -> None:
    view = CapacityView()

    view.update_capacity(ALICE, a_capacity(a_machine(power_w=1), a_machine(power_w=2)))

    assert len(view) == 1
    assert view.snapshot().machines.power[0] == 1.0


@pytest.mark.rule("SCHED-7")
def test_two_spools_of_a_material_count_together_at_the_higher_price() -> None:
    spools = (
        Stock(material=PLA, mass_mg=100, price_minor_per_kg=20),
        Stock(material=PETG, mass_mg=5, price_minor_per_kg=7),
        Stock(material=PLA, mass_mg=30, price_minor_per_kg=25),
    )

    assert stock_of(a_machine(stock=spools)) == {PLA: (130, 25), PETG: (5, 7)}


def test_a_place_that_comes_late_holds_for_machines_that_are_known() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine()))
    assert not view.snapshot().machines.placed[0]

    view.update_workshop(ALICE, a_workshop(BERLIN))

    assert view.snapshot().machines.placed[0]
    assert view.snapshot().workshop(0) == "Motion Lab"


def test_a_standing_is_asked_for_once_and_can_be_set() -> None:
    asked: list[NodeId] = []

    def standing(author: NodeId) -> float:
        asked.append(author)
        return 0.25

    view = CapacityView(standing)
    view.update_capacity(ALICE, a_capacity(a_machine()))
    view.update_capacity(ALICE, a_capacity(a_machine()))
    first = float(view.snapshot().machines.standing[0])
    view.set_standing(ALICE, 0.75)

    assert asked == [ALICE]
    assert first == 0.25
    assert float(view.snapshot().machines.standing[0]) == 0.75


def test_a_workshop_that_is_forgotten_leaves_nothing() -> None:
    view = CapacityView()
    view.update_workshop(ALICE, a_workshop())
    view.update_capacity(ALICE, a_capacity(a_machine()))

    view.forget(ALICE)
    view.forget(BOB)

    snapshot = view.snapshot()
    assert len(view) == len(snapshot.rows()) == len(snapshot.owners) == 0
    assert len(snapshot.processes) == len(snapshot.materials) == len(snapshot.currencies) == 0


@pytest.mark.rule("SCHED-15")
def test_machines_leave_when_their_capacity_record_expires() -> None:
    view = CapacityView()
    view.update_workshop(ALICE, a_workshop(until=NOON + 9))
    view.update_capacity(ALICE, a_capacity(a_machine(), until=NOON + 5))
    view.update_capacity(BOB, a_capacity(a_machine(), until=0))

    assert view.expire(Timestamp(NOON + 4)) == []
    assert view.expire(Timestamp(NOON + 5)) == [ALICE]
    assert set(told(view.snapshot())) == {(BOB, "mk3")}
    assert view.snapshot().owners[ALICE].place is not None
    assert view.expire(Timestamp(NOON + 9)) == []
    assert set(view.snapshot().owners) == {BOB}


def test_a_place_that_expires_is_unknown_again() -> None:
    view = CapacityView()
    view.update_workshop(ALICE, a_workshop(until=NOON + 1))
    view.update_capacity(ALICE, a_capacity(a_machine()))

    view.expire(Timestamp(NOON + 1))

    assert len(view) == 1
    assert not view.snapshot().machines.placed[0]


def test_a_snapshot_does_not_change_with_the_view() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(free_at=NOON)))
    snapshot = view.snapshot()
    before = told(snapshot)

    view.update_capacity(ALICE, a_capacity(a_machine(process=LASER, id="other")))
    view.update_workshop(ALICE, a_workshop())
    view.set_standing(ALICE, 1.0)
    view.forget(ALICE)
    view.update_capacity(BOB, a_capacity(a_machine(process="cnc-milling", stock=a_spool(PETG))))

    assert told(snapshot) == before
    with pytest.raises(ValueError, match="read-only"):
        snapshot.machines.free_at[0] = 1.0


def test_an_unchanged_view_gives_the_same_arrays_again() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine()))

    one, other = view.snapshot(), view.snapshot()

    assert np.shares_memory(one.machines.free_at, other.machines.free_at)


def test_a_snapshot_that_nobody_holds_any_more_is_not_copied() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(free_at=1)))
    column = view.snapshot().machines.free_at

    view.update_capacity(ALICE, a_capacity(a_machine(free_at=2)))

    assert np.shares_memory(column, view.snapshot().machines.free_at)


def test_a_part_of_a_snapshot_is_held_like_the_whole() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(free_at=1)))
    view.update_capacity(BOB, a_capacity(a_machine()))
    part = view.snapshot().without([BOB])

    view.update_capacity(ALICE, a_capacity(a_machine(free_at=2)))

    assert part.machines.free_at[0] == 1.0
    assert view.snapshot().machines.free_at[0] == 2.0


def test_a_machine_and_its_stock_keep_their_rows_from_record_to_record() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine(id="a"), a_machine(id="b")))
    before = rows_of(view.snapshot())

    view.update_capacity(ALICE, a_capacity(a_machine(id="b"), a_machine(id="c")))

    after = rows_of(view.snapshot())
    assert after["b"] == before["b"]
    assert after["c"][0] == before["a"][0]


def rows_of(snapshot: Snapshot) -> dict[str, tuple[int, list[int]]]:
    rows: list[int] = snapshot.rows().tolist()
    return {snapshot.ids[row]: (row, snapshot.stock_rows(row)) for row in rows}


def test_a_snapshot_without_some_authors_lacks_their_machines_only() -> None:
    view = CapacityView()
    for author in (ALICE, BOB):
        view.update_capacity(author, a_capacity(a_machine()))
    snapshot = view.snapshot()

    assert set(told(snapshot.without([ALICE, CAROL]))) == {(BOB, "mk3")}
    assert len(snapshot.rows()) == 2


def test_a_workshop_without_place_and_machines_is_not_kept() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity())

    view.expire(NOON)

    assert not view.snapshot().owners


def test_a_name_that_nobody_uses_gives_its_code_back() -> None:
    names = Names()
    first = names.take(PLA)
    names.take(PLA)
    names.give_back(first)
    assert names.find(PLA) == first

    names.give_back(first)

    assert names.find(PLA) == -1
    assert names.take(PETG) == first


def test_a_workshop_that_speaks_a_thousand_times_takes_no_more_room() -> None:
    view = CapacityView()
    view.update_capacity(ALICE, a_capacity(a_machine()))
    before = view.bytes()

    for number in range(1_000):
        material = str(number)
        view.update_capacity(ALICE, a_capacity(a_machine(id=material, stock=a_spool(material))))

    snapshot = view.snapshot()
    assert view.bytes() == before
    assert len(snapshot.ids) == len(snapshot.materials) == len(snapshot.stocks.machine) == 1


def test_a_hundred_thousand_machines_would_fit_in_sixty_megabytes() -> None:
    view = CapacityView()
    for workshop in range(500):
        machines = (a_machine(id=str(number)) for number in range(4))
        view.update_capacity(node(str(workshop)), a_capacity(*machines))

    assert view.bytes() / len(view) < 600


class ViewAgainstDicts(RuleBasedStateMachine):
    """A view that went through anything equals one that heard only the newest word."""

    def __init__(self) -> None:
        super().__init__()
        self.view = CapacityView()
        self.capacities: dict[NodeId, Capacity] = {}
        self.workshops: dict[NodeId, Workshop] = {}
        self.standing: dict[NodeId, float] = {}

    authors = st.sampled_from([ALICE, BOB, CAROL])
    machines = st.lists(
        st.builds(
            a_machine,
            id=st.sampled_from("abcd"),
            process=st.sampled_from([PRINTING, LASER]),
            stock=st.lists(
                st.builds(
                    Stock,
                    material=st.sampled_from([PLA, PETG, "ABS"]),
                    mass_mg=st.integers(0, 9),
                    price_minor_per_kg=st.integers(0, 9),
                ),
                max_size=3,
            ).map(tuple),
        ),
        max_size=5,
    )

    @rule(author=authors, machines=machines, term=st.integers(0, 3))
    def speak(self, author: NodeId, machines: list[Any], term: int) -> None:
        capacity = a_capacity(*machines, until=NOON + term)
        self.view.update_capacity(author, capacity)
        self.capacities[author] = capacity

    @rule(author=authors, place=st.sampled_from([BERLIN, HAMBURG]))
    def settle(self, author: NodeId, place: Any) -> None:
        self.view.update_workshop(author, a_workshop(place))
        self.workshops[author] = a_workshop(place)

    @rule(author=authors, standing=st.sampled_from([0.0, 0.5, 1.0]))
    def trust(self, author: NodeId, standing: float) -> None:
        self.view.set_standing(author, standing)
        self.standing[author] = standing

    @rule(author=authors)
    def forget(self, author: NodeId) -> None:
        self.view.forget(author)
        for known in (self.capacities, self.workshops, self.standing):
            known.pop(author, None)

    @rule(later=st.integers(0, 3))
    def expire(self, later: int) -> None:
        late = {a for a, capacity in self.capacities.items() if capacity.until <= NOON + later}
        gone = self.view.expire(Timestamp(NOON + later))
        assert set(gone) == {a for a in late if self.capacities[a].machines}
        for author in late:
            del self.capacities[author]
        for author in (ALICE, BOB, CAROL):
            heard = self.capacities.get(author)
            if author not in self.workshops and not (heard and heard.machines):
                self.standing.pop(author, None)

    @invariant()
    def equals_a_view_that_heard_only_the_newest(self) -> None:
        fresh = CapacityView(lambda author: self.standing.get(author, STANDING))
        for author, workshop in self.workshops.items():
            fresh.update_workshop(author, workshop)
        for author, capacity in self.capacities.items():
            fresh.update_capacity(author, capacity)
        assert told(self.view.snapshot()) == told(fresh.snapshot())
        assert len(self.view) == len(fresh)


TestViewAgainstDicts = ViewAgainstDicts.TestCase
TestViewAgainstDicts.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
