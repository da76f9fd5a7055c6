"""When a capacity record is worth telling again."""

from typing import Any

import pytest
from msgspec import structs

from commonfab.protocol.gossip.news import FREE_MOVED_MS, is_news
from commonfab.protocol.records import Capacity, Machine, Stock
from tests.builders import a_capacity, a_machine, body_of

PLA = Stock(material="PLA", mass_mg=1_000_000, price_minor_per_kg=2000)


def capacity(later_ms: int = 0, **changes: Any) -> Capacity:
    body = body_of(a_capacity(machines=(a_machine(stock=(PLA,), **changes),)), Capacity)
    return structs.replace(body, at=body.at + later_ms)


def machine(seen: Capacity) -> Machine:
    return seen.machines[0]


SAID = capacity()
NOW = SAID.at


@pytest.mark.rule("GOSSIP-13")
@pytest.mark.parametrize(
    "changes",
    [
        {"id": "another"},
        {"takes_jobs": not machine(SAID).takes_jobs},
        {"price_minor_per_hour": machine(SAID).price_minor_per_hour + 1},
        {"volume_um": (1, 1, 1)},
        {"stock": ()},
        {"stock": (structs.replace(PLA, mass_mg=0),)},
        {"stock": (structs.replace(PLA, mass_mg=899_999),)},
        {"stock": (structs.replace(PLA, price_minor_per_kg=1),)},
        {"free_at": NOW + FREE_MOVED_MS + 1},
    ],
    ids=str,
)
def test_what_matters_is_news(changes: dict[str, Any]) -> None:
    body = structs.replace(SAID, machines=(structs.replace(machine(SAID), **changes),))

    assert is_news(SAID, body)


@pytest.mark.rule("GOSSIP-13")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stock": (structs.replace(PLA, mass_mg=901_000),)},
        {"free_at": NOW + FREE_MOVED_MS},
        {"free_at": NOW - 1_000_000},
    ],
    ids=str,
)
def test_what_shifts_a_little_waits(changes: dict[str, Any]) -> None:
    said = structs.replace(SAID, machines=(structs.replace(machine(SAID), free_at=NOW),))
    body = structs.replace(said, machines=(structs.replace(machine(said), **changes),))

    assert not is_news(said, body)


def test_a_minute_of_a_day_is_no_news_and_an_hour_of_it_is_little() -> None:
    day_ms = 86_400_000
    said, minutes, hours = (
        capacity(free_at=NOW + day_ms + more) for more in (0, 600_000, 3 * 3_600_000)
    )

    assert not is_news(said, minutes)
    assert is_news(said, hours)


def test_a_machine_that_stays_free_says_nothing_by_it() -> None:
    assert not is_news(capacity(free_at=NOW), capacity(later_ms=600_000, free_at=NOW + 600_000))


def test_a_machine_that_came_or_went_is_news() -> None:
    none = structs.replace(SAID, machines=())

    assert is_news(none, SAID)
    assert is_news(SAID, none)
