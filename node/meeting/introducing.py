"""Peers told by peers: answers who asks with a few nodes, and asks where links are few.

It tells only of a node that it has itself lately reached, at an address that this node's own
signed record names: who never published an address is told of to nobody. And it tells nobody
an address that reaches less far than they are.
"""

import random
from collections import OrderedDict
from collections.abc import Callable

import trio

from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import introductions
from commonfab.protocol.meeting.introductions import (
    INTRODUCED_ADDRESSES_MAX,
    INTRODUCED_MAX,
    INTRODUCTION_BYTES_MAX,
    LATELY_MS,
    PROTOCOL,
    Introduced,
    Known,
)

from .. import clock, log
from ..finding.addresses import Reach, believable, reach_from
from ..journal import Journal
from ..library import Library
from ..network.frames import read_frame, write_frame
from ..network.transport import Link, Stream, Transport, opened
from .book import AddressBook

LINKS_ENOUGH = 16
"""With so many links, a node asks nobody for more."""
ASK_AGAIN_S = 600.0
"""One peer is asked once in so long, and answers no more often."""
_LOOK_S = 1.0
_ANSWER_S = 10.0
_ASKERS_MAX = 1024


class Introducing:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        book: AddressBook,
        journal: Journal,
        heard: Callable[[], object],
    ) -> None:
        """`heard` is called when an address was told that is new."""
        self._transport = transport
        self._library = library
        self._book = book
        self._journal = journal
        self._heard = heard
        self._chance = random.Random()  # noqa: S311  # Whom it tells of is no secret.
        self._asked_at: OrderedDict[NodeId, float] = OrderedDict()
        self._told_at: OrderedDict[NodeId, float] = OrderedDict()
        transport.serve(PROTOCOL, self._answer)

    async def run(self) -> None:
        """Ask the linked peers where links are few, until cancelled."""
        while True:
            links = self._transport.links()
            now = trio.current_time()
            if 0 < len(links) < LINKS_ENOUGH:
                for link in links:
                    if _may(self._asked_at, link.peer, now):
                        await self._ask(link)
            await trio.sleep(_LOOK_S)

    async def _ask(self, link: Link) -> None:
        try:
            with trio.fail_after(_ANSWER_S):
                async with opened(self._transport, link.peer, PROTOCOL) as stream:
                    data = await read_frame(stream, INTRODUCTION_BYTES_MAX)
            known = introductions.decode(data or b"")
        except (CommonfabError, trio.TooSlowError) as error:
            if isinstance(error, PeerError):
                self._journal.offend(link.peer, str(error))
            log.debug("introduction_failed", why=str(error))
            return
        for introduced in known.nodes:
            node = NodeId(introduced.node)
            if node != self._transport.me:
                for address in believable(node, introduced.addresses, reach_from(link.address)):
                    if self._book.hear(node, address, clock.now(), teller=link.peer):
                        self._heard()

    async def _answer(self, stream: Stream) -> None:
        if not _may(self._told_at, stream.peer, trio.current_time()):
            raise ResourceError("this peer was told of others a moment ago")
        with trio.move_on_after(_ANSWER_S):
            await write_frame(stream, introductions.encode(self.known_to(stream.peer)))

    def known_to(self, asker: NodeId) -> Known:
        """Return what this node tells a linked peer."""
        links = [link for link in self._transport.links() if link.peer == asker]
        reach = max((reach_from(link.address) for link in links), default=Reach.INTERNET)
        since = clock.now() - LATELY_MS
        found: list[Introduced] = []
        for node, workshop in self._library.workshops.items():
            proven = self._book.has_proven(node, since)
            public = [each for each in proven if each in workshop.addresses]
            addresses = believable(node, public, reach)[:INTRODUCED_ADDRESSES_MAX]
            if addresses and node not in (asker, self._transport.me):
                found.append(Introduced(node=node, addresses=addresses))
        return Known(tuple(self._chance.sample(found, min(INTRODUCED_MAX, len(found)))))


def _may(times: OrderedDict[NodeId, float], peer: NodeId, now: float) -> bool:
    """Tell whether it is time again for a peer, and take note that it was done."""
    if now < times.get(peer, float("-inf")) + ASK_AGAIN_S:
        return False
    times[peer] = now
    times.move_to_end(peer)
    if len(times) > _ASKERS_MAX:
        times.popitem(last=False)
    return True
