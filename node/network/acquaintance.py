"""Keeps this node connected: to the peers in its configuration, its friends, and others it knows.

Addresses come from the configuration, from the person, from mDNS, from workshops' own
records, and from peers (the address book). An address is dialled only if it names the node that
it is said to lead to.

    always            configured peers, friends, whoever there is mail for
    links are few     the bootstrap list
    few are near      workshops of the areas that are heard here: their news comes no other way
    there is room     nodes in the book, the one reached last first; workshops; then hints
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import trio

from commonfab.protocol.errors import CommonfabError, ResourceError
from commonfab.protocol.gossip.areas import area_of, heard_at
from commonfab.protocol.ids import NodeId

from .. import clock
from ..finding.addresses import tried_of
from ..journal import Journal
from ..library import Library
from ..meeting.book import subnet_of
from ..meeting.register import Met, Register
from .transport import Transport, split_address

LINKS_WANTED = 16
"""Beyond it no node is dialled only because it is known."""
LINKS_FEW = 4
"""Below it the bootstrap list is used."""
LINKS_NEAR = 6
"""Of workshops in the areas that are heard here; below it they are dialled however many links
there are."""
SUBNET_LINKS_MAX = 4
"""Of one subnet, nodes that are dialled in one round only because they are known."""
_ROUND_S = 2.0
_RETRY_S_MIN = 2.0
_RETRY_S_MAX = 300.0
_DIALS_AT_ONCE = 4
_SAVE_S = 30.0
_RETRIES_MAX = 4096
_LOOK_NEAR_S = 30.0
_NEAR_UDEG_MAX = 5_000_000
"""No area that is heard here begins so far to the north or the south."""


class Acquaintance:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        journal: Journal,
        register: Register,
        *,
        peers: Iterable[str] = (),
        bootstrap: Iterable[str] = (),
    ) -> None:
        self._transport = transport
        self._library = library
        self._journal = journal
        self._register = register
        self._book = register.book
        self._wanted = list(peers)
        """Addresses that somebody asked for: always tried again."""
        self._bootstrap = list(bootstrap)
        self._retry_at: dict[str, float] = {}
        self._waits: dict[str, float] = {}
        self._sought: set[NodeId] = set()
        self._near: list[NodeId] = []
        self._look_near_at = 0.0
        self._now = trio.Event()
        self.on_friend: Callable[[], None] = self._now.set
        """Called when there is a new friend."""
        self._chance = random.Random()  # noqa: S311  # Which is dialled first is no secret.
        for friend in register.friends:
            transport.know(friend)

    def is_known(self, peer: NodeId) -> bool:
        """Tell whether a peer is this node, one that its operator chose, or else no stranger."""
        standing = self._library.standing_of(peer)
        if standing.rank == 0 or standing.tier == "not believed":
            return standing.rank == 0
        if peer == self._transport.me or peer in self._register.friends:
            return True
        return any(_leads_to(address) == peer for address in self._wanted)

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

    async def befriend(self, met: Met) -> None:
        """Keep a node as a friend: a place at the door, and its addresses for good."""
        await self._register.befriend(met)
        node = NodeId(met.node)
        self._transport.know(node)
        self._note_links()
        for address in met.addresses:
            if _leads_to(address) == node:
                self._book.hear(node, address, clock.now())
        self._now.set()
        self.on_friend()
        await self._save()

    def begin_with(self, addresses: Iterable[str]) -> None:
        """Replace the bootstrap list."""
        self._bootstrap = list(addresses)
        self._now.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial who is missing, round after round, until cancelled."""
        task_status.started()
        dialling = trio.CapacityLimiter(_DIALS_AT_ONCE)
        save_at = trio.current_time() + _SAVE_S
        try:
            while True:
                self._note_links()
                async with trio.open_nursery() as nursery:
                    for address in self.due():
                        nursery.start_soon(self._dial, address, dialling)
                if trio.current_time() >= save_at:
                    self._book.forget(clock.now(), keep=self._register.friends)
                    await self._save()
                    save_at = trio.current_time() + _SAVE_S
                with trio.move_on_after(_ROUND_S):
                    await self._now.wait()
                self._now = trio.Event()
        finally:
            with trio.move_on_after(1, shield=True):
                await self._save()

    def _note_links(self) -> None:
        now = clock.now()
        for link in self._transport.links():
            if link.inbound or _leads_to(link.address) != link.peer:
                self._book.seen(link.peer, now)
            else:
                self._book.reached(link.peer, link.address, now)

    async def _save(self) -> None:
        try:
            await self._register.save_book()
        except ResourceError as error:
            self._journal.warn("disk", str(error))

    def due(self) -> list[str]:
        """Return the addresses to dial now, none of a peer that is connected."""
        linked = {link.peer for link in self._transport.links()}
        self._sought -= linked
        now = trio.current_time()
        due: dict[str, None] = {}
        for address in self._always():
            if _leads_to(address) not in linked:
                due[address] = None
        if len(linked) < LINKS_FEW:
            begin = [each for each in self._bootstrap if _leads_to(each) not in linked]
            due.update(dict.fromkeys(self._chance.sample(begin, len(begin))))
        near = self._near_here(now)
        room = LINKS_NEAR - len(linked.intersection(near))
        if room > 0:
            due.update(dict.fromkeys(self._some_of(self._to_try(near), room, linked, now)))
        room = LINKS_WANTED - len(linked)
        if room > 0:
            due.update(dict.fromkeys(self._some_of(self._candidates(), room, linked, now)))
        return [address for address in due if self._is_rested(address, now)]

    def _always(self) -> Iterator[str]:
        yield from self._wanted
        for node in [*self._sought, *self._register.friends]:
            yield from self._addresses_of(node)

    def _near_here(self, now: float) -> list[NodeId]:
        """Return the workshops in the areas that are heard here, in the order of chance."""
        if now >= self._look_near_at:
            self._look_near_at = now + _LOOK_NEAR_S
            workshops = self._library.workshops
            here = workshops.get(self._transport.me)
            areas = heard_at([here.place]) if here else frozenset[int]()
            self._near = [
                node
                for node, workshop in workshops.items()
                if here
                and abs(workshop.place.lat_udeg - here.place.lat_udeg) < _NEAR_UDEG_MAX
                and area_of(workshop.place) in areas
            ]
            self._chance.shuffle(self._near)
        return self._near

    def _some_of(
        self, candidates: Iterable[tuple[NodeId, str]], room: int, linked: set[NodeId], now: float
    ) -> Iterator[str]:
        """Yield addresses of so many of the candidates, no crowd of one subnet."""
        crowds: Counter[str] = Counter()
        passed = linked | {self._transport.me}
        for node, first in candidates:
            if node in passed or not self._is_rested(first, now):
                continue
            subnet = subnet_of(first)
            if crowds[subnet] >= SUBNET_LINKS_MAX:
                continue
            crowds[subnet] += 1
            passed.add(node)
            yield from self._addresses_of(node)
            room -= 1
            if room <= 0:
                return

    def _candidates(self) -> Iterator[tuple[NodeId, str]]:
        known = list(self._book.to_dial(clock.now()))
        proven = [each for each in known if self._book.has_proven(each[0], 0)]
        yield from proven
        yield from self._to_try(self._library.workshops)
        yield from known[len(proven) :]

    def _to_try(self, nodes: Iterable[NodeId]) -> Iterator[tuple[NodeId, str]]:
        for node in nodes:
            first = next(self._addresses_of(node), None)
            if first is not None:
                yield node, first

    def _addresses_of(self, node: NodeId) -> Iterator[str]:
        """Yield where a node may be reached: proven addresses, its own word, and hints."""
        workshop = self._library.workshops.get(node)
        said = tried_of(node, workshop.addresses) if workshop else ()
        for address in dict.fromkeys([*self._book.addresses_of(node), *said]):
            if _leads_to(address) == node:
                yield address

    def _is_rested(self, address: str, now: float) -> bool:
        return self._retry_at.get(address, 0) <= now

    async def _dial(self, address: str, dialling: trio.CapacityLimiter) -> None:
        async with dialling:
            node = _leads_to(address)
            if any(link.peer == node for link in self._transport.links()):
                return
            try:
                await self._transport.connect(address)
            except CommonfabError as error:
                self._put_off(address)
                if node is not None:
                    self._book.failed(node, address, clock.now())
                if self._waits[address] == _RETRY_S_MIN:
                    self._journal.tell("dial_failed", address=address, reason=str(error))
            else:
                self._waits.pop(address, None)
                self._retry_at.pop(address, None)
                self._note_links()

    def _put_off(self, address: str) -> None:
        wait_s = min(2 * self._waits.get(address, _RETRY_S_MIN / 2), _RETRY_S_MAX)
        for times in (self._waits, self._retry_at):
            if len(times) >= _RETRIES_MAX:
                del times[next(iter(times))]
        self._waits[address] = wait_s
        self._retry_at[address] = trio.current_time() + wait_s


@lru_cache(maxsize=2 * _RETRIES_MAX)
def _leads_to(address: str) -> NodeId | None:
    try:
        return split_address(address)[1]
    except CommonfabError:
        return None
