"""The Kademlia DHT of IPFS: asks it who provides a root, tells it what this node provides,
and, where the operator says so, serves others.

    seeds: linked peers, `dht_peers` --> Lookup (pure) --> question to a peer, three at a time
                                            ^                   |
                                            +---- nearer peers -+--> providers

There are two networks that never mix: one of the internet (WAN) and one of each neighbourhood
(LAN). Nothing is dialled but at a lookup, and nothing is looked up without a peer to begin
with. A stranger that is dialled for a lookup is let go after it.
"""

import math
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from commonfab.protocol.errors import CommonfabError, Malformed, ResourceError
from commonfab.protocol.ids import NodeId, short
from commonfab.protocol.limits import DHT_MESSAGE_BYTES_MAX, MINUTE_MS
from commonfab.protocol.links.kademlia import K, Lookup, Providers, Table
from commonfab.protocol.links.kademlia_wire import LAN, WAN, Contact, Kind, Message, decode, encode
from commonfab.protocol.peer_id import peer_bytes
from commonfab.protocol.protobuf import varint

from .. import clock, log
from ..network.frames import read_exactly
from ..network.transport import Stream, Transport, opened, split_address
from .addresses import Provider, Reach, believed, binary, reach_of, read_binary

_QUESTION_S = 8.0
"""For one question and its answer, a dial included."""
_LOOKUP_S = 45.0
"""For a lookup, or until the next provider that it finds."""
_IDLE_S = 60.0
"""A stream on which no question comes for so long is closed."""
_QUESTIONS_MAX = 100
"""Questions on one stream of a peer's."""
_TEND_MS = 10 * MINUTE_MS
_TRIES_MAX = 2
"""Addresses that are tried of each peer."""
_TRY_S = 3.0
"""For each but the last: a silent one leaves time for the next, and for the question."""
_LENGTH_BYTES_MAX = 3


