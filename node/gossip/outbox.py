"""What waits to be written to one peer, and the task that writes it: one stream, for as long as
the link lasts.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.gossip.broadcast_wire import (
    ITEMS_MAX,
    PROTOCOL,
    Item,
    Wants,
    encode,
    size_of,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB

from ..network.frames import write_frame
from ..network.transport import Stream, Transport, opened

_OUTBOX_BYTES_MAX = 4 * MIB
"""What may wait for one peer; what is more is dropped, and the peer finds it by sync."""
_OF_STRANGERS_BYTES_MAX = 3 * MIB
"""Of that, what strangers may have said: their crowd keeps out nobody's word who is known here."""
_FRAME_BYTES = 256 * KIB
"""A frame is closed when it has as much, and less than a record more."""
GATHER_S = 0.02
"""What is to be sent waits so long for what comes next: a frame costs more than a record."""
_RETRY_S_MIN = 1.0
_RETRY_S_MAX = 300.0
"""A peer that takes no such stream, for it speaks another protocol, is asked again by then."""


@dataclass
class Outbox:
    """One for each link."""

    peer: NodeId
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _first: deque[Item] = field(default_factory=deque[Item])
    _of_strangers: deque[Item] = field(default_factory=deque[Item])
    _bytes: int = 0
    _has_lost: bool = False
    _filled: trio.Event = field(default_factory=trio.Event)

    def put(self, item: Item, *, of_stranger: bool = False) -> None:
        """Have something written; what strangers have said waits for the rest."""
        size = size_of(item)
        room = _OF_STRANGERS_BYTES_MAX if of_stranger else _OUTBOX_BYTES_MAX
        if self._bytes + size > room:
            self._has_lost = True
            return
        (self._of_strangers if of_stranger else self._first).append(item)
        self._bytes += size
        self._filled.set()

    async def run(
        self, transport: Transport, wants: Callable[[], Wants], repair: Callable[[NodeId], None]
    ) -> None:
        """Write until the scope is cancelled. `repair` is told where something got lost."""
        wait_s = _RETRY_S_MIN
        with self.scope:
            while True:
                try:
                    async with opened(transport, self.peer, PROTOCOL) as stream:
                        wait_s = _RETRY_S_MIN
                        await self._write(stream, repair)
                except CommonfabError:
                    pass  # The link ends, or the stream did; there will be another.
                await trio.sleep(wait_s)
                wait_s = min(2 * wait_s, _RETRY_S_MAX)
                self._has_lost = True
                if not (self._first and isinstance(self._first[0], Wants)):
                    self._first.appendleft(wants())
                self._filled.set()

    async def _write(self, stream: Stream, repair: Callable[[NodeId], None]) -> None:
        while True:
            await self._filled.wait()
            await trio.sleep(GATHER_S)
            while self._first or self._of_strangers:
                await write_frame(stream, encode(self._take()))
            self._filled = trio.Event()
            if self._has_lost:
                self._has_lost = False
                repair(self.peer)

    def _take(self) -> list[Item]:
        """Return the items of the next frame."""
        taken: list[Item] = []
        size = 0
        while len(taken) < ITEMS_MAX and size < _FRAME_BYTES:
            if not (self._first or self._of_strangers):
                break
            item = (self._first or self._of_strangers).popleft()
            size += size_of(item)
            taken.append(item)
        self._bytes = max(0, self._bytes - size)
        return taken
