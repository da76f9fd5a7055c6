"""Runs targets: so many mutants from a seed, each read, each refused in the one way allowed."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from random import Random

from commonfab.protocol.admission import Conflict, Ignore, Reject

from . import targets_network, targets_records, targets_storage
from .mutants import Mutants
from .target import Target

TARGETS: tuple[Target, ...] = (
    *targets_records.TARGETS,
    *targets_network.TARGETS,
    *targets_storage.TARGETS,
)
FRAMES_A_STATE = 1000
"""Then the machine is made anew: one that has shut its ears hears nothing."""
FRAMES_A_JOB = 20_000


class Escaped(Exception):
    """Something else than a typed refusal came out."""


@dataclass(frozen=True)
class Job:
    target: str
    frames: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    target: str
    frames: int
    refused: int
    seconds: float
    """Of one core."""
    escaped: str = ""


def find(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def run(job: Job) -> Outcome:
    """Feed a target. What escapes is told, with what shows it again."""
    target = find(job.target)
    mutants = Mutants(target.samples(Random(job.seed)), job.seed)
    begin = time.process_time()
    refused = 0
    feed = target.opened()
    for frame in range(job.frames):
        if frame % FRAMES_A_STATE == 0:
            feed = target.opened()
        data = mutants.next()
        try:
            refused += isinstance(feed(data), Ignore | Reject | Conflict)
        except target.refusals:
            refused += 1
        except Exception as error:  # that is what is looked for
            said = f"{job}, frame {frame}: {type(error).__name__}: {error}\n    {data.hex()}"
            return Outcome(job.target, frame, refused, time.process_time() - begin, said)
    return Outcome(job.target, job.frames, refused, time.process_time() - begin)


def jobs(target: str, frames: int, seed: int) -> list[Job]:
    starts = range(0, frames, FRAMES_A_JOB)
    return [
        Job(target, min(FRAMES_A_JOB, frames - start), seed + number)
        for number, start in enumerate(starts)
    ]


def run_all(work: Iterable[Job], workers: int) -> Iterator[Outcome]:
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(run, work)