class Dht:
    """One of the two networks. `serves`: answers others' questions, and may be told of by them.

    `beginnings`: addresses of servers that the operator chose. Make it before the transport runs.
    """

    def __init__(
        self, transport: Transport, reach: Reach, *, serves: bool, beginnings: Iterable[str] = ()
    ) -> None:
        self.name = "LAN" if reach is Reach.NEIGHBOURHOOD else "WAN"
        self._protocol = LAN if reach is Reach.NEIGHBOURHOOD else WAN
        self._transport = transport
        self._reach = reach
        self._beginnings = [each for each in beginnings if self._is_ours(each)]
        self._table = Table(transport.me)
        self._providers = Providers()
        self._serves = serves
        self._tend_at = 0
        if serves:
            transport.serve(self._protocol, self._serve)

    @property
    def known(self) -> int:
        """Return how many servers have answered lately."""
        return len(self._table)

    def lookup(self, key: bytes) -> "DhtSearch":
        """Return a search for those who provide what has this multihash."""
        return DhtSearch(self, Lookup(key, self._transport.me))

    async def provide(self, key: bytes, announced: Iterable[str] = ()) -> int:
        """Tell the nearest servers that this node provides it; return how many were told.

        `announced`: addresses at which it is reached, besides those that it listens at.
        """
        mine = self._own_contact(announced)
        if not mine.addresses:
            return 0
        told = 0
        message = Message(kind=Kind.ADD_PROVIDER, key=key, providers=(mine,))

        async def tell(contact: Contact) -> None:
            nonlocal told
            try:
                with trio.fail_after(_QUESTION_S):
                    async with opened(self._transport, contact.peer, self._protocol) as stream:
                        await _write(stream, message)
                told += 1
            except (CommonfabError, trio.TooSlowError) as error:
                log.debug("dht_not_told", peer=short(contact.peer), reason=str(error))

        async with self.visit() as dialled:
            lookup = await self.run_lookup(Lookup(key, self._transport.me), Kind.FIND_NODE, dialled)
            async with trio.open_nursery() as nursery:
                for contact in lookup.nearest():
                    nursery.start_soon(tell, contact)
        return told

    async def tend(self, now: int) -> None:
        """Where this node serves, make itself known to its neighbours, every ten minutes."""
        if not self._serves or now < self._tend_at:
            return
        self._tend_at = now + _TEND_MS
        async with self.visit() as dialled:
            key = peer_bytes(self._transport.me)
            await self.run_lookup(Lookup(key, self._transport.me), Kind.FIND_NODE, dialled)

    # Asking.

    @asynccontextmanager
    async def visit(self) -> AsyncGenerator[set[NodeId]]:
        """Give a set for the strangers that are dialled, and let them go at the end."""
        dialled: set[NodeId] = set()
        try:
            yield dialled
        finally:
            with trio.move_on_after(1, shield=True):
                await let_go(self._transport, dialled)

    async def run_lookup(
        self,
        lookup: Lookup,
        kind: Kind,
        dialled: set[NodeId],
        found: Callable[[list[Provider]], bool] = lambda _: False,
    ) -> Lookup:
        """Go on with a lookup until it is over, or `found` says that it is enough for now."""
        lookup.hear_of(await self._seeds(lookup.key, dialled))
        with trio.move_on_after(_LOOKUP_S) as scope:
            async with trio.open_nursery() as nursery:

                async def ask(contact: Contact) -> None:
                    try:
                        answer = await self._ask(contact, kind, lookup.key, dialled)
                    except (CommonfabError, trio.TooSlowError) as error:
                        log.debug("dht_no_answer", peer=short(contact.peer), reason=str(error))
                        self._table.lost(contact.peer)
                        lookup.failed(contact.peer)
                    except trio.Cancelled:
                        lookup.put_back(contact.peer)
                        raise
                    else:
                        self._table.met(contact)
                        told_from = self._told_from(contact.peer)
                        lookup.answered(contact.peer, self._sifted(answer.closer, told_from))
                        if found(self._as_providers(answer.providers, told_from)):
                            scope.cancel()
                            return
                    ask_more()

                def ask_more() -> None:
                    for contact in lookup.next_to_ask():
                        nursery.start_soon(ask, contact)

                ask_more()
        return lookup

    async def _ask(self, contact: Contact, kind: Kind, key: bytes, dialled: set[NodeId]) -> Message:
        with trio.fail_after(_QUESTION_S):
            await self._reach_out(contact, dialled)
            async with opened(self._transport, contact.peer, self._protocol) as stream:
                await _write(stream, Message(kind=kind, key=key))
                answer = await _read(stream)
        if answer is None or answer.kind is not kind:
            raise Malformed(f"{short(contact.peer)} answered another question")
        return answer

    async def _reach_out(self, contact: Contact, dialled: set[NodeId]) -> None:
        addresses = _texts(contact, self._least_reach())
        if await connect(self._transport, contact.peer, addresses):
            dialled.add(contact.peer)

    async def _seeds(self, key: bytes, dialled: set[NodeId]) -> list[Contact]:
        """Return the servers to begin with; dial the chosen ones where none is known."""
        links = [link for link in self._transport.links() if self._is_ours(link.address)]
        seeds = self._table.nearest(key)
        for link in links:
            dialled_at = () if link.inbound else (binary(link.address),)
            seeds.append(Contact(link.peer, dialled_at))
        if not self._table:
            for address in self._beginnings:
                peer = split_address(address)[1]
                try:
                    if await connect(self._transport, peer, [address]):
                        dialled.add(peer)
                except ResourceError as error:
                    log.debug("dht_beginning_unreachable", reason=str(error))
                else:
                    seeds.append(Contact(peer, (binary(address),)))
        return seeds

    def _is_ours(self, address: str) -> bool:
        """Tell whether an address belongs to this network, of the two."""
        reach = reach_of(address)
        if reach is None:
            return False
        return (reach is Reach.INTERNET) == (self._reach is Reach.INTERNET)

    def _least_reach(self) -> Reach:
        return Reach.COMPUTER if self._reach is Reach.NEIGHBOURHOOD else Reach.INTERNET

    def _told_from(self, peer: NodeId) -> Reach:
        """Return from how far a peer speaks that is linked, or was a moment ago."""
        for link in self._transport.links():
            if link.peer == peer:
                reach = reach_of(link.address)
                return self._reach if reach is None else reach
        return self._reach

    def _sifted(self, contacts: Iterable[Contact], told_from: Reach) -> list[Contact]:
        """Return those with an address that may be dialled, with such addresses only."""
        sifted: list[Contact] = []
        for contact in contacts:
            addresses = tuple(binary(each) for each in _texts(contact, self._floor(told_from)))
            if addresses or contact.peer in _linked(self._transport):
                sifted.append(Contact(contact.peer, addresses))
        return sifted

    def _as_providers(self, contacts: Iterable[Contact], told_from: Reach) -> list[Provider]:
        floor = self._floor(told_from)
        return [Provider(contact.peer, _texts(contact, floor)) for contact in contacts]

    def _floor(self, told_from: Reach) -> Reach:
        return max(told_from, self._least_reach())

    # Serving.

    async def _serve(self, stream: Stream) -> None:
        """Answer a peer's questions until it ends the stream."""
        for _ in range(_QUESTIONS_MAX):
            question: Message | None = None
            with trio.move_on_after(_IDLE_S):
                question = await _read(stream)
            if question is None:
                return
            answer = self._answer(stream.peer, question)
            if answer is not None:
                with trio.fail_after(_QUESTION_S):
                    await _write(stream, answer)

    def _answer(self, asker: NodeId, question: Message) -> Message | None:
        kind, key = question.kind, question.key
        if kind is Kind.PING:
            return Message(kind=kind)
        if kind is Kind.PUT_VALUE or not key:
            raise ResourceError("this server keeps no values")
        if kind is Kind.ADD_PROVIDER:
            told_from = self._told_from(asker)
            for contact in self._sifted(question.providers, told_from):
                if contact.peer == asker and contact.addresses:
                    self._providers.add(key, contact, clock.now())
            return None
        closer = tuple(self._table.nearest(key, without=asker))
        providers: tuple[Contact, ...] = ()
        if kind is Kind.GET_PROVIDERS:
            providers = tuple(self._providers.get(key, clock.now()))
        return Message(kind=kind, key=key, closer=closer, providers=providers)

    def _own_contact(self, announced: Iterable[str]) -> Contact:
        everywhere = [*announced, *self._transport.addresses()]
        mine = believed(self._transport.me, everywhere, self._least_reach())
        return Contact(self._transport.me, tuple(binary(each) for each in mine))


