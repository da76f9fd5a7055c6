"""One node in a world of many workshops: its surroundings are the same, the rest is far away.

The node is linked to workshops around it and to some far away, which know all that the world
says. What it sends and is sent in an hour is counted.
"""

from itertools import pairwise

from commonfab.protocol.gossip.areas import area_of, heard_at
from commonfab.protocol.records import Place

from .broadcast_world import LYON, Air, BroadcastWorld, a_record

FAR = 4
FAR_PLACE = Place(lat_udeg=-33_000_000, lon_udeg=151_000_000)
HOUR_MS = 3_600_000
WARM_UP_MS = HOUR_MS // 4
"""Until the tree is there, and what may be said of the world at once is used up."""
CAPACITY_EVERY_MS = 300_000
DESIGNS_A_DAY = 0.1
"""Of one workshop: three a month."""
CAPACITY_BYTES, DESIGN_BYTES = 400, 1500


def hour_in_a_world(workshops: int, near: int = 40, seed: int = 1) -> int:
    """Return the bytes that the node exchanges in an hour in a world of so many."""
    world = BroadcastWorld(seed, 1 + near + FAR, Air(), heard_at([LYON]))
    far = range(1 + near, 1 + near + FAR)
    for index in far:
        world.settle(index, heard_at([FAR_PLACE]))
    for index in range(1, 1 + near):
        for other in world.random.sample(range(near + 1), 6):
            world.link(index, other)
    for index in far:
        world.link(0, index)
    for one, other in pairwise(far):
        world.link(one, other)
    numbers = iter(range(10**9))
    designs_each_ms = workshops * DESIGNS_A_DAY / (24 * HOUR_MS)
    due_ms = 0.0
    before = 0
    while world.now < WARM_UP_MS + HOUR_MS:
        if world.now == WARM_UP_MS:
            before = world.bytes_of(0)
        world.run(1000)
        for index in range(1 + near):
            if (world.now + index * 7919) % CAPACITY_EVERY_MS < 1000:
                world.publish(index, a_record(next(numbers), "capacity", CAPACITY_BYTES))
        # What the rest of the world says reaches its far peers, some first, some later.
        due_ms += 1000 * designs_each_ms
        while due_ms >= 1:
            due_ms -= 1
            record = a_record(next(numbers), "design", DESIGN_BYTES)
            world.publish(world.random.choice(far), record, area_of(FAR_PLACE))
    return world.bytes_of(0) - before
