"""How connections to peers come to be: plainly, through a relay, and by two dials at once.

What they lead to is told by the swarm to `Links`; here they are only made.
"""

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.peer_id import peer_bytes

from .. import log
from .libp2p_circuit import Circuit
from .libp2p_mends import MendedSwarm, survive
from .libp2p_private import NotOfThisNetwork
from .libp2p_tcp import Tcp, TcpStream, host_and_port
from .relaying import accept_circuit, is_circuit
from .transport import Stream, split_address

_CONNECT_S_MAX = 10.0
_PROBE_S_MAX = 3.0
_PERHAPS_PRIVATE = "it may be of a private network, which an invitation leads into"
_PERHAPS_OTHERS = "it may not be of this private network"
"""What a peer without the key makes of the noise it hears: an end, or a long wait."""
_PUNCH_STEP_S = 0.2
"""Between two dials of one punch, where a router has answered for the peer."""


def parse_place(place: str) -> Multiaddr:
    """Return where to dial, as the library has it; `UsageError` if it is nothing we dial."""
    try:
        maddr = Multiaddr(place)
        if not is_circuit(place):
            host_and_port(maddr)
    except (ValueError, BaseLibp2pError) as error:
        raise UsageError(
            f"{place!r:.120} is not an address for TCP; one looks like /ip4/192.0.2.7/tcp/4001"
        ) from error
    return maddr


class Dialling:
    """Dials for one transport."""

    def __init__(
        self, swarm: MendedSwarm, upgrader: TransportUpgrader, tcp: Tcp, circuit: Circuit
    ) -> None:
        self._swarm = swarm
        self._upgrader = upgrader
        self._tcp = tcp
        self._circuit = circuit

    async def dial(self, address: str) -> None:
        """Connect to a full multiaddr; `ResourceError` if within 10 s that does not work."""
        place, peer = split_address(address)
        maddr = Multiaddr(address) if is_circuit(place) else parse_place(place)
        try:
            with trio.fail_after(_CONNECT_S_MAX):
                await self._swarm.dial_addr(maddr, ID(peer_bytes(peer)))
        except trio.TooSlowError as error:
            why = "" if self._tcp.key is None else f"; {_PERHAPS_OTHERS}"
            raise ResourceError(
                f"nobody answered at {address} within {_CONNECT_S_MAX:.0f} s{why}"
            ) from error
        except BaseLibp2pError as error:
            raise ResourceError(self._why_not_connected(address, error)) from error

    async def dial_plainly(self, address: str) -> bool:
        """Connect once more; tell whether it worked."""
        try:
            await self.dial(address)
        except ResourceError as error:
            log.debug("dial_failed", address=address, why=str(error))
            return False
        return True

    async def probe(self, address: str) -> bool:
        """See whether a peer is at a full multiaddr, and hang up."""
        place, peer = split_address(address)
        try:
            host, port = host_and_port(Multiaddr(place))
            with trio.fail_after(_PROBE_S_MAX):
                async with await trio.open_tcp_stream(host, port) as stream:
                    raw = RawConnection(TcpStream(stream, self._tcp.key), initiator=True)
                    await self._upgrader.upgrade_security(raw, True, ID(peer_bytes(peer)))
        except Exception as error:  # Whoever is there instead may do anything.
            log.debug("probe_failed", address=address, why=repr(error))
            return False
        return True

    async def dial_at_once(self, address: str, *, as_dialler: bool) -> bool:
        """Dial an IP from the port where this node listens until cancelled or connected."""
        place, peer = split_address(address)
        maddr = Multiaddr(place)
        host, port = host_and_port(maddr)
        stream = await self._tcp.dial_from_port(host, port)
        while stream is None:
            await trio.sleep(_PUNCH_STEP_S)
            stream = await self._tcp.dial_from_port(host, port)
        if as_dialler:
            raw = RawConnection(stream, initiator=True)
            await survive(self._swarm.upgrade_outbound_raw_conn, raw, ID(peer_bytes(peer)))
        else:
            assert self._swarm.background_nursery is not None
            raw = RawConnection(stream, initiator=False)
            self._swarm.background_nursery.start_soon(survive, self._swarm.take_in_raw, raw, maddr)
        return True

    async def accept(self, stream: Stream, relay_place: str) -> None:
        """Serve one connection that a relay brings, until it ends."""
        await accept_circuit(stream)
        raw = self._circuit.connection(stream, relay_place, is_initiator=False)
        await self._swarm.take_in_raw(raw, raw.get_transport_addresses()[0])

    def _why_not_connected(self, address: str, error: BaseException) -> str:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, PeerIDMismatchesPubkey):
                return f"{address}: another peer is there, not the one in the address"
            if isinstance(cause, NotOfThisNetwork):
                return f"{address} is not of this private network: it has another key, or none"
            if isinstance(cause, OSError):
                return f"nobody answers at {address}: {cause}"
            if isinstance(cause, OpenConnectionError) and is_circuit(address):
                return f"{address}: {cause}"
            cause = cause.__cause__
        return f"{address} hung up ({error}); {self._perhaps_why()}"

    def _perhaps_why(self) -> str:
        """Say what may be wrong with the key where there is an answer, but no libp2p in it."""
        return _PERHAPS_PRIVATE if self._tcp.key is None else _PERHAPS_OTHERS
