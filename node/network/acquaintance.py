"""Keeps this node connected: to the peers in its configuration, and to workshops it knows of.

Addresses come from the configuration, from the person, from mDNS, and from workshops'
own records. An address is dialled only if it names the node that it is said to lead to.
"""

from collections.abc import Iterable

import trio

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId

from ..journal import Journal
from ..library import Library
from .transport import Transport, split_address

LINKS_WANTED = 16
"""Beyond it no workshop is dialled only because it is known."""
_ROUND_S = 2.0
_RETRY_S_MIN = 2.0
_RETRY_S_MAX = 300.0
_DIALS_AT_ONCE = 4


class Acquaintance:
    """One for each node."""

    def __init__(
        self, transport: Transport, library: Library, journal: Journal, peers: Iterable[str]
    ) -> None:
        self._transport = transport
        self._library = library
        self._journal = journal
        self._wanted = list(peers)
        """Addresses that somebody asked for: always tried again."""
        self._retry_at: dict[str, float] = {}
        self._waits: dict[str, float] = {}
        self._sought: set[NodeId] = set()
        self._now = trio.Event()

    def seek(self, peer: NodeId) -> None:
        """Ask for a link to a peer for whom there is mail."""
        self._sought.add(peer)
        self._now.set()

    def look_again(self) -> None:
        """Say that an address may have become known."""
        self._now.set()

    async def connect(self, address: str) -> NodeId:
        """Dial at a person's wish, and keep the address for later."""
        peer = await self._transport.connect(address)
        if address not in self._wanted:
            self._wanted.append(address)
        return peer

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial who is missing, round after round, until cancelled."""
        task_status.started()
        dialling = trio.CapacityLimiter(_DIALS_AT_ONCE)
        while True:
            async with trio.open_nursery() as nursery:
                for address in self._due():
                    nursery.start_soon(self._dial, address, dialling)
            with trio.move_on_after(_ROUND_S):
                await self._now.wait()
            self._now = trio.Event()

    def _due(self) -> list[str]:
        """Return the addresses to dial now, none of a peer that is connected."""
        linked = {link.peer for link in self._transport.links()}
        self._sought -= linked
        due = [address for address in self._wanted if _leads_to(address) not in linked]
        room = LINKS_WANTED - len(linked)
        for node, workshop in self._library.workshops.items():
            if node in linked or node == self._transport.me:
                continue
            if node in self._sought or room > 0:
                room -= 1
                due.extend(a for a in workshop.addresses[:4] if _leads_to(a) == node)
        now = trio.current_time()
        return [a for a in dict.fromkeys(due) if self._retry_at.get(a, 0) <= now]

    async def _dial(self, address: str, dialling: trio.CapacityLimiter) -> None:
        async with dialling:
            try:
                await self._transport.connect(address)
            except CommonfabError as error:
                wait_s = min(2 * self._waits.get(address, _RETRY_S_MIN / 2), _RETRY_S_MAX)
                self._waits[address] = wait_s
                self._retry_at[address] = trio.current_time() + wait_s
                if wait_s == _RETRY_S_MIN:
                    self._journal.tell("dial_failed", address=address, reason=str(error))
            else:
                self._waits.pop(address, None)
                self._retry_at.pop(address, None)


def _leads_to(address: str) -> NodeId | None:
    try:
        return split_address(address)[1]
    except CommonfabError:
        return None
