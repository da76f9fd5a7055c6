"""Who is connected with whom, and what a link does to what it carries.

A letter is a datagram here: lost, copied, late. A frame of sync or gossip is on a stream,
as on the real wire: in order and whole, until a cut or a crash breaks the stream.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from .cuts import Cut

LINKS_EACH = 3
"""Links that each node opens; as many come from others."""


def draw(random: Random, honest: int, rogues: int) -> list[list[int]]:
    """Return of each node the indices of those it is linked with, both ways the same.

    The honest hang together without the others; who is surrounded can know nothing.
    """
    linked: list[set[int]] = [set() for _ in range(honest + rogues)]
    ring = random.sample(range(honest), honest)
    for one, other in [*pairwise(ring), (ring[-1], ring[0])]:
        _link(linked, one, other)
    for one in range(honest + rogues):
        for other in random.sample(range(honest + rogues), LINKS_EACH):
            if other != one:
                _link(linked, one, other)
    return [sorted(others) for others in linked]


def _link(linked: Sequence[set[int]], one: int, other: int) -> None:
    linked[one].add(other)
    linked[other].add(one)


class Cuts:
    """The cuts that there are now."""

    def __init__(self) -> None:
        self.any = False
        self._now: list[Cut] = []

    def begin(self, cut: Cut) -> None:
        self._now.append(cut)
        self.any = True

    def end(self, cut: Cut) -> None:
        if cut in self._now:
            self._now.remove(cut)
            self.any = bool(self._now)

    def end_all(self) -> None:
        self._now.clear()
        self.any = False

    def stop(self, sender: int, receiver: int, at_ms: int) -> bool:
        return any(cut.stops(sender, receiver, at_ms) for cut in self._now)
