"""Many Sybils in one process: each with a key and an address of its own, and no good in mind.

    python -m tests.lab.sybils TARGETS.json SEED FIRST COUNT

They speak the real protocols over real connections: they dial every honest node, take part in
gossip, sync and letters, and say what is not so. Once stopped, writes down what it did.
"""

import json
import signal
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random

import trio

from commonfab.node.network.frames import write_frame
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import opened
from commonfab.node.post import PROTOCOL as LETTERS
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.gossip import broadcast_wire
from commonfab.protocol.gossip.areas import WORLD, heard_at
from commonfab.protocol.gossip.broadcast_wire import Graft, Have, Item, Prune, Push, Wants
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Place
from commonfab.protocol.sync import sync, sync_wire
from tests.builders import a_capacity, a_design
from tests.protocol.signers import Person

from .town import PORT

NEAR = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)
_PAUSE_S = (0.2, 1.0)
_DIAL_S = 15.0


def address_of(number: int) -> str:
    """Return the address of a Sybil: twenty of them in each network."""
    return f"10.{200 + number // 20}.0.{2 + number % 20}"


class Sybil:
    """One key and its transport."""

    def __init__(self, number: int, seed: int, targets: list[str]) -> None:
        self.done = Counter[str]()
        self._random = Random(f"{seed} {number}")
        self._person = Person(sha256(f"sybil {seed} {number}".encode()).digest())
        self._targets = targets
        self._transport = Libp2pTransport(
            self._person.seed, [f"/ip4/{address_of(number)}/tcp/{PORT}"], mdns=False, relay="off"
        )
        self._topics = sorted(heard_at([NEAR]))
        self._kept: list[bytes] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._transport.run)
            while True:
                await self._dial(self._random.choice(self._targets))
                links = self._transport.links()
                if links:
                    await self._harm(self._random.choice(links).peer)
                await trio.sleep(self._random.uniform(*_PAUSE_S))

    async def _dial(self, address: str) -> None:
        with trio.move_on_after(_DIAL_S):
            try:
                await self._transport.connect(address)
                self.done["links made"] += 1
            except CommonfabError:
                self.done["links refused"] += 1

    async def _harm(self, peer: NodeId) -> None:
        act = self._random.choice(
            (self._gossip, self._gossip, self._sync, self._letter, self._hang)
        )
        try:
            with trio.move_on_after(_DIAL_S):
                await act(peer)
        except CommonfabError:
            self.done["streams refused"] += 1

    async def _gossip(self, peer: NodeId) -> None:
        ids = tuple(self._random.randbytes(8) for _ in range(200))
        async with opened(self._transport, peer, broadcast_wire.PROTOCOL) as stream:
            await write_frame(stream, broadcast_wire.encode([Wants(tuple(self._topics))]))
            for _ in range(20):
                topic = self._random.choice([WORLD, *self._topics])
                items: tuple[Item, ...] = (
                    Have(topic, ids), Graft(topic, ids), Prune(topic), Push(topic, self._record()),
                )  # fmt: skip
                await write_frame(stream, self._bent(broadcast_wire.encode([*items])))
                self.done["gossip frames"] += 1
            await trio.sleep(1)

    async def _sync(self, peer: NodeId) -> None:
        hello = sync_wire.Hello(promise=bytes(32), digest=self._random.randbytes(32))
        async with opened(self._transport, peer, sync.PROTOCOL) as stream:
            await write_frame(stream, self._bent(sync_wire.encode(hello)))
            swap = sync_wire.Swap(want=b"", sealed=[self._record()])
            await write_frame(stream, self._bent(sync_wire.encode(swap)))
            self.done["sync frames"] += 2

    async def _letter(self, peer: NodeId) -> None:
        async with opened(self._transport, peer, LETTERS) as stream:
            for _ in range(10):
                await write_frame(stream, self._record())
                self.done["letters"] += 1

    async def _hang(self, peer: NodeId) -> None:
        """Open streams, say the beginning of something, and nothing more."""
        async with opened(self._transport, peer, sync.PROTOCOL) as stream:
            await stream.write(b"\x00\x00")
            self.done["streams left hanging"] += 1
            await trio.sleep(5)

    def _record(self) -> bytes:
        """Return a record that is true, or a bent one, or one that was told before."""
        match self._random.randrange(4):
            case 0:
                made = a_design(self._person, seq=self._random.randrange(1, 10**9)).data
                self._kept = [*self._kept[-20:], made]
                return made
            case 1:
                return a_capacity(self._person, seq=self._random.randrange(1, 10**9)).data
            case 2:
                return self._bent(a_design(self._person).data)
            case _:
                return self._random.choice(self._kept or [b"nothing"])

    def _bent(self, data: bytes) -> bytes:
        if self._random.random() < 0.7:
            return data
        bent = bytearray(data)
        bent[self._random.randrange(len(bent))] ^= 1 << self._random.randrange(8)
        return bytes(bent)


async def run(sybils: list[Sybil]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            for sybil in sybils:
                nursery.start_soon(sybil.run)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def main(arguments: list[str]) -> None:
    path, seed, first, count = arguments
    targets = json.loads(Path(path).read_text())
    numbers = range(int(first), int(first) + int(count))
    sybils = [Sybil(number, int(seed), targets) for number in numbers]
    trio.run(run, sybils)
    done = Counter[str]()
    for sybil in sybils:
        done.update(sybil.done)
    Path(path).with_suffix(f".{first}.done").write_text(json.dumps(done))


if __name__ == "__main__":
    main(sys.argv[1:])
