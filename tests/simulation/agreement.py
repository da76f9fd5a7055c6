"""Whether the honest nodes agree on the public records, and after how many rounds of sync."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from commonfab.protocol.records import Record

if TYPE_CHECKING:
    from .world import World

ROUNDS_MAX = 3
_LOOKS_A_ROUND = 12


class Agreement:
    """Made at the end of the bad times: all that any honest node knows then, all shall know."""

    def __init__(self, world: "World") -> None:
        self._world = world
        known = {
            record.id: record
            for node in world.nodes
            if node.is_up
            for record in node.library.values()
        }
        self._shall_be_known = list(known.values())

    def rounds(self, run_until: Callable[[int], None]) -> float:
        """Let time pass until all agree; return how many rounds that took, at most 3."""
        world = self._world
        begin_ms, look_ms = world.now_ms(), world.sync_every_ms // _LOOKS_A_ROUND
        for looks in range(ROUNDS_MAX * _LOOKS_A_ROUND):
            lacks = self._lacks()
            if not lacks:
                return looks / _LOOKS_A_ROUND
            run_until(begin_ms + (looks + 1) * look_ms)
        lacks = self._lacks()
        assert not lacks, f"after {ROUNDS_MAX} rounds of sync {lacks}"
        return ROUNDS_MAX

    def all_know_the_same(self) -> bool:
        """Tell whether all know the same of the public records that do not expire, and so the
        same of those who signed two for one place."""
        known = {
            frozenset(i for i, record in node.library.items() if not record.body.until)
            for node in self._world.nodes
            if node.is_up
        }
        return len(known) == 1

    def _lacks(self) -> str:
        """Return who does not know what; empty if there is nobody."""
        for node in self._world.nodes:
            if node.is_up:
                for record in self._shall_be_known:
                    if not node.knows(record):
                        return f"{node.index} lacks {_named(record)}"
        return ""


def _named(record: Record) -> str:
    return f"the {record.kind} {record.id.hex()[:8]} of {record.author.hex()[:8]}"
