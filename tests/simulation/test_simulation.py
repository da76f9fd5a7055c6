"""Whole towns on a bad network: nothing is promised twice, forgotten or believed unsigned.

SIMULATION_SEEDS sets the number of seeds; each takes about a second of one core, and
`make sim` tries a thousand. `python -m tests.simulation --seed N` replays one. A seed is the same
story only as long as the world is: what one found is kept in planted.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import faults
from .agreement import ROUNDS_MAX
from .checkers import Breach
from .node import Build
from .planted import BUGS
from .seeds import figures, outcomes, replay_line, sort_out
from .world import NODES, REAL_EVERY, World

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "300"))
PARTS = 8
"""All seeds at once would look like a test that hangs."""
FOUND_WITHIN = 12
"""Seeds in which each planted bug is found; most are found in the first."""


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("first", range(1, PARTS + 1))
def test_nothing_goes_wrong_in_any_seed(first: int) -> None:
    seeds = range(first, SEEDS + 1, PARTS)
    failed, results = sort_out(outcomes(seeds, NODES, os.cpu_count() or 1))

    assert not failed, "\n".join(failed)
    assert max((result.rounds for result in results), default=0.0) <= ROUNDS_MAX


def test_a_hundred_nodes_agree_too() -> None:
    assert World(1, nodes=100).run().rounds <= ROUNDS_MAX


@pytest.mark.parametrize("seed", [1, REAL_EVERY])
def test_a_seed_replays_to_the_same_trace_in_any_process(seed: int) -> None:
    others = [start("--seed", str(seed), PYTHONHASHSEED=number) for number in ("1", "77")]
    here = World(seed).run()

    traces = {run.communicate()[0].splitlines()[-1] for run in others}

    assert traces == {str(here)}


def test_two_seeds_are_two_stories() -> None:
    assert World(1).run().trace != World(2).run().trace


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    assert any(fails(seed, BUGS[bug]) for seed in range(1, FOUND_WITHIN + 1))


def fails(seed: int, build: Build) -> bool:
    try:
        World(seed, build).run()
    except Exception:  # in whatever way it shows
        return True
    return False


@pytest.mark.parametrize(
    ("bug", "what"),
    [
        ("an owner that sends before it keeps", "promised m. twice"),
        ("a hold un-expired by a clock set back", "promised m. twice"),
        ("a buyer that grants twice", "two grants for job"),
        ("a node that believes unsigned records", "never signed"),
    ],
)
def test_a_checker_says_what_is_wrong(bug: str, what: str) -> None:
    with pytest.raises(Breach, match=what):
        World(1, BUGS[bug]).run()


def test_a_failure_prints_one_line_that_replays_it() -> None:
    assert replay_line(8) == "python -m tests.simulation --seed 8"
    assert replay_line(8, 100) == "python -m tests.simulation --seed 8 --nodes 100"


def test_a_failed_seed_is_told_and_the_figures_are_of_the_others() -> None:
    result = World(3).run()

    failed, results = sort_out(["python -m tests.simulation --seed 8    # Breach: …", result])

    assert len(failed) == 1
    assert figures(results, NODES).startswith(f"{result.steps:,} events")
    assert figures([], NODES) == "nothing came of it"


@pytest.mark.parametrize("nodes", [10, 30, 100])
def test_one_in_five_is_a_rogue_and_the_honest_hang_together_without_them(nodes: int) -> None:
    world = World(4, nodes=nodes)

    assert len(world.rogues) == nodes // 5
    assert reached(world.links, len(world.nodes)) == set(range(len(world.nodes)))
    assert all(one in world.links[other] for one in range(nodes) for other in world.links[one])


def reached(links: list[list[int]], honest: int) -> set[int]:
    """Return whom the first node reaches by way of honest ones."""
    found, ahead = {0}, [0]
    while ahead:
        for other in links[ahead.pop()]:
            if other < honest and other not in found:
                found.add(other)
                ahead.append(other)
    return found


def test_rogues_are_proven_and_shown_out_in_some_runs() -> None:
    results = [World(seed).run() for seed in range(1, 9)]

    assert any(result.proofs for result in results)
    assert any(result.shown_out for result in results)


def test_each_kind_of_fault_is_absent_in_some_runs_and_present_in_others() -> None:
    drawn = [World(seed).faults for seed in range(40)]

    for name in faults.Faults.__dataclass_fields__:
        values = {bool(getattr(each, name)) for each in drawn}
        assert values == ({True} if name in ("until_ms", "late_ms_max") else {True, False}), name
