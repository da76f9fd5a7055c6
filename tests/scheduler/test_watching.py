"""When a buyer is told of a better machine for a job that has not begun."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Design, Job, Order, Stock
from commonfab.scheduler.view import CapacityView
from commonfab.scheduler.watching import AGE_MS_MAX, Watch, Watched, changed_rows
from commonfab.scheduler.weights import Weights
from tests.scheduler.test_offers import an_id, an_offer
from tests.scheduler.tiles.towns import Town
from tests.scheduler.worlds import (
    BERLIN,
    HOUR_MS,
    NOON,
    PLA,
    a_capacity,
    a_machine,
    a_part,
    a_workshop,
    node,
)

UNTIL = NOON + 2 * AGE_MS_MAX
BOB, CAROL = node("bob"), node("carol")
DESIGN = Design(
    stream="design",
    seq=1,
    at=NOON,
    name="lamp",
    version="1",
    licence="CC0-1.0",
    licensor="everybody",
    function="shines",
    root=b"\x01\x55\x12\x20" + bytes(32),
    manifest="okh.toml",
    parts=(a_part(),),
    size_bytes=1,
)
ORDER = Order(
    stream="order",
    seq=1,
    at=NOON,
    order=bytes(16),
    design=bytes(32),
    quantity=1,
    place=BERLIN,
    jobs=(Job(part=a_part().name, pieces=1),),
    grace_ms=60_000,
)
WAITS = Watched(ORDER, DESIGN, 0, 1)
LEASED = Watched(ORDER, DESIGN, 0, 1, (BOB, an_id(1), an_offer()))
"""At Bob's, for an hour and 500 minor units."""


class Buyer:
    """Knows what it was told, and looks."""

    def __init__(self) -> None:
        self.view = CapacityView()
        self.watch = Watch(lambda _: Weights())

    def told(self, owner: NodeId, **changes: Any) -> None:
        self.view.update_workshop(owner, a_workshop())
        self.view.update_capacity(owner, a_capacity(a_machine(**changes), until=UNTIL))

    def looks(self, job: Watched, after_ms: int = 0) -> list[Watched]:
        return self.watch.found(self.view.snapshot(), [job], Timestamp(NOON + after_ms))


@pytest.fixture
def buyer() -> Buyer:
    """Alice, who knows a machine of Carol's that is dear."""
    alice = Buyer()
    alice.told(CAROL, price_minor_per_hour=3_000)
    return alice


@pytest.mark.rule("SCHED-30")
def test_a_machine_that_has_become_much_cheaper_is_found(buyer: Buyer) -> None:
    assert buyer.looks(LEASED) == []

    buyer.told(CAROL, price_minor_per_hour=1)

    assert buyer.looks(LEASED) == [LEASED]


@pytest.mark.rule("SCHED-30")
def test_a_machine_that_was_known_when_the_job_was_leased_is_not_found(buyer: Buyer) -> None:
    buyer.told(CAROL, price_minor_per_hour=1)

    assert buyer.looks(LEASED) == []
    assert buyer.looks(LEASED, AGE_MS_MAX + 1) == []


@pytest.mark.rule("SCHED-30")
def test_what_was_found_is_not_found_again(buyer: Buyer) -> None:
    buyer.looks(LEASED)
    buyer.told(CAROL, price_minor_per_hour=1)
    buyer.looks(LEASED)

    assert buyer.looks(LEASED) == []
    assert buyer.looks(LEASED, AGE_MS_MAX + 1) == []


@pytest.mark.rule("SCHED-30")
def test_a_machine_that_is_cheaper_than_it_was_and_dearer_than_the_lease_is_not_found(
    buyer: Buyer,
) -> None:
    buyer.looks(LEASED)

    buyer.told(CAROL, price_minor_per_hour=2_000)

    assert buyer.looks(LEASED) == []


@pytest.mark.rule("SCHED-30")
def test_a_machine_that_becomes_better_bit_by_bit_is_found_in_the_end(buyer: Buyer) -> None:
    found: list[Watched] = []
    for price in range(3_000, 1_000, -50):
        buyer.told(CAROL, price_minor_per_hour=price)
        found += buyer.looks(LEASED)

    assert LEASED in found


@pytest.mark.rule("SCHED-30")
def test_a_machine_whose_material_became_cheaper_is_found(buyer: Buyer) -> None:
    cheap = Stock(material=PLA, mass_mg=1_000_000, price_minor_per_kg=1)
    buyer.told(CAROL, stock=(structs.replace(cheap, price_minor_per_kg=90_000),))
    buyer.looks(LEASED)

    buyer.told(CAROL, stock=(cheap,))

    assert buyer.looks(LEASED) == [LEASED]


@pytest.mark.rule("SCHED-30")
def test_an_owner_is_no_better_than_itself(buyer: Buyer) -> None:
    buyer.looks(LEASED)

    buyer.told(BOB, price_minor_per_hour=1)

    assert buyer.looks(LEASED) == []


@pytest.mark.rule("SCHED-30")
def test_any_machine_that_comes_is_found_for_a_job_that_has_none() -> None:
    alice = Buyer()
    assert alice.looks(WAITS) == []

    alice.told(CAROL)

    assert alice.looks(WAITS) == [WAITS]


def test_a_ranking_that_is_old_is_made_anew_and_forgets_nothing(buyer: Buyer) -> None:
    buyer.looks(LEASED)
    buyer.told(CAROL, price_minor_per_hour=1, free_at=NOON + 2 * HOUR_MS)

    assert buyer.looks(LEASED, AGE_MS_MAX + 1) == [LEASED]


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_machine_that_changed_is_among_the_changed_rows(seed: int) -> None:
    town = Town(12, seed)
    before = town.view.snapshot()
    machines, stocks = before.machines.copy(), before.stocks.copy()
    for _ in range(3):
        town.change()
    after = town.view.snapshot()

    rows = set(changed_rows(before, after))

    same = set(range(len(after.machines.live))) - rows
    for row in same:
        for name, column in machines.columns().items():
            assert column[row] == after.machines.columns()[name][row]
        held = [np.flatnonzero(each.machine == row) for each in (stocks, after.stocks)]
        assert held[0].tolist() == held[1].tolist()
    assert same or len(rows) == len(after.machines.live)
