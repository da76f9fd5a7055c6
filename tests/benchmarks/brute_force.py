"""The kernel's question as a loop in C: every job with every machine, nothing left out.

In 32-bit floats, in blocks of machines that stay in the cache, and so written that the
compiler makes vectors of it: as quick as looking at all pairs can be. Built when asked.
"""

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from commonfab.scheduler.columns import Rows
from commonfab.scheduler.problem import Problem
from commonfab.scheduler.view import Snapshot
from commonfab.scheduler.weights import Weights

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-shared", "-fPIC")
SOURCE = r"""
#include <math.h>
#include <stddef.h>
#define BLOCK 1024
#define LANES 16

void brute(size_t jobs, size_t machines, size_t k, const int *process, const float *place,
           const float *per_s, const float *fixed, const float *dearer, const float *sides,
           const float *ready, const float *stretch, const float *mass, const float *price,
           const int *job_process, const int *job_material, const float *job,
           float *best, int *best_at)
{
    const float *x = place, *y = place + machines, *z = place + 2 * machines;
    const float *small = sides, *middle = sides + machines, *large = sides + 2 * machines;
    const float ms_per_radian = 6371.0088f * 1.4f * 60000.0f;
    for (size_t i = 0; i < jobs * k; i++) { best[i] = INFINITY; best_at[i] = -1; }
    for (size_t start = 0; start < machines; start += BLOCK)
    for (size_t j = 0; j < jobs; j++) {
        const float *a = job + 10 * j;
        const float jx = a[0], jy = a[1], jz = a[2], work = a[3], grams = a[4], per_radian = a[5];
        const float s = a[6], m = a[7], l = a[8], left = a[9];
        const int kind = job_process[j];
        const float *held = mass + (size_t)job_material[j] * machines;
        const float *per_mg = price + (size_t)job_material[j] * machines;
        float *top = best + k * j, worst = top[k - 1];
        int *at = best_at + k * j;
        float cost[BLOCK], least[BLOCK / LANES];
        const size_t n = machines - start < BLOCK ? machines - start : BLOCK;
        for (size_t i = 0; i < n; i++) {
            const size_t r = start + i;
            const float dx = x[r] - jx, dy = y[r] - jy, dz = z[r] - jz;
            const float square = dx * dx + dy * dy + dz * dz;
            const float arc = sqrtf(square) * (1 + square * (1.0f / 24 + square * (3.0f / 640)));
            const float all = fixed[r] + work * per_s[r] + grams * per_mg[r] * dearer[r]
                + per_radian * arc;
            const float done = ready[r] + work * stretch[r] + arc * ms_per_radian;
            const int fit = (process[r] == kind) & (held[r] >= grams) & (small[r] >= s)
                & (middle[r] >= m) & (large[r] >= l) & (done <= left);
            cost[i] = fit ? all : INFINITY;
        }
        for (size_t i = n; i < BLOCK; i++) cost[i] = INFINITY;
        for (size_t i = 0; i < BLOCK / LANES; i++) {
            float low = cost[LANES * i];
            for (size_t b = 1; b < LANES; b++)
                low = cost[LANES * i + b] < low ? cost[LANES * i + b] : low;
            least[i] = low;
        }
        for (size_t i = 0; i < BLOCK / LANES; i++) {
            if (least[i] >= worst) continue;
            for (size_t b = LANES * i; b < LANES * (i + 1); b++) {
                if (cost[b] >= worst) continue;
                size_t p = k - 1;
                while (p && top[p - 1] > cost[b]) { top[p] = top[p - 1]; at[p] = at[p - 1]; p--; }
                top[p] = cost[b];
                at[p] = (int)(start + b);
                worst = top[k - 1];
            }
        }
    }
}
"""


