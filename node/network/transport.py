"""What a node needs of a network, and no more.

`libp2p_transport.py` is the real one; `memory_transport.py` is its twin in one process.
Both pass tests/contracts/test_transport.py.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import trio

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import parse_peer

from ..journal import Journal

EVENTS_MAX = 1024
"""Link events that may wait to be read."""


class StreamBroken(ResourceError):
    """The stream was reset by the peer, or the link under it is gone. A new one may work."""


@dataclass(frozen=True, slots=True)
class Link:
    """A peer that is connected now."""

    peer: NodeId
    address: str
    """The multiaddr at which it was reached or from which it came."""
    inbound: bool
    """The peer dialled. Where both did at once, it is so at one end at most."""


ReachState = Literal["unknown", "open", "hidden"]
"""Others can dial this node; or nobody who tried could, as behind most routers."""


@dataclass(frozen=True, slots=True)
class Reachability:
    """How others reach this node, as far as they have said."""

    state: ReachState
    relays: tuple[NodeId, ...] = ()
    """Peers through which it can be reached."""
    helped: int = 0
    """Peers that are reached through this node."""
    carried_bytes: int = 0
    """What this node has carried for them since it started, both ways."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    link: Link


@dataclass(frozen=True, slots=True)
class LinkDown:
    peer: NodeId


LinkEvent = LinkUp | LinkDown


class Stream(Protocol):
    """One ordered two-way byte stream to a peer.

    Once the other side has reset it, or the link is gone, reading and writing raise
    `StreamBroken`. One task may read while another writes; two may not do the same.
    A call that is cancelled leaves the stream whole, but not known how far a write got.
    """

    @property
    def peer(self) -> NodeId: ...

    async def read(self, bytes_max: int) -> bytes:
        """Return between 1 and `bytes_max` bytes, or b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of it, no faster than the other side reads."""
        ...

    def hold(self, size: int) -> None:
        """Say that so many of the bytes that were read are kept, as their message is unfinished.

        They count with what nobody has read: a peer whose unread bytes are too many is cut off.
        """
        ...

    async def close(self) -> None:
        """Say that nothing more will be written; the other side may go on."""
        ...

    async def reset(self) -> None:
        """Drop the stream both ways, at once. Harmless on one that is over."""
        ...


Handler = Callable[[Stream], Awaitable[None]]
"""Serves one inbound stream, which is closed when it returns.

Whatever it raises resets that stream and harms nothing else; a `PeerError` counts as an
offence of the peer, so whoever raises one there does not count it too. A peer may have 64
streams open at a time; one more is reset.
"""


class Transport(Protocol):
    """Connections and streams.

    `serve` may be called before `run`; the others need it to be running.
    """

    @property
    def me(self) -> NodeId: ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be on the network until cancelled; started once others can reach this node."""
        ...

    def addresses(self) -> list[str]:
        """Return the full multiaddrs (with /p2p/…) at which others reach this node."""
        ...

    def reachability(self) -> Reachability: ...

    def when_addresses_change(self, tell: Callable[[], None]) -> None:
        """Have somebody told whenever `addresses` has become another."""
        ...

    def links(self) -> list[Link]: ...

    def events(self) -> trio.MemoryReceiveChannel[LinkEvent]:
        """Return the channel of links that come up and go down from the first call on.

        It is one channel, for one reader. A `LinkDown` follows each `LinkUp`, and none is lost:
        while more than `EVENTS_MAX` would wait to be read, new peers are turned away.
        """
        ...

    async def connect(self, address: str) -> NodeId:
        """Dial a full multiaddr and return the peer there, at once if it is connected already.

        Raises `UsageError` if it is no such address or this node's own, `ResourceError` if
        within 10 s nobody answers there or somebody else does, or if the peer is kept out.
        """
        ...

    def know(self, peer: NodeId) -> None:
        """Give a peer one of the places at the door that strangers cannot take."""
        ...

    def answer_to(self, journal: Journal) -> None:
        """Count in a node's journal who breaks the rules, and keep out whom that keeps out."""
        ...

    async def disconnect(self, peer: NodeId) -> None:
        """Close what connects the peer, if anything does."""
        ...

    async def open(self, peer: NodeId, protocol: str) -> Stream:
        """Open a stream to a connected peer; `ResourceError` if it cannot be had."""
        ...

    def serve(self, protocol: str, handler: Handler, *, is_lasting: bool = False) -> None:
        """Answer the streams that peers open for a protocol.

        An exchange ends by `STREAM_S_MAX`, and where no byte moves by `STREAM_IDLE_S_MAX`. A stream
        that is there to last is its handler's to end.
        """
        ...


@asynccontextmanager
async def opened(transport: Transport, peer: NodeId, protocol: str) -> AsyncGenerator[Stream]:
    """Open a stream for a block; it is reset if the block raises, else closed."""
    stream = await transport.open(peer, protocol)
    try:
        yield stream
    except BaseException:
        with trio.CancelScope(shield=True):
            await stream.reset()
        raise
    else:
        await stream.close()


def split_address(address: str) -> tuple[str, NodeId]:
    """Return where to dial and whom to expect there, or raise `UsageError`."""
    if not address.startswith("/"):
        raise UsageError(
            f"{address!r:.120} is not an address; one looks like /ip4/192.0.2.7/tcp/4001/p2p/12D3…"
        )
    place, marker, peer = address.rpartition("/p2p/")
    if not marker or not place:
        raise UsageError(f"{address:.120}: no peer in it; an address ends in /p2p/ and a peer id")
    return place, parse_peer(peer)
