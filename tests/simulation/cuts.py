"""The shapes in which a network falls apart, drawn from the seed."""

from dataclasses import dataclass
from random import Random
from typing import Literal

Shape = Literal["halves", "islands", "one-way", "flapping"]
SHAPES: tuple[Shape, ...] = ("halves", "islands", "one-way", "flapping")


@dataclass(frozen=True)
class Cut:
    """Nothing passes from one part of the nodes to another, both ways or one."""

    shape: Shape
    part: tuple[int, ...]
    """Of each node by its index, the number of the part that it is in."""
    flaps_ms: int = 0
    """If not 0, how long the cut is there, and then for as long is not."""

    def stops(self, sender: int, receiver: int, at_ms: int) -> bool:
        if self.flaps_ms and (at_ms // self.flaps_ms) % 2:
            return False
        if self.shape == "one-way":
            return self.part[sender] == 1 and self.part[receiver] == 0
        return self.part[sender] != self.part[receiver]


def draw(random: Random, shape: Shape, nodes: int) -> Cut:
    parts = random.randint(3, 6) if shape == "islands" else 2
    part = tuple(random.randrange(parts) for _ in range(nodes))
    return Cut(shape, part, random.randint(500, 20_000) if shape == "flapping" else 0)