@dataclass(frozen=True)
class BruteForce:
    """All jobs and machines as it takes them."""

    library: ctypes.CDLL
    rows: Rows
    arrays: tuple[np.ndarray, ...]
    """Of the machines, then of the jobs."""
    jobs: int

    def top(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (n, k) and costs, in 32 bits, of each job's k best machines."""
        cost, at = np.empty((self.jobs, k), np.float32), np.empty((self.jobs, k), np.int32)
        sizes = (ctypes.c_size_t(n) for n in (self.jobs, len(self.rows), k))
        self.library.brute(*sizes, *(_pointer(array) for array in (*self.arrays, cost, at)))
        return np.where(at >= 0, self.rows[at], -1), cost


def brute_force(view: Snapshot, problem: Problem, weights: Weights) -> BruteForce | None:
    """Return it for jobs without special wishes; None where there is no compiler."""
    compiler = which("cc")
    if compiler is None:
        return None
    rows = view.rows()
    return BruteForce(
        _built(compiler),
        rows,
        (*_machines(view, problem, weights, rows), *_jobs(view, problem, weights)),
        len(problem),
    )


def _built(compiler: str) -> ctypes.CDLL:
    with TemporaryDirectory() as folder:
        source, library = Path(folder, "brute.c"), Path(folder, "brute.so")
        source.write_text(SOURCE)
        subprocess.run([compiler, *FLAGS, "-o", library, source, "-lm"], check=True)
        return ctypes.CDLL(str(library))


def _machines(
    view: Snapshot, problem: Problem, weights: Weights, rows: Rows
) -> tuple[np.ndarray, ...]:
    m = view.machines.take(rows)
    waiting = weights.waiting_minor_per_hour / 3.6e6
    doubt = 1.0 - m.standing
    dearer = 1.0 + doubt * weights.trust_share
    per_s = m.price / 3_600 * dearer + 1_100 * waiting
    per_s += m.power / 3.6e6 * m.grid * weights.carbon_minor_per_kg / 1_000
    queue = np.maximum(m.free_at - problem.now, 0.0) + 1_000
    fixed = m.setup_s * per_s + (queue + 7.2e6) * waiting + doubt * weights.trust_minor
    fixed += np.where(m.takes_jobs, weights.transport_minor, np.inf)
    mass = np.full((len(problem.materials), len(view.machines.live)), -1.0)
    price = np.zeros_like(mass)
    for index, material in enumerate(problem.materials):
        stocks = view.stocks_of(material)
        mass[index, stocks.machine], price[index, stocks.machine] = stocks.mass_mg, stocks.price
    return (
        m.process.astype(np.int32),
        _singles(m.x, m.y, m.z),
        _singles(per_s * 1_000 / m.speed),
        _singles(fixed),
        _singles(dearer),
        _singles(m.small, m.middle, m.large),
        _singles(queue + m.setup_s * 1_100),
        _singles(1.1e6 / m.speed),
        _singles(*mass[:, rows]),
        _singles(*price[:, rows] / 1e6),
    )


def _jobs(view: Snapshot, problem: Problem, weights: Weights) -> tuple[np.ndarray, ...]:
    j = problem.seen_in(view)
    kilograms = j.mass_mg / 1e6
    per_kg_km = weights.transport_minor_per_kg_km + 0.137 * weights.carbon_minor_per_kg / 1_000
    per_km = kilograms * per_kg_km
    per_km += weights.transport_minor_per_km + weights.waiting_minor_per_hour / 60
    left = j.by - problem.now - 7.2e6
    columns = (j.x, j.y, j.z, j.work_s, j.mass_mg, per_km * 1.4 * 6_371.0088)
    return (
        j.process.astype(np.int32),
        problem.jobs.material.astype(np.int32),
        np.stack([*columns, j.small, j.middle, j.large, left], axis=1).astype(np.float32),
    )


def _singles(*columns: Any) -> np.ndarray:
    """Any: rows of a matrix, or columns."""
    return np.ascontiguousarray(np.stack(columns), np.float32)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
