"""Whole towns on a bad network: nothing is promised twice, forgotten or believed unsigned.

SIMULATION_SEEDS raises the number of seeds. `python -m tests.simulation --seed N` replays one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import faults
from .__main__ import replay_line
from .checkers import Breach
from .node import Build
from .planted import BUGS
from .world import REAL_EVERY, World

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "200"))
FOUND_WITHIN = 12
"""Seeds in which each planted bug is found; most are found in the first."""


def kept_seeds() -> list[int]:
    lines = (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_nothing_goes_wrong_in_any_seed() -> None:
    workers = os.cpu_count() or 1
    runs = [
        start("--seeds", f"{first}-{SEEDS}", "--step", str(workers)) for first in range(workers)
    ]

    said = [run.communicate()[0] for run in runs]

    assert all(run.returncode == 0 for run in runs), "\n".join(said)


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_failed_once_does_not_fail_again(seed: int) -> None:
    World(seed).run()


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
    found = [seed for seed in range(1, FOUND_WITHIN + 1) if fails(seed, BUGS[bug])]

    assert found


def fails(seed: int, build: Build) -> bool:
    try:
        World(seed, build).run()
    except Exception:  # in whatever way it shows
        return True
    return False


@pytest.mark.parametrize(
    ("bug", "what"),
    [
        ("an owner that sends before it keeps", "promised m0 twice"),
        ("a hold un-expired by a clock set back", "promised m0 twice"),
        ("a buyer that grants twice", "two grants for job"),
        ("a node that believes unsigned records", "never signed"),
    ],
)
def test_a_checker_says_what_is_wrong(bug: str, what: str) -> None:
    with pytest.raises(Breach, match=what):
        World(1, BUGS[bug]).run()


def test_a_failure_prints_one_line_that_replays_it() -> None:
    assert replay_line(8) == "python -m tests.simulation --seed 8"


def test_each_kind_of_fault_is_absent_in_some_runs_and_present_in_others() -> None:
    drawn = [World(seed).faults for seed in range(40)]

    for name in faults.Faults.__dataclass_fields__:
        values = {bool(getattr(each, name)) for each in drawn}
        assert values == ({True} if name in ("until_ms", "late_ms_max") else {True, False}), name
