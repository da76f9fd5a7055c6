"""The simulated town: its planners, its figures, and a run that takes seconds."""

import json
from functools import cache
from pathlib import Path
from random import Random
from xml.parsers import expat

import numpy as np
import pytest

from commonfab.protocol.limits import HOUR_MS
from tests.builders import a_request

from .__main__ import main
from .central import Central
from .floor import Floor, Made, result_of
from .gates import Gate, gates
from .letters import MAKING, NEGOTIATING, Letters
from .network import Cut, Network
from .pairs import WEIGHTS, Pairs, on_machines, pairs_of
from .simple import AtRandom, NearestEarliest, Sparrow
from .town import BEGIN, EUROPE, Town, a_town, real_places
from .ways import QUICK_DAYS, Ran, Setting, Way, run

TOWN = a_town(1, load=1.1, shops=6, days=0.3)
PAIRS = pairs_of(TOWN, 1)


def cost_of_queue(town: Town, pairs: Pairs, machine: int, jobs: list[int], now: float) -> float:
    """What jobs cost that one machine makes in this order, in plain Python."""
    fixed, transit = on_machines(town, np.full(town.jobs, machine))
    total, end = 0.0, now
    for job in jobs:
        column = list(pairs.cheap.machine[job]).index(machine)
        end += float(pairs.cheap.seconds[job, column]) * 1000 * town.taken_share(job, 0)[0]
        there = end + transit[job]
        total += (
            fixed[job] + (there - pairs.ordered[job]) / HOUR_MS * WEIGHTS.waiting_minor_per_hour
        )
        late = max(0.0, there - pairs.due[job]) / HOUR_MS
        total += late * WEIGHTS.lateness_minor_per_hour
    return total


@cache
def ran() -> tuple[Network, Made]:
    """The town's own nodes, once for all tests."""
    network = Network(TOWN, 1)
    return network, network.run()


def test_one_seed_gives_one_town() -> None:
    again = a_town(1, load=1.1, shops=6, days=0.3)

    assert again.wishes == TOWN.wishes
    assert again.shops == TOWN.shops
    assert np.array_equal(again.fails_at, TOWN.fails_at)


def test_orders_keep_the_machines_busy_for_the_load() -> None:
    town = a_town(2, load=0.8, shops=50)
    asked_h = sum(part.pieces * part.seconds for _, part in town.wanted()) / 3600
    power = sum(machine.speed_permille / 1000 for _, machine in town.machines())

    assert 0.8 <= asked_h / (72 * power) < 0.82


@pytest.mark.skipif(
    not real_places(),
    reason="no real fab labs: point COMMONFAB_DATA to a folder that holds okw/",
)
def test_the_workshops_stand_where_fab_labs_are() -> None:
    places = real_places()
    west, south, east, north = EUROPE

    assert len(places) > 500
    assert all(south <= p.lat_udeg / 1e6 <= north for p in places)
    assert all(west <= p.lon_udeg / 1e6 <= east for p in places)


@pytest.mark.parametrize("hours", [1, 72, 150])
def test_central_puts_each_job_where_all_together_cost_least(hours: int) -> None:
    """At first no date is near, then some are, then most are over."""
    random = Random(hours)
    central = Central(TOWN, PAIRS)
    queues: dict[int, list[int]] = {}
    now = float(BEGIN + hours * HOUR_MS)
    for job in random.sample(range(TOWN.jobs), 8):
        fit = [int(machine) for machine in PAIRS.cheap.machine[job] if machine >= 0]
        best = min(
            cost_of_queue(TOWN, PAIRS, m, [*q[:at], job, *q[at:]], now)
            - cost_of_queue(TOWN, PAIRS, m, q, now)
            for m in fit
            for q in [queues.get(m, [])]
            for at in range(len(q) + 1)
        )
        [machine] = central.ordered(job, 0, now)
        before = queues.get(machine, [])
        queues[machine] = central.waiting(machine)
        paid = cost_of_queue(TOWN, PAIRS, machine, queues[machine], now) - cost_of_queue(
            TOWN, PAIRS, machine, before, now
        )
        assert paid == pytest.approx(best, rel=1e-6)


def test_a_round_of_central_never_makes_the_plan_dearer() -> None:
    town = a_town(3, load=2.0, shops=3, days=1.0)
    pairs = pairs_of(town, 3)
    central = Central(town, pairs)
    now = float(BEGIN)
    for job in range(town.jobs):
        central.ordered(job, 0, now)
    machines = range(len(town.machines()))

    def cost() -> float:
        return sum(cost_of_queue(town, pairs, m, central.waiting(m), now) for m in machines)

    first = cost()
    central.plan(now)
    second = cost()
    central.plan(now)

    assert second < first
    assert cost() <= second


