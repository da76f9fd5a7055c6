"""A peer whose every letter is written by hand: it has a key and a place in the network, and no
node. What it sends is signed and well formed; what it means by it is the test's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio

from commonfab.node import clock
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Stream, opened
from commonfab.node.node import Node
from commonfab.node.post import PROTOCOL
from commonfab.protocol import envelope, records
from commonfab.protocol.body import Body
from commonfab.protocol.limits import CAPACITY_TERM_MS_MAX, ENVELOPE_BYTES_MAX
from commonfab.protocol.records import Record
from tests.builders import a_capacity, a_machine, a_workshop
from tests.node.village import WAIT_S
from tests.protocol.signers import Person

B = TypeVar("B", bound=Body)


def now() -> dict[str, Any]:
    """Return the field `at` of a letter that is written now. Any: it goes to a builder."""
    return {"at": clock.now()}


@dataclass
class HandMade:
    person: Person
    transport: MemoryTransport
    came: list[Record] = field(default_factory=list[Record])
    """Letters that were not waited for yet, as they came."""
    _news: trio.Event = field(default_factory=trio.Event)

    async def send(self, to: Node, *letters: Record | bytes) -> None:
        async with opened(self.transport, to.me, PROTOCOL) as stream:
            for letter in letters:
                await write_frame(stream, letter if isinstance(letter, bytes) else letter.data)

    async def offer_cheaply(self, to: Node, **changes: Any) -> None:
        """Have a workshop at hand that makes all for nothing. Any: fields of its machine."""
        machine = a_machine(price_minor_per_hour=0, free_at=0, **changes)
        until = clock.now() + CAPACITY_TERM_MS_MAX
        await self.send(
            to,
            a_workshop(self.person, place=to.settings.workshop.place_for_others(), **now()),
            a_capacity(self.person, machines=(machine,), until=until, **now()),
        )

    async def receive(self, kind: type[B]) -> Record:
        """Return the next letter of a kind; those of others that came before it are dropped."""
        with trio.fail_after(WAIT_S):
            while True:
                while self.came:
                    record = self.came.pop(0)
                    if isinstance(record.body, kind):
                        return record
                self._news = trio.Event()
                await self._news.wait()

    async def serve(self, stream: Stream) -> None:
        while (data := await read_frame(stream, ENVELOPE_BYTES_MAX)) is not None:
            self.came.append(records.read(envelope.parse(data)))
            self._news.set()


@asynccontextmanager
async def hand_made(
    person: Person, network: MemoryNetwork, *neighbours: Node
) -> AsyncGenerator[HandMade]:
    """Run a peer that answers nothing by itself, linked to these nodes."""
    peer = HandMade(person, MemoryTransport(person.node, network))
    peer.transport.serve(PROTOCOL, peer.serve)
    async with trio.open_nursery() as nursery:
        await nursery.start(peer.transport.run)
        for node in neighbours:
            await peer.transport.connect(node.transport.addresses()[0])
        yield peer
        nursery.cancel_scope.cancel()