class DhtSearch:
    """One search for the providers of a key, which goes on where it stopped."""

    def __init__(self, dht: Dht, lookup: Lookup) -> None:
        self.dht = dht
        self._lookup = lookup
        self._found: dict[NodeId, Provider] = {}

    @property
    def asked(self) -> int:
        return self._lookup.asked

    async def more(self) -> list[Provider]:
        """Return providers that were not returned before; none once the search is over."""
        new: list[Provider] = []

        def found(providers: list[Provider]) -> bool:
            fresh = [each for each in providers[: 2 * K] if each.peer not in self._found]
            self._found.update((each.peer, each) for each in fresh)
            new.extend(fresh)
            return bool(fresh)

        async with self.dht.visit() as dialled:
            await self.dht.run_lookup(self._lookup, Kind.GET_PROVIDERS, dialled, found)
            dialled -= {provider.peer for provider in new}
        return new


async def connect(transport: Transport, peer: NodeId, addresses: Iterable[str]) -> bool:
    """Have a link to a peer; tell whether it had to be dialled. `ResourceError` if it cannot be."""
    if peer in _linked(transport):
        return False
    failure = "no address of it may be dialled"
    tried = list(addresses)[:_TRIES_MAX]
    for address in tried:
        with trio.move_on_after(math.inf if address == tried[-1] else _TRY_S) as in_time:
            try:
                await transport.connect(address)
            except CommonfabError as error:
                failure = str(error)
            else:
                return True
        if in_time.cancelled_caught:
            failure = f"nobody answers at {address}"
    raise ResourceError(f"{short(peer)} cannot be reached: {failure}")


async def let_go(transport: Transport, peers: Iterable[NodeId]) -> None:
    """Disconnect peers that were dialled for one purpose."""
    for peer in peers:
        await transport.disconnect(peer)


def _linked(transport: Transport) -> set[NodeId]:
    return {link.peer for link in transport.links()}


def _texts(contact: Contact, told_from: Reach) -> tuple[str, ...]:
    texts = [text for address in contact.addresses if (text := read_binary(address))]
    return believed(contact.peer, texts, told_from)


async def _write(stream: Stream, message: Message) -> None:
    data = encode(message)
    await stream.write(varint(len(data)) + data)


async def _read(stream: Stream) -> Message | None:
    """Read one message behind its length; None at the end of the stream."""
    length = shift = 0
    for index in range(_LENGTH_BYTES_MAX):
        byte = await stream.read(1)
        if not byte and not index:
            return None
        if not byte:
            raise Malformed("the stream ended in a message's length")
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    else:
        raise Malformed("a message's length takes more than three bytes")
    if length > DHT_MESSAGE_BYTES_MAX:
        raise Malformed(f"a message of {length} bytes; at most {DHT_MESSAGE_BYTES_MAX}")
    body = await read_exactly(stream, length)
    if body is None and length:
        raise Malformed("the stream ended after a message's length")
    return decode(body or b"")
