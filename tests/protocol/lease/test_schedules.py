"""A thousand hostile schedules of a buyer, two workshops and a liar, from a seed each.

Letters are lost, doubled, delayed, mixed up, played again and said anew by Eve; nodes die between
any two effects of one event; clocks stand still, run off and are set back. Whatever comes, all
that must hold does at each step, and in the end every piece is accounted for. The whole network,
with guardians, gossip and the scheduler, is in tests/simulation; here a schedule costs
milliseconds, so there can be many. LEASE_SCHEDULES sets how many; one that fails names its seed.
"""

import os
from random import Random

import pytest

from commonfab.protocol import events
from commonfab.protocol.ids import OrderId
from tests.builders import ORDER
from tests.protocol.table import Table, play

SCHEDULES = int(os.environ.get("LEASE_SCHEDULES", "1000"))
PARTS = 10
STEPS_MAX = 80
EFFECTS_MAX = 6
"""A node dies before so many more of its effects are carried out."""


@pytest.mark.rule("LEASE-1")
@pytest.mark.rule("LEASE-2")
@pytest.mark.rule("LEASE-11")
@pytest.mark.rule("LEASE-15")
@pytest.mark.rule("LEASE-22")
@pytest.mark.parametrize("first", range(PARTS))
def test_no_schedule_breaks_a_promise_or_loses_a_piece(first: int) -> None:
    for seed in range(first, SCHEDULES, PARTS):
        try:
            run(seed)
        except Exception as error:
            raise AssertionError(f"in schedule {seed}: {error!r}") from error


def run(seed: int) -> None:
    """Play one schedule to its end."""
    random, table = Random(seed), Table()
    for _ in range(random.randrange(STEPS_MAX)):
        if random.random() < 0.05:
            random.choice(table.desks).dies_in(random.randrange(EFFECTS_MAX))
        play(table, random)
        table.check()
    table.check_restored()
    if random.random() < 0.2:
        table.letters += table.alice.happen(events.Cancelled(OrderId(ORDER)))
    for which in range(len(table.desks)):
        table.restart(which)
    table.settle()
    table.check()
    table.check_ended()


def test_a_schedule_is_the_same_each_time() -> None:
    one, other = Table(), Table()
    for table in (one, other):
        random = Random(7)
        for _ in range(STEPS_MAX):
            play(table, random)

    assert [type(letter.body) for letter in one.seen] == [type(each.body) for each in other.seen]
