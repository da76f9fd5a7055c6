"""What hostile peers do to a node, each as a task that goes on until it is cancelled.

They come from many addresses of this machine and with many keys, so that what bounds one
address or one key is not the only thing that holds. All chance comes from one seed.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import trio
from libp2p.exceptions import BaseLibp2pError

from commonfab.node.network.libp2p_muxer import MuxedStream
from commonfab.node.network.yamux import INBOUND_STREAMS_MAX
from commonfab.protocol import replicas
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.exchange import bitswap_wire
from commonfab.protocol.gossip import broadcast_wire
from commonfab.protocol.gossip.areas import WORLD
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import KIB, MIB
from commonfab.protocol.links import reach_wire, relay_wire
from commonfab.protocol.links.kademlia_wire import LAN
from commonfab.protocol.meeting import introductions, pairing, rendezvous
from commonfab.protocol.protobuf import varint
from commonfab.protocol.sync import sync
from tests.builders import a_capacity
from tests.node.network.libp2p_peers import HELLO, Eve, dialled, eve_at, line
from tests.protocol.signers import named

LETTERS = "/commonfab/letters/1"
FRAMED = (
    LETTERS,
    sync.PROTOCOL,
    broadcast_wire.PROTOCOL,
    replicas.PROTOCOL,
    introductions.PROTOCOL,
    pairing.PROTOCOL,
    rendezvous.PROTOCOL,
)
"""Protocols of ours, whose messages have four bytes of length."""
DELIMITED = (
    bitswap_wire.PROTOCOL,
    LAN,
    relay_wire.HOP,
    relay_wire.STOP,
    relay_wire.DCUTR,
    reach_wire.AUTONAT,
)
"""Protocols of libp2p and IPFS, whose messages have a varint of length."""
GARBAGE = (
    b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    bytes(1000),
    b"\xff" * 1000,
    HELLO + line(b"/noise") + b"\xff\xff" + bytes(65_535),
    HELLO + line(b"\xff\xfe"),
)
_NEARLY_2_GIB = b"\xff\xff\xff\xff\x07"
_ENDS = (
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.BusyResourceError,  # Two of her tasks write over each other: she is no careful peer.
    trio.ClosedResourceError,
)
_PAUSE_S = 0.02
"""Between two attacks of one kind: the attackers have a core to share with the node."""


class Gang:
    """All attackers of one node."""

    def __init__(self, address: str, random: Random) -> None:
        self.address = address
        self.random = random
        self.shown_out = 0

    def host(self) -> str:
        return f"127.{self.random.randrange(1, 9)}.0.{self.random.randrange(1, 250)}"

    async def with_eve(self, do: Callable[[Eve], Awaitable[None]]) -> None:
        """Have somebody with a new key do something; being shown out is no failure."""
        try:
            async with eve_at(
                self.address, self.random.randbytes(32), from_host=self.host()
            ) as eve:
                await do(eve)
        except* (BaseLibp2pError, CommonfabError, OSError, *_ENDS):
            self.shown_out += 1

    async def again(self, attack: Callable[[], Awaitable[None]]) -> None:
        while True:
            with suppress(OSError, trio.BrokenResourceError):
                await attack()
            await trio.sleep(_PAUSE_S)

    # Before the handshake.

    async def half_open(self) -> None:
        """Connect and say nothing."""
        async with dialled(self.address, from_host=self.host()) as stream:
            await stream.receive_some()

    async def garbage(self) -> None:
        async with dialled(self.address, from_host=self.host()) as stream:
            await stream.send_all(self.random.choice(GARBAGE))
            await stream.receive_some()

    async def endless_line(self) -> None:
        """Announce nearly 2 GiB before any key is proven, and send as much as is taken."""
        async with dialled(self.address, from_host=self.host()) as stream:
            await stream.send_all(HELLO + _NEARLY_2_GIB)
            for _ in range(256):
                await stream.send_all(bytes(64 * KIB))

    async def slow(self) -> None:
        """Send a byte now and then."""
        async with dialled(self.address, from_host=self.host()) as stream:
            for byte in HELLO:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.5)

    # After it.

    async def comes_and_goes(self) -> None:
        async def nothing(eve: Eve) -> None:
            await trio.lowlevel.checkpoint()

        await self.with_eve(nothing)

    async def streams(self) -> None:
        """Open one stream after the other, and say nothing in them."""

        async def do(eve: Eve) -> None:
            for _ in range(2000):
                await eve.muxed.open_stream()

        await self.with_eve(do)

    async def frames_without_end(self) -> None:
        """Begin a long message in every stream that can be had, and never end it."""

        async def do(eve: Eve) -> None:
            async def begin() -> None:
                stream = await eve.open(self.random.choice([sync.PROTOCOL, LETTERS]))
                await stream.write((MIB).to_bytes(4, "big") + bytes(MIB - 1))
                await trio.sleep_forever()

            async with trio.open_nursery() as nursery:
                for _ in range(INBOUND_STREAMS_MAX):
                    nursery.start_soon(begin)

        await self.with_eve(do)

    async def oversize(self) -> None:
        """Announce messages that nobody takes."""

        async def do(eve: Eve) -> None:
            for protocol in FRAMED:
                await self._say(eve, protocol, b"\xff\xff\xff\xff" + bytes(64 * KIB))
            for protocol in DELIMITED:
                await self._say(eve, protocol, _NEARLY_2_GIB + bytes(64 * KIB))

        await self.with_eve(do)

    async def nonsense(self) -> None:
        """Send messages of the right length that mean nothing."""

        async def do(eve: Eve) -> None:
            for _ in range(20):
                data = self.random.randbytes(self.random.randrange(200))
                framed = len(data).to_bytes(4, "big") + data
                await self._say(eve, self.random.choice(FRAMED), framed)
                delimited = varint(len(data)) + data
                await self._say(eve, self.random.choice(DELIMITED), delimited)

        await self.with_eve(do)

    async def subscriptions(self) -> None:
        """Want every topic, in frame after frame."""

        async def do(eve: Eve) -> None:
            stream = await eve.open(broadcast_wire.PROTOCOL)
            wants = broadcast_wire.Wants((WORLD,) * broadcast_wire.TOPICS_MAX)
            frame = broadcast_wire.encode([wants] * 1000)
            for _ in range(50):
                await stream.write(len(frame).to_bytes(4, "big") + frame)

        await self.with_eve(do)

    async def wants(self) -> None:
        """Want blocks that nobody has, as many as fit."""

        async def do(eve: Eve) -> None:
            stream = await eve.open(bitswap_wire.PROTOCOL)
            for _ in range(20):
                cids = [b"\x01\x55\x12\x20" + self.random.randbytes(32) for _ in range(2000)]
                wants = tuple(bitswap_wire.Want(cid, send_dont_have=True) for cid in cids)
                await stream.write(bitswap_wire.encode(bitswap_wire.Message(wants=wants)))

        await self.with_eve(do)

    async def invalid_signatures(self) -> None:
        """Tell of workshops with records that nobody signed."""

        async def do(eve: Eve) -> None:
            letters = await eve.open(LETTERS)
            gossip = await eve.open(broadcast_wire.PROTOCOL)
            for number in range(200):
                data = bytearray(a_capacity(named(f"eve {number}")).data)
                data[-1] ^= 1
                await letters.write(len(data).to_bytes(4, "big") + bytes(data))
                frame = broadcast_wire.encode([broadcast_wire.Push(WORLD, bytes(data))])
                await gossip.write(len(frame).to_bytes(4, "big") + frame)

        await self.with_eve(do)

    async def yamux_nonsense(self) -> None:
        async def do(eve: Eve) -> None:
            secured = eve.muxed.secured_conn
            await secured.write(self.random.randbytes(1000))

        await self.with_eve(do)

    async def pings_unread(self) -> None:
        """Make the node answer, and never read the answers."""

        async def do(eve: Eve) -> None:
            ping = bytes.fromhex("00 02 0001 00000000 00000007")
            for _ in range(2000):
                await eve.muxed.secured_conn.write(ping * 1000)

        await self.with_eve(do)

    async def favours(self) -> None:
        """Ask to be dialled back elsewhere, for reservations, and for circuits to nobody."""

        async def do(eve: Eve) -> None:
            nobody = NodeId(self.random.randbytes(32))
            asked = reach_wire.DialBack(nobody, (b"\x04\x7f\x00\x00\x01\x06\x00\x01",) * 16)
            data = reach_wire.encode_dial_back(asked)
            await self._say(eve, reach_wire.AUTONAT, varint(len(data)) + data)
            for kind in relay_wire.HopKind:
                data = relay_wire.encode_hop(relay_wire.Hop(kind=kind, peer=nobody))
                await self._say(eve, relay_wire.HOP, varint(len(data)) + data)

        await self.with_eve(do)

    async def _say(self, eve: Eve, protocol: str, data: bytes) -> None:
        with suppress(BaseLibp2pError, trio.TooSlowError):
            stream: MuxedStream = await eve.open(protocol)
            await stream.write(data)

    def attacks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return all of them by name."""
        return {
            "half-open": self.half_open,
            "garbage": self.garbage,
            "endless line": self.endless_line,
            "slow": self.slow,
            "come and go": self.comes_and_goes,
            "streams": self.streams,
            "frames without end": self.frames_without_end,
            "oversize": self.oversize,
            "nonsense": self.nonsense,
            "subscriptions": self.subscriptions,
            "wants": self.wants,
            "invalid signatures": self.invalid_signatures,
            "yamux nonsense": self.yamux_nonsense,
            "pings unread": self.pings_unread,
            "favours": self.favours,
        }

    async def attack(self, names: list[str], each: int) -> None:
        """Run `each` attackers of each kind that is named, until cancelled."""
        attacks = self.attacks()
        async with trio.open_nursery() as nursery:
            for name in names:
                for _ in range(4 * each if name in ("half-open", "slow") else each):
                    nursery.start_soon(self.again, attacks[name])
