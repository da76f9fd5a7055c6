"""Finding who has a design's files, and telling others what is here.

    near ------------> known holders -----> routing servers -----> DHT of the LAN, then of all
    linked peers,      authors, promises,   over HTTP, where       where it is not off and a
    the LAN's first    those who served     one is configured      peer of it is known

A fetch starts with the peers that are linked. Each time that these do not give what it needs,
the next step is taken: a stranger is asked, and dialled, only if nobody nearer has it.
Strangers that were dialled for a fetch are let go after it.
"""

from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import trio

from commonfab.protocol.errors import CommonfabError, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.links.kademlia import REPUBLISH_MS
from commonfab.storage.cid import CID

from .. import clock, log
from ..exchange.bitswap import Progress, Seeker
from ..library import Library
from ..network.transport import Link, Transport
from . import delegated_routing
from .addresses import Reach, reach_of, tried_of
from .dht import Dht, connect, let_go

How = Literal["author", "promised", "served before", "routing server", "DHT"]
Roots = Callable[[], Iterable[CID]]

STRANGERS_MAX = 8
"""Peers that one server, or one of the two DHTs, names, dialled for one fetch."""
_AUTHORS_MAX = 16
_WAY_OUT = "connect to a node that has it (commonfab connect), or open a bundle"
_DIAL_S = 10.0
_DIALS_AT_ONCE = 4
_SERVED_ROOTS_MAX = 1024
_SERVED_PEERS_MAX = 8
_PROVIDE_EVERY_S = 60.0
_PROVIDE_RETRY_MS = 10 * 60_000
"""A root that no server took is offered again after this."""
_PROVIDES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Holder:
    """A peer that has a design's files, or says so, or of whom somebody says so."""

    peer: NodeId
    how: How
    where: str
    """Which server, or which of the two DHTs, told of it; nothing for what is known here."""
    addresses: tuple[str, ...]


class Exchange(Protocol):
    """Fetches blocks from peers; bitswap.py is the real one."""

    async def fetch(
        self,
        root: bytes,
        peers: list[NodeId],
        *,
        progress: Progress | None = None,
        seeker: Seeker | None = None,
    ) -> None: ...


