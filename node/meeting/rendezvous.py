"""Finds who waits at the same place: in the local network, at shared peers, in the DHT.

    Beacon (mDNS)        announces the place for as long as this node waits there
    linked peers         each is told again and again, and says who else named it
    DHT                  this node provides the place, and looks who else does

What is found is a node and where it may be reached; nothing of it is believed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import rendezvous
from commonfab.protocol.meeting.pairing import ADDRESS_LETTERS_MAX, ADDRESSES_MAX
from commonfab.protocol.meeting.rendezvous import Others, Places, Wait, Waiting
from commonfab.protocol.peer_id import peer_text

from .. import clock, log
from ..finding.addresses import Reach, believable, reach_from
from ..finding.dht import Dht
from ..network.frames import read_frame, write_frame
from ..network.mdns import Beacon
from ..network.transport import Stream, Transport, opened

Found = Callable[[NodeId, tuple[str, ...]], None]


class Runs(Protocol):
    async def run(self) -> None: ...


MakeBeacon = Callable[[NodeId, Callable[[], list[str]], str, Found], Runs]
"""Of this node's key, its addresses, the place, and who is to be told: what waits in the local
network; mdns.py has the real one."""

_ASK_EVERY_S = 2.0
_ASK_S = 8.0
_DHT_EVERY_S = 20.0
_PEERS_MAX = 32
"""Linked peers that are asked in one round."""
_SHA2_256 = b"\x12\x20"


class Rendezvous:
    """One for each node: waits for it, and is a place to meet for others."""

    def __init__(
        self,
        transport: Transport,
        dhts: Sequence[Dht] = (),
        announced: Sequence[str] = (),
        make_beacon: MakeBeacon = Beacon,
    ) -> None:
        self._transport = transport
        self._dhts = dhts
        self._announced = announced
        self._make_beacon = make_beacon
        self.places = Places()
        self._waits: set[bytes] = set()
        transport.serve(rendezvous.PROTOCOL, self._answer)

    def addresses(self) -> tuple[str, ...]:
        """Return where this node says that it is reached."""
        me = peer_text(self._transport.me)
        named = [f"{place}/p2p/{me}" for place in self._announced]
        mine = dict.fromkeys([*named, *self._transport.addresses()])
        return tuple(each for each in mine if len(each) <= ADDRESS_LETTERS_MAX)[:ADDRESSES_MAX]

    async def wait(self, place: bytes, found: Found) -> None:
        """Wait at a place, and call `found` for whoever is met there, until cancelled."""
        self._waits.add(place)
        me, addresses = self._transport.me, self._transport.addresses
        beacon = self._make_beacon(me, addresses, place.hex(), found)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(beacon.run)
                nursery.start_soon(self._ask_peers, place, found)
                for dht in self._dhts:
                    nursery.start_soon(self._ask_dht, dht, place, found)
        finally:
            self._waits.discard(place)

    async def _ask_peers(self, place: bytes, found: Found) -> None:
        while True:
            async with trio.open_nursery() as nursery:
                for link in self._transport.links()[:_PEERS_MAX]:
                    nursery.start_soon(self._ask, link.peer, link.address, place, found)
            await trio.sleep(_ASK_EVERY_S)

    async def _ask(self, peer: NodeId, link: str, place: bytes, found: Found) -> None:
        try:
            with trio.fail_after(_ASK_S):
                async with opened(self._transport, peer, rendezvous.PROTOCOL) as stream:
                    await write_frame(stream, rendezvous.encode(Wait(place, self.addresses())))
                    data = await read_frame(stream, rendezvous.RENDEZVOUS_BYTES_MAX)
            others = rendezvous.decode(data or b"", Others)
        except (CommonfabError, trio.TooSlowError) as error:
            log.debug("rendezvous_failed", why=str(error))
            return
        for other in others.nodes:
            self._tell(other, reach_from(link), found)

    def _tell(self, other: Waiting, told_from: Reach, found: Found) -> None:
        node = NodeId(other.node)
        if node != self._transport.me:
            found(node, believable(node, other.addresses, told_from))

    async def _ask_dht(self, dht: Dht, place: bytes, found: Found) -> None:
        key = _SHA2_256 + place
        while True:
            try:
                await dht.provide(key, self._announced)
                for provider in await dht.lookup(key).more():
                    found(provider.peer, provider.addresses)
            except CommonfabError as error:
                log.debug("rendezvous_dht_failed", why=str(error))
            await trio.sleep(_DHT_EVERY_S)

    async def _answer(self, stream: Stream) -> None:
        """Be a place to meet for a peer; if this node waits there too, it says so."""
        with trio.move_on_after(_ASK_S):
            data = await read_frame(stream, rendezvous.RENDEZVOUS_BYTES_MAX)
            said = rendezvous.decode(data or b"", Wait)
            told_from = self._told_from(stream.peer)
            addresses = believable(stream.peer, said.addresses, told_from)
            nodes = self.places.wait(stream.peer, said.place, addresses, clock.now())
            if said.place in self._waits:
                me = Waiting(node=self._transport.me, addresses=())
                nodes = (me, *nodes)[: rendezvous.NODES_PER_PLACE_MAX]
            await write_frame(stream, rendezvous.encode(Others(nodes)))

    def _told_from(self, peer: NodeId) -> Reach:
        links = (link for link in self._transport.links() if link.peer == peer)
        return max(map(reach_from, (link.address for link in links)), default=Reach.INTERNET)
