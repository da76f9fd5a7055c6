"""A real node under all attacks at once, for some seconds; `python -m tests.attacks` has longer."""

from pathlib import Path
from random import Random

import trio

from tests.attacks.hostile import Gang
from tests.attacks.siege import MEMORY_BYTES_MAX, Figures, a_real_node, besiege

SECONDS = 6.0
SEED = 1


def test_under_all_attacks_at_once_an_honest_peer_is_served_and_memory_is_bounded(
    tmp_path: Path,
) -> None:
    kinds = list(Gang("", Random(0)).attacks())

    with a_real_node(tmp_path) as (pid, address):

        async def siege() -> Figures:
            return await besiege(pid, address, kinds, seed=SEED, seconds=SECONDS, each=1)

        figures = trio.run(siege)

    assert figures.round_trips
    assert not figures.failures
    assert figures.growth_bytes < MEMORY_BYTES_MAX
