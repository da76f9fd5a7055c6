"""Three days of jobs in a town of 500 workshops, placed in several ways.

python -m tests.placement

Prints what each way costs and whether the gates are held, and draws a picture of it. Figures are
written as each run ends. Exits with 0 only if all gates are held, or in a small town.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from .gates import Gate, gates
from .picture import picture
from .town import real_places
from .ways import DAYS, QUICK_DAYS, Ran, Setting, Way, run

SEEDS = (1, 2, 3)
LOADS = (0.8, 1.1, 1.4)
FAULTS_AT = 1.1
"""The load at which workshops lie, and at which the town is cut in two."""
FAULTS = (Way.LIARS, Way.CUT)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.placement", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small town, in seconds")
    parser.add_argument("--days", type=float, help="of orders; the gates are for three")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS, help="one for each seed")
    parser.add_argument("--grid", action="store_true", help="each seed at each load")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--picture", type=Path, default=Path("build/placement.svg"))
    options = parser.parse_args(arguments)
    if options.grid:
        towns = list(product(options.seeds, options.loads))
    elif len(options.seeds) == len(options.loads):
        towns = list(zip(options.seeds, options.loads, strict=True))
    else:
        parser.error("give as many loads as seeds, or --grid")
    days = options.days or (QUICK_DAYS if options.quick else DAYS)
    settings = [Setting(seed, load, options.quick, days) for seed, load in towns]
    print(f"workshops stand {'where fab labs are' if real_places() else 'at drawn places'}")
    ran: list[Ran] = []
    for each in results(settings, options.workers):
        ran.append(each)
        if options.json:
            options.json.write_text(json.dumps([asdict(one) for one in ran], indent=1))
    ran.sort(key=lambda each: (each.setting.load, each.setting.seed, list(Way).index(each.way)))
    held = gates(ran)
    print(*costs(ran), "", *verdicts(held), sep="\n")
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(picture(ran, held))
    print(f"\nthe picture: {options.picture}")
    if options.quick:
        print("the bounds are for a whole town; a small one says little of them")
    return 0 if options.quick or all(gate.is_held for gate in held) else 1


def results(settings: Sequence[Setting], workers: int) -> Iterator[Ran]:
    """Run each way in each town, on so many cores, and tell on stderr what is done."""
    # The longest first, so that no core waits for the last.
    tasks = [
        (setting, way)
        for setting in sorted(settings, key=lambda each: -each.load)
        for way in ways_in(setting)
    ]
    with ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn")) as pool:
        futures = [pool.submit(run, setting, way) for setting, way in tasks]
        for future in as_completed(futures):
            each = future.result()
            done = f"seed {each.setting.seed}, load {each.setting.load}: {each.way}"
            print(done, file=sys.stderr, flush=True)
            yield each


def ways_in(setting: Setting) -> list[Way]:
    return [way for way in Way if way not in FAULTS or setting.load == FAULTS_AT]


def costs(ran: Sequence[Ran]) -> Iterator[str]:
    yield (
        f"\n{'load':>4} {'seed':>4} {'jobs':>6}  {'':28} {'EUR/job':>8} {'to CENTRAL':>10} "
        f"{'flow h':>7} {'late %':>7} {'surplus':>8} {'letters':>8}"
    )
    central = {each.setting: each.result.eur for each in ran if each.way is Way.CENTRAL}
    for each in ran:
        of, result = each.setting, each.result
        ratio = f"{result.eur / central[of]:.3f}" if of in central else ""
        letters = f"{sum(each.letters.values()):.1f}" if each.letters else ""
        yield (
            f"{of.load:4} {of.seed:4} {each.jobs:6,}  {each.way:28} {result.eur:8.2f} "
            f"{ratio:>10} {result.flow_h:7.1f} {100 * result.late:7.1f} {result.surplus_eur:8.3f} "
            f"{letters:>8}"
        )


def verdicts(held: Sequence[Gate]) -> Iterator[str]:
    for gate in held:
        values = " ".join(f"{value:.3f}" for value in gate.values)
        bound = f"{'<=' if gate.is_upper else '>='} {gate.bound:g}"
        yield f"{'ok ' if gate.is_held else 'NOT'} {gate.what:42} {bound:9} {values}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
