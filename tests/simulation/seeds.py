"""Many runs, on all cores."""

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from .world import NODES, Result, World

_GC_OBJECTS = 50_000
"""A world is thrown away whole, and has no cycles that matter while it lasts."""
_SEEDS_AT_ONCE = 4


def replay_line(seed: int, nodes: int = NODES) -> str:
    return f"python -m tests.simulation --seed {seed}" + (
        f" --nodes {nodes}" if nodes != NODES else ""
    )


def run(seed: int, nodes: int = NODES, *, tells: bool = False) -> Result:
    return World(seed, story=print if tells else None, nodes=nodes).run()


def outcomes(seeds: Iterable[int], nodes: int, workers: int) -> Iterator[Result | str]:
    """Return of each seed what it came to, or the line that replays its failure."""
    start = partial(gc.set_threshold, _GC_OBJECTS)
    with ProcessPoolExecutor(workers, get_context("spawn"), start) as pool:
        yield from pool.map(partial(outcome, nodes=nodes), seeds, chunksize=_SEEDS_AT_ONCE)


def outcome(seed: int, nodes: int = NODES) -> Result | str:
    try:
        return run(seed, nodes)
    except Exception as error:  # whatever it is, the other seeds are worth a run
        return f"{replay_line(seed, nodes)}    # {type(error).__name__}: {error}"


def sort_out(came: Iterable[Result | str]) -> tuple[list[str], list[Result]]:
    failed: list[str] = []
    results: list[Result] = []
    for each in came:
        if isinstance(each, str):
            failed.append(each)
        else:
            results.append(each)
    return failed, results


def figures(results: list[Result], nodes: int) -> str:
    """Return what the runs came to, in one line."""
    if not results:
        return "nothing came of it"
    rounds = sorted(result.rounds for result in results)
    hours = sum(result.simulated_ms for result in results) / 3_600_000
    size = sum(result.bytes for result in results)
    made = sum(r.pieces_made for r in results)
    surplus = sum(r.pieces_surplus for r in results)
    honest_hours = hours * (nodes - nodes // 5)
    return (
        f"{sum(r.steps for r in results):,} events, {sum(r.messages for r in results):,} messages, "
        f"{size / 1e6:,.0f} MB ({size / honest_hours / 3600:,.0f} B/s an honest node), "
        f"{hours:,.0f} h of simulated time; agreement after {rounds[len(rounds) // 2]:.2f} rounds "
        f"of sync (median), {rounds[-1]:.2f} (most); {sum(r.jobs for r in results):,} jobs, "
        f"{made:,} pieces, and {surplus:,} ({surplus / made:.1%}) more than were wanted; "
        f"{sum(r.proofs for r in results):,} rogues proven, {sum(r.shown_out for r in results):,} "
        "times shown out"
    )
