"""What it costs to say why, and to plan an order before anybody is asked. Processor time.

python -m tests.benchmarks.bench_plans
"""

from collections.abc import Callable
from time import process_time

from msgspec import structs

from commonfab.protocol.records import Design
from commonfab.scheduler.kernel import top
from commonfab.scheduler.plans.blending import all_names
from commonfab.scheduler.plans.choosing import choose
from commonfab.scheduler.plans.planning import Errand
from commonfab.scheduler.problem import problem_of
from commonfab.scheduler.profiles import Profiles
from commonfab.scheduler.weights import Weights
from commonfab.scheduler.why.explain import explain
from commonfab.scheduler.why.impossible import obstacle
from tests.builders import a_design, body_of
from tests.scheduler.worlds import BERLIN, NOON, a_town, a_view, wants_of

PARTS = 5
QUANTITY = 10
_BOX_UM = (60_000, 50_000, 40_000)
PROFILES = Profiles()


def run() -> list[tuple[str, str]]:
    """Return rows of (what, how long)."""
    return [row for machines in (2_000, 100_000) for row in _rows(machines)]


def _rows(machines: int) -> list[tuple[str, str]]:
    view = a_view(a_town(machines // 4, seed=1)).snapshot()
    want = wants_of(1, seed=3, dated=0)[0]
    design = _design()
    errand = Errand(design, QUANTITY, BERLIN)
    weights = Weights()
    rank = _seconds(lambda: top(view, problem_of([want], NOON), 16, weights))
    why = _seconds(lambda: explain(view, want, NOON, weights))
    can = _seconds(lambda: obstacle(view, design, 1, BERLIN, 0, NOON, weights))
    one = _seconds(lambda: choose(errand, view, NOON, PROFILES, ["mine"]))
    ways = _seconds(lambda: choose(errand, view, NOON, PROFILES))
    where = f"{machines:,} machines"
    return [
        (f"one job ranked, {where}", f"{1e3 * rank:.1f} ms"),
        (f"one job explained, {where}", f"{1e3 * why:.1f} ms"),
        (f"whether {PARTS} parts can be made, {where}", f"{1e3 * can:.1f} ms"),
        (f"{PARTS} parts, {QUANTITY} each, planned for one profile, {where}", f"{one:.2f} s"),
        (f"the same for all {len(all_names(PROFILES))}, {where}", f"{ways:.2f} s"),
    ]


def _design() -> Design:
    parts = tuple(
        structs.replace(want.part, name=f"part {number}", bbox_um=_BOX_UM)
        for number, want in enumerate(wants_of(PARTS, seed=3))
    )
    return body_of(a_design(parts=parts), Design)


def _seconds(call: Callable[[], object]) -> float:
    """Return the processor time of the second call: the first one makes the index."""
    call()
    start = process_time()
    call()
    return process_time() - start


if __name__ == "__main__":
    for what, how_long in run():
        print(f"{what:70} {how_long}")
