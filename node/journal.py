"""What happens on this node, for those who watch it, and for the log."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import trio

from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

from . import clock, log
from .control.answers import Happening

_WAITING_MAX = 1000
"""Lines that a slow watcher may be behind; older ones are lost to it."""


class Journal:
    """Tells every watcher, writes to the log, and remembers what needs a person."""

    def __init__(self) -> None:
        self._watchers: list[trio.MemorySendChannel[Happening]] = []
        self._warnings: dict[str, str] = {}
        self._rejected: Counter[NodeId] = Counter()

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

    def count_rejected(self, peer: NodeId, reason: str) -> None:
        """Count something that a peer sent against the rules."""
        self._rejected[peer] += 1
        if self._rejected[peer] == 1:
            self.tell("rejected", peer=peer_text(peer), reason=reason)

    def rejected(self, peer: NodeId) -> int:
        return self._rejected[peer]