class Finding:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        exchange: Exchange,
        *,
        routers: Sequence[str] = (),
        dhts: Sequence[Dht] = (),
        announced: Sequence[str] = (),
    ) -> None:
        self.transport = transport
        self.routers = tuple(routers)
        self.dhts = tuple(dhts)
        self._library = library
        self._exchange = exchange
        self._announced = tuple(announced)
        self._served: OrderedDict[CID, dict[NodeId, None]] = OrderedDict()
        self._provide_at: dict[CID, int] = {}

    async def known(self, root: CID) -> dict[NodeId, How]:
        """Return the peers that have a root for all that is known here, and how that is known."""
        found: dict[NodeId, How] = {}
        for name in root.versions():  # A record has the one that its author's profile makes.
            authors = await self._library.designs.authors(bytes(name), _AUTHORS_MAX)
            found |= dict.fromkeys(authors, "author")
        found |= {peer: how for peer, how in self._promised(root).items() if peer not in found}
        found.pop(self.transport.me, None)
        return found

    def _promised(self, root: CID) -> dict[NodeId, How]:
        root = root.as_v1()
        found: dict[NodeId, How] = {}
        for promise in self._library.replicas.of(bytes(root), clock.now()):
            found.setdefault(promise.holder, "promised")
        for peer in self._served.get(root, ()):
            found.setdefault(peer, "served before")
        return found

    def near(self, root: CID, *likely: NodeId) -> list[NodeId]:
        """Return the linked peers: the LAN's before the others, the likely ones first in each."""
        holders = [*likely, *self._promised(root)]
        return nearest_first(self.transport.links(), holders)

    def addresses_of(self, peer: NodeId) -> tuple[str, ...]:
        """Return where a workshop says that it is reached."""
        workshop = self._library.workshops.get(peer)
        return tuple(tried_of(peer, workshop.addresses)) if workshop else ()

    async def fetch(
        self, root: bytes, peers: list[NodeId], *, progress: Progress | None = None
    ) -> None:
        """Fetch as the exchange does, and find more peers when `peers` do not give it all."""
        async with self.search(CID.from_bytes(root)) as search:
            try:
                await self._exchange.fetch(root, peers, progress=progress, seeker=search)
            except ResourceError as error:
                raise ResourceError(f"{error}. {search.summary()}") from error

    @asynccontextmanager
    async def search(self, root: CID) -> AsyncGenerator["Search"]:
        """Search for one fetch; afterwards strangers that were dialled are let go."""
        search = Search(self, root)
        try:
            yield search
        finally:
            with trio.move_on_after(1, shield=True):
                await let_go(self.transport, search.strangers)

    async def holders(self, root: CID) -> tuple[list[Holder], list[str]]:
        """Ask everywhere; return who has it, and in words where it was looked for."""
        search = Search(self, root)
        while await search.look():
            pass
        return list(search.holders.values()), search.said

    def served(self, root: CID, peer: NodeId) -> None:
        """Remember that a peer gave blocks of a root."""
        root = root.as_v1()
        peers = self._served.setdefault(root, {})
        peers[peer] = None
        if len(peers) > _SERVED_PEERS_MAX:
            del peers[next(iter(peers))]
        self._served.move_to_end(root)
        if len(self._served) > _SERVED_ROOTS_MAX:
            self._served.popitem(last=False)

    # Telling others.

    async def run(
        self, roots: Roots, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Tell the DHT what this node provides, again before it forgets, until cancelled."""
        task_status.started()
        while self.dhts:
            for dht in self.dhts:
                await dht.tend(clock.now())
            await self.provide_due(list(dict.fromkeys(roots())), clock.now())
            await trio.sleep(_PROVIDE_EVERY_S)

    async def provide_due(self, roots: Sequence[CID], now: int) -> None:
        """Tell of the roots whose time has come."""
        for root in self._provide_at.keys() - set(roots):
            del self._provide_at[root]
        limiter = trio.CapacityLimiter(_PROVIDES_AT_ONCE)
        async with trio.open_nursery() as nursery:
            for root in roots:
                if self._provide_at.get(root, 0) <= now:
                    nursery.start_soon(self._provide, root, now, limiter)

    async def _provide(self, root: CID, now: int, limiter: trio.CapacityLimiter) -> None:
        told = 0
        async with limiter:
            for dht in self.dhts:
                told += await dht.provide(root.multihash, self._announced)
        self._provide_at[root] = now + (REPUBLISH_MS if told else _PROVIDE_RETRY_MS)
        if told:
            log.info("provided", root=str(root), servers=told)


def nearest_first(links: Iterable[Link], holders: Iterable[NodeId]) -> list[NodeId]:
    """Return the linked peers, those outside the LAN last; among each, the holders first."""
    addresses = {link.peer: link.address for link in links}
    peers = dict.fromkeys([*(peer for peer in holders if peer in addresses), *addresses])
    return sorted(peers, key=lambda peer: reach_of(addresses[peer]) is Reach.INTERNET)


class Search:
    """One search for holders, a step at a time: the `Seeker` of a fetch."""

    def __init__(self, finding: Finding, root: CID) -> None:
        self.said: list[str] = []
        """Where was looked, in words."""
        self.strangers: set[NodeId] = set()
        self.holders: dict[NodeId, Holder] = {}
        self._dials: Counter[str] = Counter()
        self._finding = finding
        self._root = root
        self._steps: list[Callable[[], Awaitable[list[Holder] | None]]] = [
            self._look_here,
            *(partial(self._ask_router, router) for router in finding.routers),
            *(self._dht_step(dht) for dht in finding.dhts),
        ]

    async def more(self) -> list[NodeId] | None:
        """Return connected peers that may have it; None if nobody else will be found."""
        while (holders := await self.look()) is not None:
            if peers := await self._connect(holders):
                return peers
        return None

    def served(self, peer: NodeId) -> None:
        self._finding.served(self._root, peer)

    async def look(self) -> list[Holder] | None:
        """Take one step; return the holders that it found, None after the last step."""
        while self._steps:
            holders = await self._steps[0]()
            if holders is None:
                del self._steps[0]
                continue
            new = [each for each in holders if each.peer not in self.holders]
            new = [each for each in new if each.peer != self._finding.transport.me]
            self.holders.update((each.peer, each) for each in new)
            if new:
                return new
        return None

    def summary(self) -> str:
        """Say in words where was looked."""
        if self.said:
            return f"Looked for others: {'; '.join(self.said)}"
        return f"Nobody else is known to have it; {_WAY_OUT}"

    async def _look_here(self) -> list[Holder] | None:
        self._steps[0] = _no_more
        finding = self._finding
        known = await finding.known(self._root)
        if known:
            self.said.append(f"{_counted(len(known), 'peer')} known to have it")
        return [Holder(peer, how, "", finding.addresses_of(peer)) for peer, how in known.items()]

    async def _ask_router(self, router: str) -> list[Holder] | None:
        self._steps[0] = _no_more
        try:
            found = await delegated_routing.providers(router, self._root)
        except CommonfabError as error:
            self.said.append(f"routing server {error}")
            return []
        self.said.append(f"routing server {router}: names {_counted(len(found), 'peer')}")
        return [Holder(each.peer, "routing server", router, each.addresses) for each in found]

    def _dht_step(self, dht: Dht) -> Callable[[], Awaitable[list[Holder] | None]]:
        search = dht.lookup(self._root.multihash)
        names = 0

        async def step() -> list[Holder] | None:
            nonlocal names
            found = await search.more()
            names += len(found)
            if not found:
                asked = _counted(search.asked, "peer")
                self.said.append(f"DHT ({dht.name}): {asked} asked, {names} named as holders")
                return None
            return [Holder(each.peer, "DHT", dht.name, each.addresses) for each in found]

        return step

    async def _connect(self, holders: Sequence[Holder]) -> list[NodeId]:
        """Return those that are linked, or could be dialled now."""
        reached: list[NodeId] = []
        limiter = trio.CapacityLimiter(_DIALS_AT_ONCE)

        async def dial(holder: Holder) -> None:
            is_stranger = holder.how in ("routing server", "DHT")
            async with limiter:
                self._dials[holder.where] += 1
                if is_stranger and self._dials[holder.where] > STRANGERS_MAX:
                    return
                try:
                    with trio.fail_after(_DIAL_S):
                        is_new = await connect(
                            self._finding.transport, holder.peer, holder.addresses
                        )
                except (ResourceError, trio.TooSlowError) as error:
                    log.debug("holder_not_reached", reason=str(error))
                    return
            if is_new and is_stranger:
                self.strangers.add(holder.peer)
            reached.append(holder.peer)

        async with trio.open_nursery() as nursery:
            for holder in holders:
                nursery.start_soon(dial, holder)
        return [holder.peer for holder in holders if holder.peer in reached]


async def _no_more() -> list[Holder] | None:
    return None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
