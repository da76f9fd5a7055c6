"""The real `Transport`: a py-libp2p host with TCP, Noise and Yamux, and nothing else.

Importing this takes a second, for it imports libp2p, as only the modules named libp2p_* do.
Whoever builds a transport imports it then, and not before.

        run ── swarm, pubsub, router      shielded from a cancel, so that a stop can take leave
            ── one watcher a link         pings a silent peer, drops it after three misses
            ── discovery by mDNS          if it is wanted

What is wrong in the library, and mended or replaced, stands in libp2p_mends.py,
libp2p_gossip.py, libp2p_tcp.py and libp2p_muxer.py.
"""

import functools
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
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.protocol.errors import (
    CommonfabError,
    Malformed,
    PeerError,
    ResourceError,
    UsageError,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_bytes, peer_text, read_peer_bytes

from .. import log
from .doorkeeper import Doorkeeper, DoorLimits
from .libp2p_gossip import MendedGossipSub, MendedPubsub
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
from .libp2p_tcp import Tcp, host_and_port
from .mdns import Discovery, reachable_places
from .transport import (
    EVENTS_MAX,
    Handler,
    Link,
    LinkEvent,
    Stream,
    Validator,
    Verdict,
    check_gossip_size,
    split_address,
)

PING = "/ipfs/ping/1.0.0"
"""libp2p's own, so that any other implementation answers."""
_PING_BYTES = 32
PING_EVERY_S = 15.0
"""A peer that has sent nothing for so long is pinged."""
_CONNECT_S_MAX = 10.0
_STOP_S_MAX = 2.0
_TAKEN = "another program has it, or it is not this machine's; choose another in the configuration"


class Libp2pTransport:
    """See `transport.Transport`.

    `seed`: the 32 bytes of the node's private Ed25519 key. `listen`: multiaddrs without /p2p/…;
    port 0 is any free one. `first_sequence`: more at each start than any number used before,
    such as the clock's nanoseconds; gossip counts on from it.
    """

    def __init__(
        self,
        seed: bytes,
        listen: list[str],
        *,
        mdns: bool,
        first_sequence: int,
        door_limits: DoorLimits | None = None,
        ping_every_s: float = PING_EVERY_S,
        events_max: int = EVENTS_MAX,
    ) -> None:
        check_version(libp2p.__version__)
        quieten()
        limit_negotiation()
        keys = create_new_key_pair(seed)
        self._id = ID.from_pubkey(keys.public_key)
        self._me = read_peer_bytes(self._id.to_bytes())
        self._listen = [_parse_place(place) for place in listen]
        self._is_discovering = mdns
        self._ping_every_s = ping_every_s
        self._doorkeeper = Doorkeeper(door_limits or DoorLimits())
        self._validators: dict[str, Validator] = {}
        self._dialling: dict[NodeId, trio.Event] = {}
        self._nursery: trio.Nursery | None = None
        self._services_scope = trio.CancelScope(shield=True)

        peerstore = PeerStore()
        peerstore.add_key_pair(self._id, keys)
        noise = Noise(keys, noise_privkey=create_new_noise_key_pair().private_key)
        self._tcp = Tcp()
        self._swarm = MendedSwarm(
            self._id, peerstore, TransportUpgrader({NOISE: noise}, {}), self._tcp, self
        )
        self._host = MendedHost(self._swarm)
        self._router = MendedGossipSub()
        self._pubsub = MendedPubsub(self._host, self._router, self, first_sequence)
        self._links = Links(self._me, self._dialling, self._watch, events_max)
        self._swarm.register_notifee(self._links)
        self.serve(PING, _echo)

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
                for service in (self._swarm, self._pubsub, self._router):
                    await stack.enter_async_context(running(service))
                stack.callback(self._pubsub.seen_messages.stop)
                for topic in self._validators:
                    await self._pubsub.subscribe(topic)
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
        places = [str(place) for place in self._host.get_transport_addrs()]
        return [f"{place}/p2p/{peer_text(self._me)}" for place in reachable_places(places)]

    def links(self) -> list[Link]:
        return self._links.all()

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        return self._links.events()

    async def connect(self, address: str) -> NodeId:
        place, peer = split_address(address)
        maddr = _parse_place(place)
        if peer == self._me:
            raise UsageError(f"{address} is this node itself")
        if self._doorkeeper.is_shunned(peer, trio.current_time()):
            raise ResourceError(f"{peer_text(peer)} was shown out for what it sent; try later")
        self._doorkeeper.know(peer, host_and_port(maddr)[0])
        while not self._links.is_up(peer):
            other = self._dialling.get(peer)
            if other is None:
                await self._dial(maddr, peer, address)
                break
            await other.wait()
        return peer

    async def _dial(self, maddr: Multiaddr, peer: NodeId, address: str) -> None:
        done = self._dialling[peer] = trio.Event()
        try:
            with trio.fail_after(_CONNECT_S_MAX):
                await self._swarm.dial_addr(maddr, ID(peer_bytes(peer)))
        except trio.TooSlowError as error:
            message = f"nobody answered at {address} within {_CONNECT_S_MAX:.0f} s"
            raise ResourceError(message) from error
        except BaseLibp2pError as error:
            raise ResourceError(_why_not_connected(address, error)) from error
        finally:
            del self._dialling[peer]
            done.set()

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

    def serve(self, protocol: str, handler: Handler) -> None:
        self._host.set_stream_handler(
            TProtocol(protocol), functools.partial(self._handle, protocol, handler)
        )

    async def _handle(self, protocol: str, handler: Handler, net_stream: INetStream) -> None:
        stream = Libp2pStream(net_stream)
        try:
            await handler(stream)
        except PeerError:
            self.offend(ID(peer_bytes(stream.peer)))
            raise
        except CommonfabError:
            raise
        except Exception as error:
            log.error("handler_failed", protocol=protocol, exc_info=error)
            raise
        await stream.leave()

    # Gossip.

    def subscribe(self, topic: str, validator: Validator) -> None:
        assert topic not in self._validators
        self._validators[topic] = validator
        if self._nursery is not None:
            self._nursery.start_soon(survive, self._pubsub.subscribe, topic)

    async def publish(self, topic: str, data: bytes) -> None:
        check_gossip_size(topic, data)
        await self._pubsub.publish(topic, data)

    def judge(self, forwarder: ID, topic: str, data: bytes) -> Verdict:
        """Answer for MendedPubsub."""
        try:
            return self._validators[topic](read_peer_bytes(forwarder.to_bytes()), data)
        except Exception as error:  # A defect of ours, met by a message, costs the message only.
            log.error("validator_failed", topic=topic, exc_info=error)
            return "ignore"

    def offend(self, peer: ID) -> None:
        """Count an offence, and show the peer out at one too many."""
        node = read_peer_bytes(peer.to_bytes())
        if self._doorkeeper.offend(node, trio.current_time()) and self._nursery is not None:
            log.info("peer_shunned", peer=peer_text(node))
            self._nursery.start_soon(self.disconnect, node)

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
        return node != self._me and self._doorkeeper.enter(node, address, trio.current_time())

    def leave(self, address: str) -> None:
        self._doorkeeper.leave(address)


async def _echo(stream: Stream) -> None:
    while data := await stream.read(_PING_BYTES):
        await stream.write(data)


def _parse_place(place: str) -> Multiaddr:
    try:
        maddr = Multiaddr(place)
        host_and_port(maddr)
    except (ValueError, BaseLibp2pError) as error:
        raise UsageError(
            f"{place!r:.120} is not an address for TCP; one looks like /ip4/192.0.2.7/tcp/4001"
        ) from error
    return maddr


def _why_not_connected(address: str, error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PeerIDMismatchesPubkey):
            return f"{address}: another peer is there, not the one in the address"
        if isinstance(cause, OSError):
            return f"nobody answers at {address}: {cause}"
        cause = cause.__cause__
    return f"{address}: no connection ({error})"
