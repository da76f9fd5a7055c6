"""What happens on this node, for those who watch it, and for the log."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import trio

from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.standing.offences import Offences

from . import clock, log
from .answers.node import Happening

_WAITING_MAX = 1000
"""Lines that a slow watcher may be behind; older ones are lost to it."""


class Journal:
    """Tells every watcher, writes to the log, and remembers what needs a person."""

    def __init__(self) -> None:
        self._watchers: list[trio.MemorySendChannel[Happening]] = []
        self._warnings: dict[str, str] = {}
        self.offences = Offences()
        self.on_too_many: Callable[[NodeId, str], None] = _let_be
        """Told of a peer that has offended too much lately, and how."""

    def tell(self, what: str, **fields: str | int) -> None:
        happening = Happening(at=clock.now(), what=what, fields=fields)
        log.info(what, **fields)
        for watcher in self._watchers:
            try:
                watcher.send_nowait(happening)
            except trio.WouldBlock:
                continue

    @contextmanager
    def watched(self) -> Generator[trio.MemoryReceiveChannel[Happening]]:
        """Give a channel of all that happens from now on."""
        tell, hear = trio.open_memory_channel[Happening](_WAITING_MAX)
        self._watchers.append(tell)
        try:
            yield hear
        finally:
            self._watchers.remove(tell)

    def warn(self, about: str, text: str) -> None:
        """Remember that something needs a person. A later warning about it replaces this."""
        if self._warnings.get(about) != text:
            self._warnings[about] = text
            self.tell("warning", about=about, text=text)

    def clear(self, about: str) -> None:
        self._warnings.pop(about, None)

    def warnings(self) -> list[str]:
        return list(self._warnings.values())

    def offend(self, peer: NodeId, why: str, weight: float = 1.0) -> None:
        """Count what a peer did against the rules, whoever noticed it: 1 for a thing that a
        mistake may explain, more for what it does not."""
        is_too_much = self.offences.offend(peer, why, weight, clock.now())
        if self.offences.count(peer) == 1:
            self.tell("rejected", peer=peer_text(peer), reason=why)
        if is_too_much:
            self.on_too_many(peer, why)

    def is_kept_out(self, peer: NodeId) -> bool:
        """Tell whether a peer offended too much lately to be spoken with."""
        return self.offences.is_kept_out(peer, clock.now())

    def rejected(self, peer: NodeId) -> int:
        """Return how often a peer has offended since this node started."""
        return self.offences.count(peer)


def _let_be(_peer: NodeId, _why: str) -> None:
    """Before there is somebody to show it out."""
