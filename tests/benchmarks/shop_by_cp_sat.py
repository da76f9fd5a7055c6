"""The shop of scheduler/batches/shop.py as a model for OR-Tools' CP-SAT solver.

Jobs are optional intervals on each machine, in one circuit a machine; an arc of it says
whether the next job finds its material loaded. Times are in seconds, rounded up, and cost
in ten-thousandths of a minor unit.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from commonfab.scheduler.batches.shop import Shop
from commonfab.scheduler.factors import LOADED_SETUP_SHARE

MACHINES_EACH = 8
"""A job may go to its cheapest so many: with all, hundreds of jobs are too many arcs."""
SCALE = 10_000


def solved(
    shop: Shop, plan: Sequence[Sequence[int]], seconds: float, workers: int
) -> list[list[int]] | None:
    """Return each machine's jobs in sequence, the best found in the time; None: nothing found.

    `plan` is what it may start from: alone it finds nothing for hundreds of jobs.
    """
    model = _Model(shop, plan)
    model.hint(plan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    status = solver.solve(model.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    queues: list[list[int]] = [[] for _ in range(shop.work_ms.shape[1])]
    ends = [solver.value(end) for end in model.end]
    for job in sorted(range(len(ends)), key=ends.__getitem__):
        [machine] = [m for m, at in model.at[job].items() if solver.value(at)]
        queues[machine].append(job)
    return queues


class _Model:
    def __init__(self, shop: Shop, plan: Sequence[Sequence[int]]) -> None:
        # Any: the types that it comes with are not known in full.
        self.model: Any = cp_model.CpModel()
        self._shop = shop
        self._zero = float(shop.free_at.min())
        span_s = int((shop.free_at.max() - self._zero + shop.work_ms[_fits(shop)].sum()) / 1e3)
        jobs = range(len(shop.work_ms))
        self.end = [self.model.new_int_var(0, span_s, f"end {job}") for job in jobs]
        self._begin = [self.model.new_int_var(0, span_s, f"begin {job}") for job in jobs]
        self._late = [self.model.new_int_var(0, span_s, f"late {job}") for job in jobs]
        self._span_s = span_s
        self._cost: list[cp_model.LinearExprT] = []
        self.at: list[dict[int, cp_model.IntVar]] = [{} for _ in jobs]
        self._first: dict[tuple[int, int], cp_model.IntVar] = {}
        self._last: dict[tuple[int, int], cp_model.IntVar] = {}
        self._follows: dict[tuple[int, int, int], cp_model.IntVar] = {}
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}
        self._whole: dict[tuple[int, int], cp_model.IntVar] = {}
        self._intervals: dict[int, list[cp_model.IntervalVar]] = {}
        planned = {job: machine for machine, queue in enumerate(plan) for job in queue}
        for job in jobs:
            self._add_job(job, planned[job])
        for machine in range(shop.work_ms.shape[1]):
            self._add_machine(machine)
        self.model.minimize(sum(self._cost))

    def hint(self, plan: Sequence[Sequence[int]]) -> None:
        pairs = {(m, i, j) for m, queue in enumerate(plan) for i, j in pairwise(queue)}
        ends = {(m, queue[-1]) for m, queue in enumerate(plan) if queue}
        begins = {(m, queue[0]) for m, queue in enumerate(plan) if queue}
        for pair, follows in self._follows.items():
            self.model.add_hint(follows, pair in pairs)
        for one, first in self._first.items():
            self.model.add_hint(first, one in begins)
            self.model.add_hint(self._last[one], one in ends)
        for job, choices in enumerate(self.at):
            for machine, chosen in choices.items():
                self.model.add_hint(chosen, job in plan[machine])
        for machine, queue in enumerate(plan):
            self._hint_times(machine, queue)

    def _hint_times(self, machine: int, queue: Sequence[int]) -> None:
        shop = self._shop
        at, loaded = self._seconds(shop.free_at[machine]), int(shop.loaded[machine])
        for job in queue:
            whole = int(shop.material[job]) != loaded
            least_s, more_s = self._sizes[job, machine]
            size = least_s + more_s * whole
            for begins, ends in shop.promised[machine]:
                if np.isfinite(ends) and at + size > self._seconds(begins):
                    at = max(at, self._seconds(ends))
            latest = shop.latest[job, machine]
            late = max(0, at + size - self._seconds(latest)) if np.isfinite(latest) else 0
            self.model.add_hint(self._begin[job], at)
            self.model.add_hint(self.end[job], at + size)
            self.model.add_hint(self._late[job], late)
            self.model.add_hint(self._whole[job, machine], whole)
            at, loaded = at + size, int(shop.material[job])

    def _add_job(self, job: int, planned: int) -> None:
        shop = self._shop
        worth = shop.cost[job] + shop.waiting[job] * (shop.free_at + shop.work_ms[job])
        for machine in {planned, *np.argsort(worth)[: MACHINES_EACH - 1].tolist()}:
            if np.isfinite(shop.work_ms[job, machine]):
                self._add_choice(job, machine)
        self.model.add_exactly_one(self.at[job].values())
        self._cost.append(round(shop.waiting[job] * 1e3 * SCALE) * self.end[job])
        self._cost.append(round(shop.lateness[job] * 1e3 * SCALE) * self._late[job])

    def _add_choice(self, job: int, machine: int) -> None:
        shop, model = self._shop, self.model
        name = f"{job} on {machine}"
        at = self.at[job][machine] = model.new_bool_var(name)
        whole = self._whole[job, machine] = model.new_bool_var(f"{name} set up")
        model.add_implication(whole, at)
        setup_s = shop.setup_ms[machine] / 1e3
        part_s = int(setup_s * LOADED_SETUP_SHARE.value)
        least_s = int(np.ceil(shop.work_ms[job, machine] / 1e3)) + part_s
        self._sizes[job, machine] = least_s, int(setup_s) - part_s
        size = least_s + (int(setup_s) - part_s) * whole
        interval = model.new_optional_interval_var(
            self._begin[job], size, self.end[job], at, f"{name} interval"
        )
        self._intervals.setdefault(machine, []).append(interval)
        model.add(self._begin[job] >= self._seconds(shop.free_at[machine])).only_enforce_if(at)
        if np.isfinite(shop.latest[job, machine]):
            due = self._seconds(shop.latest[job, machine])
            model.add(self._late[job] >= self.end[job] - due).only_enforce_if(at)
        # The end counts from `_zero` in the model, and from 1970 in the cost.
        fixed = shop.cost[job, machine] + shop.waiting[job] * self._zero
        half = shop.setup_cost[machine] * LOADED_SETUP_SHARE.value
        self._cost.append(round((fixed + half) * SCALE) * at)
        self._cost.append(round((shop.setup_cost[machine] - half) * SCALE) * whole)

    def _add_machine(self, machine: int) -> None:
        shop, model = self._shop, self.model
        jobs = [job for job, at in enumerate(self.at) if machine in at]
        taken = [
            model.new_fixed_size_interval_var(
                self._seconds(begins), self._seconds(ends) - self._seconds(begins), "promised"
            )
            for begins, ends in shop.promised[machine]
            if np.isfinite(ends)
        ]
        model.add_no_overlap([*self._intervals.get(machine, []), *taken])
        arcs: list[cp_model.ArcT] = [(0, 0, model.new_bool_var("idle"))]
        for place, job in enumerate(jobs, 1):
            arcs.append((place, place, ~self.at[job][machine]))
            first = self._first[machine, job] = model.new_bool_var("first")
            last = self._last[machine, job] = model.new_bool_var("last")
            arcs += [(0, place, first), (place, 0, last)]
            if shop.material[job] != shop.loaded[machine]:
                model.add_implication(first, self._whole[job, machine])
        for (i, before), (j, after) in product(enumerate(jobs, 1), repeat=2):
            if i != j:
                follows = model.new_bool_var("follows")
                self._follows[machine, before, after] = follows
                arcs.append((i, j, follows))
                model.add(self._begin[after] >= self.end[before]).only_enforce_if(follows)
                if shop.material[before] != shop.material[after]:
                    model.add_implication(follows, self._whole[after, machine])
        if jobs:
            model.add_circuit(arcs)

    def _seconds(self, at_ms: float) -> int:
        return int(np.ceil((at_ms - self._zero) / 1e3))


def _fits(shop: Shop) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.isfinite(shop.work_ms)
