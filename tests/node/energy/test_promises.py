"""A workshop's owner, with the real fleet: what it promises and begins as its power lets it."""

from typing import Any

import pytest
from msgspec import structs

from commonfab.node import clock
from commonfab.node.energy.energy import Sky
from commonfab.node.energy.settings import Energy
from commonfab.node.home import config
from commonfab.node.library import Library
from commonfab.node.machines.fleet import Fleet
from commonfab.node.machines.settings import Machine, Material
from commonfab.protocol.author import Head
from commonfab.protocol.hours import HOURS_PER_DAY
from commonfab.protocol.ids import Timestamp
from commonfab.protocol.limits import DAY_MS, HOUR_MS, MINUTE_MS
from commonfab.protocol.records import Capacity, Offer, Progress, Record
from commonfab.scheduler.energy.curve import co2e_mg
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import NOON, a_grant, a_part, a_request, an_acceptance, body_of
from tests.protocol.desk import OwnerDesk

MIDNIGHT = Timestamp(NOON - NOON % DAY_MS)
SUNNY = Sky(watts=(0,) * 8 + (1_000,) * 8 + (0,) * 8, kwh_a_year=2_000)


def a_machine(name: str) -> Machine:
    return Machine(
        id=name,
        process="fff-printing",
        volume_mm=(250, 210, 210),
        materials=(Material(material="PLA", grams=1_000),),
        power_w=100,
        peak_w=300,
    )


def bobs(
    energy: Energy, *machines: str | Machine, now: Timestamp = NOON
) -> tuple[Fleet, OwnerDesk]:
    settings = config.Settings(
        workshop=config.Workshop(name="Bob's", lat=52.5, lon=13.4, grid_g_per_kwh=400),
        energy=energy,
        machines=tuple(
            a_machine(each) if isinstance(each, str) else each
            for each in machines or ("a", "b", "c")
        ),
    )
    fleet = Fleet(settings, Library(MemoryRecordStore()))
    fleet.energy.take(SUNNY)
    desk = OwnerDesk(fleet, starts=fleet)
    desk.now = now
    fleet.owner = desk.side
    return fleet, desk


def requests(desk: OwnerDesk, count: int) -> list[Record]:
    head: dict[str, Any] = {"at": desk.now, "until": desk.now + MINUTE_MS}
    return [
        a_request(job=job, pieces=1, seq=job + 1, part=a_part(seconds=3_600), **head)
        for job in range(count)
    ]


def offers(desk: OwnerDesk, count: int) -> list[Record]:
    return [offer for request in requests(desk, count) for offer in desk.take(request)]


def is_ready(lease: Record, said: list[Record]) -> bool:
    asked = (letter.body for letter in said)
    return any(
        isinstance(body, Progress) and body.state == "ready" and body.lease == lease.id
        for body in asked
    )


@pytest.mark.rule("ENERGY-4")
def test_windows_are_promised_one_after_the_other_under_a_cap() -> None:
    _, desk = bobs(Energy(grid_w=500))

    starts = [body_of(offer, Offer).start for offer in offers(desk, 3)]

    heating_ms = 15 * MINUTE_MS
    assert starts == [NOON, NOON + heating_ms, NOON + 2 * heating_ms]


def test_without_a_cap_all_machines_are_promised_at_once() -> None:
    _, desk = bobs(Energy())

    assert [body_of(offer, Offer).start for offer in offers(desk, 3)] == [NOON] * 3


@pytest.mark.rule("ENERGY-6")
def test_leases_are_made_ready_one_after_the_other_under_a_cap() -> None:
    _, desk = bobs(Energy(grid_w=500), "a", "b")
    one, two = offers(desk, 2)

    first_lease, *first = desk.take(an_acceptance(one))
    desk.take(a_grant(first_lease))
    second_lease, *second = desk.take(an_acceptance(two))
    heating = desk.wait(14 * MINUTE_MS)
    heated = desk.wait(MINUTE_MS)

    assert (is_ready(first_lease, first), is_ready(second_lease, second)) == (True, False)
    assert not is_ready(second_lease, heating)
    assert is_ready(second_lease, heated)


