"""The real `Transport`: a py-libp2p host with TCP, Noise and Yamux, and nothing else.

Importing this takes a second, for it imports libp2p, as only the modules named libp2p_* do.
Whoever builds a transport imports it then, and not before.

        run ── swarm                      shielded from a cancel, so that a stop can take leave
            ── one watcher a link         pings a silent peer, drops it after three misses
            ── discovery by mDNS          if it is wanted

What is wrong in the library, and mended or replaced, stands in libp2p_mends.py,
libp2p_tcp.py and libp2p_muxer.py.
"""

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import libp2p
import trio
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.peer.peerstore import (  # pyright: ignore[reportMissingTypeStubs]  # the same
    PeerStore,
)
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.transport.upgrader import TransportUpgrader

from commonfab.protocol.errors import (
    CommonfabError,
    Malformed,
    PeerError,
    ResourceError,
    UsageError,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import STREAM_IDLE_S_MAX, STREAM_S_MAX
from commonfab.protocol.links.relay_wire import STOP
from commonfab.protocol.peer_id import peer_bytes, peer_text, read_peer_bytes

from .. import log
from ..finding.addresses import Reach, reach_of
from ..journal import Journal
from .doorkeeper import Doorkeeper, DoorLimits
from .libp2p_circuit import Circuit
from .libp2p_dialling import Dialling, parse_place
from .libp2p_links import Libp2pStream, Links, wait_for_silence
from .libp2p_mends import (
    MendedHost,
    MendedSwarm,
    check_version,
    limit_negotiation,
    quieten,
    running,
    survive,
)
from .libp2p_muxer import MuxedConnection
from .libp2p_tcp import Tcp
from .mdns import Discovery, reachable_places
from .punching import Punching
from .reaching import Reaching
from .relay_desk import RelayLimits
from .relaying import Relaying, RelayMode, ask_for_circuit, is_circuit
from .transport import (
    EVENTS_MAX,
    Handler,
    Link,
    LinkEvent,
    Reachability,
    Stream,
    StreamBroken,
    split_address,
)

PING = "/ipfs/ping/1.0.0"
"""libp2p's own, so that any other implementation answers."""
_PING_BYTES = 32
PING_EVERY_S = 15.0
"""A peer that has sent nothing for so long is pinged."""
_STOP_S_MAX = 2.0
_TAKEN = "another program has it, or it is not this machine's; choose another in the configuration"


class Libp2pTransport:
    """See `transport.Transport`.

    `seed`: the 32 bytes of the node's private Ed25519 key. `listen`: multiaddrs without /p2p/…;
    port 0 is any free one. `announce`: where a router passes
    connections on. `psk`: the 32 bytes of a private network's key.
    """

    def __init__(
        self,
        seed: bytes,
        listen: list[str],
        *,
        mdns: bool,
        relay: RelayMode = "auto",
        announce: Sequence[str] = (),
        psk: bytes | None = None,
        door_limits: DoorLimits | None = None,
        relay_limits: RelayLimits | None = None,
        ping_every_s: float = PING_EVERY_S,
        events_max: int = EVENTS_MAX,
    ) -> None:
        check_version(libp2p.__version__)
        quieten()
        limit_negotiation()
        keys = create_new_key_pair(seed)
        self._id = ID.from_pubkey(keys.public_key)
        self._me = read_peer_bytes(self._id.to_bytes())
        self._listen = [parse_place(place) for place in listen]
        self._is_discovering = mdns
        self._ping_every_s = ping_every_s
        self._doorkeeper = Doorkeeper(door_limits or DoorLimits())
        self._journal = Journal()
        self._dialling: dict[NodeId, trio.Event] = {}
        self._nursery: trio.Nursery | None = None
        self._services_scope = trio.CancelScope(shield=True)

        peerstore = PeerStore()
        peerstore.add_key_pair(self._id, keys)
        noise = Noise(keys, noise_privkey=create_new_noise_key_pair().private_key)
        self._tcp = Tcp(psk)
        upgrader = TransportUpgrader({NOISE: noise}, {})
        circuit = Circuit(self._ask_for_circuit, psk)
        self._swarm = MendedSwarm(self._id, peerstore, upgrader, [self._tcp, circuit], self)
        self._dialler = Dialling(self._swarm, upgrader, self._tcp, circuit)
        self._host = MendedHost(self._swarm)
        self._links = Links(self._me, self._dialling, self._watch, events_max)
        self._make_reaching(relay, announce, relay_limits or RelayLimits())
        self._swarm.register_notifee(self._links)
        self.serve(PING, _echo)

    def _make_reaching(
        self, relay: RelayMode, announce: Sequence[str], limits: RelayLimits
    ) -> None:
        self._addresses_changed: Callable[[], None] = lambda: None
        self._reaching = Reaching(
            self,
            may_use_relays=relay != "off",
            announced=announce,
            told=lambda: self._addresses_changed(),
        )
        self._relaying = Relaying(
            self,
            lambda: relay == "on" or (relay == "auto" and self._reaching.reach == Reach.INTERNET),
            limits,
        )
        self._punching = Punching(
            self, lambda: [*self._reaching.observed(), *map(_place, self._own_addresses())]
        )
        self._tcp.dials_from_port = self._dials_from_port
        self.serve(STOP, self._accept_circuit, is_lasting=True)
        self._links.on_up, self._links.on_down = self._link_up, self._link_down

    @property
    def me(self) -> NodeId:
        return self._me

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be on the network until cancelled; raise `ResourceError` if an address is taken."""
        async with trio.open_nursery() as nursery:
            self._nursery = self._links.nursery = nursery
            failure: ResourceError | None = await nursery.start(self._run_services)
            if failure is None:
                if self._is_discovering:
                    nursery.start_soon(self._discover)
                nursery.start_soon(self._reaching.run)
                task_status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.move_on_after(_STOP_S_MAX, shield=True):
                        await self._take_leave()
                    self._services_scope.cancel()
        if failure is not None:
            raise failure

    async def _run_services(self, *, task_status: trio.TaskStatus[ResourceError | None]) -> None:
        with self._services_scope:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(running(self._swarm))
                await self._swarm.listen(*self._listen)
                if len(self._swarm.listeners) < len(self._listen):
                    task_status.started(self._why_not_listening())
                    return
                task_status.started(None)
                await trio.sleep_forever()

    def _why_not_listening(self) -> ResourceError:
        failed = [str(place) for place in self._listen if str(place) not in self._swarm.listeners]
        why = "; ".join(str(error) for error in self._tcp.refusals)
        return ResourceError(f"cannot listen at {', '.join(failed)} ({why}): {_TAKEN}")

    async def _take_leave(self) -> None:
        for listener in self._swarm.listeners.values():
            await listener.close()
        async with trio.open_nursery() as nursery:
            for connection in self._swarm.get_connections():
                nursery.start_soon(survive, connection.close)

    # Links.

    def addresses(self) -> list[str]:
        return [*self._own_addresses(), *self._reaching.addresses()]

    def _own_addresses(self) -> list[str]:
        places = reachable_places(self.listening())
        return [f"{place}/p2p/{peer_text(self._me)}" for place in places]

    def listening(self) -> list[str]:
        listeners = self._swarm.listeners
        found = (listeners[str(place)] for place in self._listen if str(place) in listeners)
        return [str(place) for listener in found for place in listener.get_addrs()]

    def when_addresses_change(self, tell: Callable[[], None]) -> None:
        self._addresses_changed = tell

    def reachability(self) -> Reachability:
        desk = self._relaying.desk
        return Reachability(
            self._reaching.state,
            self._reaching.relays(),
            desk.reservations_count(trio.current_time()),
            desk.bytes_carried,
        )

    def links(self) -> list[Link]:
        return self._links.all()

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        return self._links.events()

    async def connect(self, address: str) -> NodeId:
        place, peer = split_address(address)
        maddr = parse_place(place)
        if peer == self._me:
            raise UsageError(f"{address} is this node itself")
        if self._journal.is_kept_out(peer):
            raise ResourceError(f"{peer_text(peer)} was shown out for what it sent; try later")
        self._doorkeeper.know(peer, str(maddr).split("/")[2])
        while not self._links.is_up(peer):
            other = self._dialling.get(peer)
            if other is None:
                await self._dial(address, peer)
                break
            await other.wait()
        return peer

    async def _dial(self, address: str, peer: NodeId) -> None:
        done = self._dialling[peer] = trio.Event()
        try:
            await self._dialler.dial(address)
        finally:
            del self._dialling[peer]
            done.set()

    def know(self, peer: NodeId) -> None:
        self._doorkeeper.know(peer, None)

    def answer_to(self, journal: Journal) -> None:
        self._journal = journal

    async def disconnect(self, peer: NodeId) -> None:
        async with trio.open_nursery() as nursery:
            for connection in self._swarm.get_connections(ID(peer_bytes(peer))):
                nursery.start_soon(survive, connection.close)

    async def _watch(self, peer: NodeId) -> None:
        """Drop a peer that stays silent."""
        await wait_for_silence(
            self._ping_every_s, lambda: self._silence_s(peer), lambda: self._ping(peer)
        )
        log.info("peer_silent", peer=peer_text(peer))
        assert self._nursery is not None
        self._nursery.start_soon(self.disconnect, peer)

    def _silence_s(self, peer: NodeId) -> float:
        """Return for how many seconds nothing at all has come from a peer."""
        connections = [
            connection.muxed_conn
            for connection in self._swarm.get_connections(ID(peer_bytes(peer)))
            if isinstance(connection.muxed_conn, MuxedConnection)
        ]
        heard_at = max((muxed.heard_at for muxed in connections), default=float("-inf"))
        return trio.current_time() - heard_at

    async def _ping(self, peer: NodeId) -> None:
        """Make a living peer send something, if only that it knows no ping."""
        try:
            stream = await self.open(peer, PING)
            await stream.write(bytes(_PING_BYTES))
            await stream.read(_PING_BYTES)
            await stream.reset()
        except ResourceError:
            await trio.sleep_forever()  # Until it is time to look whether anything came.

    # Relays, and the way around them.

    def _link_up(self, link: Link) -> None:
        self._reaching.link_up(link)
        if link.inbound and is_circuit(link.address) and self._nursery is not None:
            self._nursery.start_soon(self._punching.lead, link)

    def _link_down(self, peer: NodeId) -> None:
        self._reaching.link_down(peer)
        self._relaying.link_down(peer)

    def _dials_from_port(self, host: str) -> bool:
        """A node that is not reached dials the internet so that routers let answers in."""
        is_far = reach_of(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/1") == Reach.INTERNET
        return is_far and self._reaching.state != "open"

    async def _ask_for_circuit(self, base: str, relay: NodeId, target: NodeId) -> Libp2pStream:
        await self.connect(f"{base}/p2p/{peer_text(relay)}")
        stream = await ask_for_circuit(self, relay, target)
        assert isinstance(stream, Libp2pStream)
        return stream

    async def _accept_circuit(self, stream: Stream) -> None:
        link = next((each for each in self.links() if each.peer == stream.peer), None)
        if link is None or not self._reaching.relies_on(stream.peer):
            raise ResourceError(f"{peer_text(stream.peer)} is no relay of this node")
        await self._dialler.accept(stream, _place(link.address))

    def is_direct(self, peer: NodeId) -> bool:
        return self._links.is_direct(peer)

    async def probe(self, address: str) -> bool:
        return await self._dialler.probe(address)

    async def dial_plainly(self, address: str) -> bool:
        return await self._dialler.dial_plainly(address)

    async def dial_at_once(self, address: str, *, as_dialler: bool) -> bool:
        return await self._dialler.dial_at_once(address, as_dialler=as_dialler)

    async def _discover(self) -> None:
        async def meet(address: str) -> None:
            try:
                await self.connect(address)
            except (UsageError, ResourceError) as error:
                log.debug("discovered_unreachable", why=error)

        discovery = Discovery(self._me, self.addresses, self._links.is_up, meet)
        await discovery.run()

    # Streams.

    async def open(self, peer: NodeId, protocol: str) -> Libp2pStream:
        if not self._links.is_up(peer):
            raise ResourceError(f"{peer_text(peer)} is not connected")
        try:
            stream = await self._host.new_stream(ID(peer_bytes(peer)), [TProtocol(protocol)])
        except BaseLibp2pError as error:
            raise ResourceError(f"{peer_text(peer)} opens no stream for {protocol}") from error
        return Libp2pStream(stream)

    def serve(self, protocol: str, handler: Handler, *, is_lasting: bool = False) -> None:
        self._host.set_stream_handler(
            TProtocol(protocol), functools.partial(self._handle, protocol, handler, is_lasting)
        )

    async def _handle(
        self, protocol: str, handler: Handler, is_lasting: bool, net_stream: INetStream
    ) -> None:
        stream = Libp2pStream(net_stream, math.inf if is_lasting else STREAM_IDLE_S_MAX)
        try:
            with trio.fail_after(math.inf if is_lasting else STREAM_S_MAX):
                await handler(stream)
        except trio.TooSlowError as error:
            raise StreamBroken(f"{protocol}: took too long") from error
        except PeerError as error:
            self._offend(stream.peer, str(error))
            raise
        except CommonfabError:
            raise
        except Exception as error:  # A fault of ours in one handler; the others go on.
            log.error("handler_failed", protocol=protocol, exc_info=error)
            raise
        await stream.leave()

    def _offend(self, peer: NodeId, why: str) -> None:
        self._journal.offend(peer, why)
        if self._journal.is_kept_out(peer) and self._nursery is not None:
            self._nursery.start_soon(self.disconnect, peer)

    # What MendedSwarm asks at the door.

    def knock(self, address: str) -> bool:
        return self._doorkeeper.knock(address)

    def knocked(self, address: str) -> None:
        self._doorkeeper.knocked(address)

    def enter(self, peer: ID, address: str) -> bool:
        try:
            node = read_peer_bytes(peer.to_bytes())
        except Malformed:
            return False  # Another kind of key: no node of this network.
        if node == self._me or self._journal.is_kept_out(node):
            return False
        return self._doorkeeper.enter(node, address)

    def leave(self, address: str) -> None:
        self._doorkeeper.leave(address)


async def _echo(stream: Stream) -> None:
    while data := await stream.read(_PING_BYTES):
        await stream.write(data)


def _place(address: str) -> str:
    return address.rpartition("/p2p/")[0]
