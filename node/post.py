"""Carries letters: records that are meant for one node, over streams of their own.

A letter may get lost, as far as the protocol is concerned, so the post never waits for
an answer, keeps a short queue for each peer, and drops what does not fit.
"""

from collections.abc import Callable

import trio

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import ENVELOPE_BYTES_MAX
from commonfab.protocol.records import Record

from .driver import Driver
from .network.frames import read_frame, write_frame
from .network.transport import Stream, Transport, opened

PROTOCOL = "/commonfab/letters/1"
_QUEUE_MAX = 1024
"""Letters that wait for one peer: the requests for a large order."""
_IDLE_S = 60
_WRITE_S = 10


class Post:
    """One for each node."""

    def __init__(self, transport: Transport, reach: Callable[[NodeId], None]) -> None:
        """`reach` is told of a peer that has mail and is not connected."""
        self._transport = transport
        self._reach = reach
        self._queues: dict[NodeId, trio.MemorySendChannel[bytes]] = {}
        self._new: trio.MemorySendChannel[tuple[NodeId, trio.MemoryReceiveChannel[bytes]]]
        self._new, self._opened = trio.open_memory_channel[
            tuple[NodeId, trio.MemoryReceiveChannel[bytes]]
        ](_QUEUE_MAX)

    def serve(self, driver: Driver) -> None:
        """Take in letters for this node. Call it before the transport runs."""

        async def take(stream: Stream) -> None:
            while (data := await read_frame(stream, ENVELOPE_BYTES_MAX)) is not None:
                await driver.receive(stream.peer, [data])

        self._transport.serve(PROTOCOL, take)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for peer, queue in self._opened:
                nursery.start_soon(self._deliver, peer, queue)

    def send(self, to: NodeId, record: Record) -> None:
        """Queue a letter; it is dropped if too many wait."""
        queue = self._queues.get(to)
        if queue is None:
            queue, waiting = trio.open_memory_channel[bytes](_QUEUE_MAX)
            try:
                self._new.send_nowait((to, waiting))
            except trio.WouldBlock:
                return
            self._queues[to] = queue
        try:
            queue.send_nowait(record.data)
        except trio.WouldBlock:
            return

    async def _deliver(self, peer: NodeId, queue: trio.MemoryReceiveChannel[bytes]) -> None:
        """Deliver one peer's letters until there are none for a while."""
        while True:
            first = None
            with trio.move_on_after(_IDLE_S):
                first = await queue.receive()
            if first is None:
                if queue.statistics().current_buffer_used:
                    continue
                del self._queues[peer]
                return
            try:
                await self._deliver_some(peer, first, queue)
            except CommonfabError:
                # Lost, like any letter; the peer is looked for, and what matters is said again.
                self._reach(peer)

    async def _deliver_some(
        self, peer: NodeId, first: bytes, queue: trio.MemoryReceiveChannel[bytes]
    ) -> None:
        async with opened(self._transport, peer, PROTOCOL) as stream:
            letter: bytes | None = first
            while letter is not None:
                with trio.move_on_after(_WRITE_S) as in_time:
                    await write_frame(stream, letter)
                if in_time.cancelled_caught:
                    await stream.reset()
                    return
                letter = None
                with trio.move_on_after(_IDLE_S):
                    letter = await queue.receive()