@pytest.mark.parametrize("planner", [Central(TOWN, PAIRS), AtRandom(PAIRS), NearestEarliest(PAIRS)])
def test_every_planner_has_each_job_made(planner: Central | AtRandom | NearestEarliest) -> None:
    made = Floor(TOWN, planner).run()

    assert (made.ended > PAIRS.ordered).all()
    assert all(made.machine[job] in PAIRS.fit(job) for job in range(TOWN.jobs))


def test_sparrow_makes_each_job_on_one_of_the_machines_that_it_probed() -> None:
    made = Floor(TOWN, Sparrow(PAIRS)).run()

    probed = {job: set(PAIRS.drawn.machine[job].tolist()) for job in range(TOWN.jobs)}
    assert all(int(made.machine[job]) in probed[job] for job in range(TOWN.jobs))


def test_a_piece_that_nobody_needed_is_paid_for_by_all() -> None:
    made = Floor(TOWN, AtRandom(PAIRS)).run()
    twice = Made(made.machine, made.ended, [(0, int(made.machine[0]))])

    more = result_of(TOWN, PAIRS, twice).eur - result_of(TOWN, PAIRS, made).eur

    fixed, _ = on_machines(TOWN, made.machine)
    assert more == pytest.approx(fixed[0] / 100 / TOWN.jobs)


def test_nodes_alone_make_every_job_with_few_letters() -> None:
    network, made = ran()

    said = network.letters.by_kind
    ours = result_of(TOWN, PAIRS, made).eur
    assert (made.ended > PAIRS.ordered).all()
    assert said["offer"] <= said["request"] <= 3 * network.begun()
    assert sum(said[kind] for kind in NEGOTIATING) <= 8 * TOWN.jobs
    assert sum(said[kind] for kind in MAKING) <= 4 * TOWN.jobs
    assert not made.surplus
    assert ours < result_of(TOWN, PAIRS, Floor(TOWN, AtRandom(PAIRS)).run()).eur


def test_a_letter_that_is_said_again_is_counted_apart() -> None:
    letters = Letters()
    request = a_request()

    letters.count(request)
    letters.count(request)

    assert letters.by_kind == {"request": 1, "again": 1}


def test_one_seed_gives_one_run() -> None:
    network, made = ran()
    again = Network(TOWN, 1)

    assert np.array_equal(again.run().ended, made.ended)
    assert again.letters.by_kind == network.letters.by_kind


def test_a_cut_keeps_no_job_from_being_made() -> None:
    made = Network(TOWN, 1, cut=Cut(1.0, 6.0)).run()

    assert (made.machine >= 0).all()


def test_workshops_that_lie_keep_no_job_from_being_made() -> None:
    made = Network(TOWN, 1, liars=0.25).run()

    assert (made.machine >= 0).all()


def test_of_several_runs_the_worst_counts() -> None:
    assert Gate("most", True, 1.03, [1.01, 1.02]).is_held
    assert not Gate("most", True, 1.03, [1.01, 1.04]).is_held
    assert not Gate("least", False, 1.3, [1.6, 1.2]).is_held


def test_gates_compare_ways_in_the_same_town_only() -> None:
    here, there = (Setting(seed, 0.8, is_quick=True, days=QUICK_DAYS) for seed in (1, 2))
    central, random = run(here, Way.CENTRAL), run(there, Way.RANDOM)

    def as_ours(other: Ran, factor: float) -> Ran:
        result = type(other.result)(other.result.eur * factor, 1.0, 0.0, 0.0, 0.0)
        return Ran(other.setting, Way.COMMONFAB, other.jobs, result)

    held = gates([central, as_ours(central, 1.02), random, as_ours(random, 0.5)])

    values = {gate.what: gate.values for gate in held}
    assert values["cost, to CENTRAL's"] == [pytest.approx(1.02)]
    assert values["random that fits: cost, to commonfab's"] == [pytest.approx(2.0)]


def test_the_command_writes_figures_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, drawn = tmp_path / "placement.json", tmp_path / "placement.svg"
    code = main(
        [
            *("--quick", "--seeds", "1", "--loads", "0.8", "--workers", "1"),
            *("--json", str(figures), "--picture", str(drawn)),
        ]
    )

    told = capsys.readouterr().out
    assert code == 0
    ways = {each["way"] for each in json.loads(figures.read_text())}
    assert ways == set(Way) - {Way.LIARS, Way.CUT}
    assert all(name in told for name in (Way.CENTRAL, "to negotiate"))
    assert _elements(drawn) > 50


def _elements(document: Path) -> int:
    count = 0

    def begins(_name: str, _attributes: object) -> None:
        nonlocal count
        count += 1

    parser = expat.ParserCreate()
    parser.StartElementHandler = begins
    parser.Parse(document.read_bytes(), True)
    return count