@pytest.mark.rule("ENERGY-2")
@pytest.mark.rule("ENERGY-3")
def test_an_offer_states_the_co2e_of_its_window_as_its_capacity_record_has_it() -> None:
    morning = Timestamp(MIDNIGHT + 7 * HOUR_MS + 30 * MINUTE_MS)
    fleet, desk = bobs(Energy(panel_w=1_000), "a", now=morning)
    capacity: Capacity = fleet.capacity(Head(stream="capacity", seq=1, at=morning))

    first, second = (body_of(offer, Offer) for offer in offers(desk, 2))

    assert len(capacity.intensity) == HOURS_PER_DAY
    assert first.basis == second.basis == capacity.basis == "clear-sky"
    assert [first.co2e_mg, second.co2e_mg] == [
        co2e_mg(capacity.intensity, offer.energy_mwh, offer.start, offer.machine_seconds)
        for offer in (first, second)
    ]
    assert second.co2e_mg < first.co2e_mg  # It begins when the sun is up.


@pytest.mark.rule("ENERGY-1")
def test_a_workshop_with_one_number_tells_no_curve() -> None:
    fleet, _ = bobs(Energy())

    capacity = fleet.capacity(Head(stream="capacity", seq=1, at=NOON))

    assert (capacity.grid_g_per_kwh, capacity.intensity, capacity.basis) == (400, (), "mean")


@pytest.mark.rule("ENERGY-1")
def test_a_workshop_with_panels_is_ranked_by_the_mean_of_its_day() -> None:
    fleet, _ = bobs(Energy(panel_w=1_000), "a")

    capacity = fleet.capacity(Head(stream="capacity", seq=1, at=NOON))

    assert capacity.intensity == (400,) * 8 + (41,) * 8 + (400,) * 8
    assert capacity.grid_g_per_kwh == round((400 * 16 + 41 * 8) / 24)


@pytest.mark.rule("ENERGY-4")
def test_off_the_grid_nothing_is_promised_for_the_night() -> None:
    evening = Timestamp(MIDNIGHT + 20 * HOUR_MS)
    _, desk = bobs(Energy(grid_w=0, panel_w=1_000), "a", now=evening)

    (offer,) = offers(desk, 1)

    assert body_of(offer, Offer).start == MIDNIGHT + DAY_MS + 8 * HOUR_MS


@pytest.mark.rule("ENERGY-5")
def test_a_workshop_that_lets_jobs_wait_promises_the_sun() -> None:
    morning = Timestamp(MIDNIGHT + 6 * HOUR_MS)
    _, desk = bobs(Energy(panel_w=1_000, wait_h=3), "a", now=morning)

    (offer,) = offers(desk, 1)

    assert body_of(offer, Offer).start == MIDNIGHT + 8 * HOUR_MS


def local(hour: int) -> str:
    """Return the time of this place at an hour of UTC."""
    minutes = (hour * 60 + clock.utc_offset_minutes(clock.now())) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def test_plates_are_cleared_and_jobs_begun_when_someone_is_there() -> None:
    late = Timestamp(MIDNIGHT + 16 * HOUR_MS + 30 * MINUTE_MS)
    attended = (f"Mon-Sun {local(9)}-{local(17)}",)
    machine = structs.replace(a_machine("a"), attended=attended)
    _, desk = bobs(Energy(), machine, now=late)

    first, second = (body_of(offer, Offer) for offer in offers(desk, 2))

    morning = MIDNIGHT + DAY_MS + 9 * HOUR_MS
    assert (first.start, first.end) == (late, morning)  # Made at 17:36, when all have gone home.
    assert second.start == morning
