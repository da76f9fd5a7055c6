"""Nodes reduced to what meeting needs: a transport, a memory, and the services of meeting."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from commonfab.node.journal import Journal
from commonfab.node.library import Library
from commonfab.node.meeting.meeting import Meeting
from commonfab.node.meeting.register import Register
from commonfab.node.meeting.rendezvous import Found
from commonfab.node.network.acquaintance import Acquaintance
from commonfab.node.network.transport import Link, Transport
from commonfab.protocol.ids import NodeId
from commonfab.storage.memory import MemoryRecordStore

WAIT_S = 20.0


class Heard:
    """Takes note of whom it is told of."""

    def __init__(self) -> None:
        self.nodes: set[NodeId] = set()

    def __call__(self, node: NodeId, addresses: tuple[str, ...]) -> None:
        self.nodes.add(node)


class Silence:
    """A local network in which nobody is heard."""

    def __init__(
        self, me: NodeId, addresses: Callable[[], list[str]], place: str, found: Found
    ) -> None: ...

    async def run(self) -> None:
        await trio.sleep_forever()


@dataclass
class Person:
    """One node, as far as meeting goes."""

    transport: Transport
    library: Library
    register: Register
    acquaintance: Acquaintance
    meeting: Meeting
    journal: Journal

    @property
    def me(self) -> NodeId:
        return self.transport.me

    def links(self) -> dict[NodeId, Link]:
        return {link.peer: link for link in self.transport.links()}

    async def connect(self, other: "Person") -> None:
        await self.transport.connect(other.transport.addresses()[0])


def a_person(
    transport: Transport,
    folder: Path,
    *,
    store: MemoryRecordStore | None = None,
    psk: bytes | None = None,
    bootstrap: tuple[str, ...] = (),
) -> Person:
    """Put a node together; `store` is what it kept when it ran before."""
    library = Library(store or MemoryRecordStore())
    register, journal = Register(library), Journal()
    acquaintance = Acquaintance(transport, library, journal, register, bootstrap=bootstrap)
    accepted = folder / f"{transport.me.hex()[:8]}.accepted"
    meeting = Meeting(
        transport,
        library,
        register,
        acquaintance,
        journal,
        accepted,
        psk=psk,
        make_beacon=Silence,
    )
    return Person(transport, library, register, acquaintance, meeting, journal)


@asynccontextmanager
async def awake(*people: Person) -> AsyncGenerator[None]:
    """Run nodes for a block."""
    async with trio.open_nursery() as nursery:
        for person in people:
            await nursery.start(person.transport.run)
            await nursery.start(person.acquaintance.run)
            await nursery.start(person.meeting.run)
        with trio.fail_after(WAIT_S):
            yield
        nursery.cancel_scope.cancel()


async def eventually(is_so: Callable[[], object]) -> None:
    """Return once it is so; `awake` sets the time."""
    while not is_so():  # noqa: ASYNC110  # It may depend on several nodes at once.
        await trio.sleep(0.01)
