"""From a relay to a direct link: both sides dial each other at the same moment (DCUtR).

    alice == relay == bob          alice came to bob through a relay; bob leads
    bob --CONNECT: where I am seen--> alice
    bob <--CONNECT: where I am seen-- alice           and bob knows the round trip
    bob                                               dials alice plainly, in case that works
    bob --SYNC--> alice                               bob waits for half of the round trip
    bob ==SYN==><==SYN== alice     each router lets in what answers its own side's packet

Both dial from the port where they listen, for a router shows that one to everybody in the same
place (libp2p specs, relay/DCUtR.md; RFC 5382). On the connection that comes of two dials at
once, alice counts as the one who dialled.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from commonfab.protocol.errors import CommonfabError, Malformed, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    MESSAGE_STALL_S_MAX,
    RELAY_ADDRESSES_MAX,
    RELAY_MESSAGE_BYTES_MAX,
)
from commonfab.protocol.links.relay_wire import DCUTR, Punch, PunchKind, decode_punch, encode_punch
from commonfab.protocol.peer_id import peer_text

from .. import log
from ..finding.addresses import Reach, believed, binary, reach_of, read_binary
from .frames import read_delimited, write_delimited
from .relaying import is_circuit
from .transport import Link, Stream, Transport, opened

_ROUNDS_MAX = 3
_PLAIN_S_MAX = 2.0
"""How long a plain dial may take before both dial at once."""
_PUNCH_S_MAX = 5.0
_ADDRESSES_TRIED = 4


class Puncher(Transport, Protocol):
    """What punching needs besides of a transport."""

    def is_direct(self, peer: NodeId) -> bool:
        """Tell whether a connection to the peer needs no relay."""
        ...

    async def dial_plainly(self, address: str) -> bool:
        """Add a direct connection to a peer that is linked; tell whether it worked."""
        ...

    async def dial_at_once(self, address: str, *, as_dialler: bool) -> bool:
        """Dial from the port where this node listens, while the peer does the same."""
        ...


class Punching:
    """One for each node that speaks libp2p."""

    def __init__(self, puncher: Puncher, places: Callable[[], Sequence[str]]) -> None:
        """`places` tells where this node may be dialled, without /p2p/…, the likeliest first."""
        self._puncher = puncher
        self._places = places
        self.made = 0
        """Direct links that came of it."""
        puncher.serve(DCUTR, self._follow)

    async def lead(self, link: Link) -> bool:
        """Try to reach a peer directly that came through a relay; tell whether it worked."""
        for _ in range(_ROUNDS_MAX):
            try:
                with trio.fail_after(3 * MESSAGE_STALL_S_MAX):
                    async with opened(self._puncher, link.peer, DCUTR) as stream:
                        await self._lead_once(stream, link)
            except (CommonfabError, trio.TooSlowError) as error:
                log.debug("punch_failed", peer=peer_text(link.peer), why=str(error))
                return False
            if self._puncher.is_direct(link.peer):
                self.made += 1
                return True
        return False

    async def _lead_once(self, stream: Stream, link: Link) -> None:
        began_at = trio.current_time()
        await self._send(stream, PunchKind.CONNECT, self._places())
        theirs = await _receive(stream, PunchKind.CONNECT)
        round_trip_s = trio.current_time() - began_at
        addresses = self._believed(link, theirs)
        if not addresses:
            raise ResourceError("it is not known where to dial")
        with trio.move_on_after(_PLAIN_S_MAX):
            for address in addresses:
                if await self._puncher.dial_plainly(address):
                    return
        await self._send(stream, PunchKind.SYNC, ())
        await trio.sleep(round_trip_s / 2)
        await self._dial_all(link.peer, addresses, as_dialler=False)

    async def _follow(self, stream: Stream) -> None:
        link = next((e for e in self._puncher.links() if e.peer == stream.peer), None)
        if link is None or not is_circuit(link.address) or link.inbound:
            raise Malformed("nobody came through a relay here")
        with trio.fail_after(3 * MESSAGE_STALL_S_MAX):
            theirs = await _receive(stream, PunchKind.CONNECT)
            await self._send(stream, PunchKind.CONNECT, self._places())
            if await _is_over(stream):
                return
        await self._dial_all(link.peer, self._believed(link, theirs), as_dialler=True)

    async def _dial_all(self, peer: NodeId, addresses: Sequence[str], *, as_dialler: bool) -> None:
        async def dial(address: str) -> None:
            if await self._puncher.dial_at_once(address, as_dialler=as_dialler):
                scope.cancel()

        with trio.move_on_after(_PUNCH_S_MAX) as scope:
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    nursery.start_soon(dial, address)

    def _believed(self, link: Link, theirs: Punch) -> tuple[str, ...]:
        """Return those of the peer's addresses that may be dialled at its word.

        Those of a local network only if both are seen to come from the same place.
        """
        places = [place for each in theirs.addresses if (place := read_binary(each))]
        told_from = reach_of(link.address.partition("/p2p/")[0])
        if told_from is None:
            return ()
        if told_from == Reach.INTERNET and _hosts(places) & _hosts(self._places()):
            told_from = Reach.NEIGHBOURHOOD
        return believed(link.peer, places, told_from)[:_ADDRESSES_TRIED]

    async def _send(self, stream: Stream, kind: PunchKind, places: Sequence[str]) -> None:
        good = [binary(place) for place in places if reach_of(place) is not None]
        message = Punch(kind=kind, addresses=tuple(good[:RELAY_ADDRESSES_MAX]))
        await write_delimited(stream, encode_punch(message))


async def _receive(stream: Stream, kind: PunchKind) -> Punch:
    data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
    message = decode_punch(data or b"")
    if message.kind != kind:
        raise Malformed(f"{message.kind.name} where {kind.name} is due")
    return message


async def _is_over(stream: Stream) -> bool:
    """Wait for SYNC; tell whether the leader needed none."""
    data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
    if data is None:
        return True
    if decode_punch(data).kind != PunchKind.SYNC:
        raise Malformed("SYNC is due")
    return False


def _hosts(places: Sequence[str]) -> set[str]:
    """Return the hosts of the internet among places."""
    return {place.split("/")[2] for place in places if reach_of(place) == Reach.INTERNET}
