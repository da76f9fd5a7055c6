"""Rogues: nodes that take part to do harm. One in five nodes is one.

A rogue hears much of what is said, and says it again, changed, in its own name or in
others'. It signs two records for one place and tells each to some; it floods; in sync it
keeps records back, answers what was asked with something else, or not at all. It has a key
of its own, and nobody else's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Protocol

import msgspec
from msgspec import structs

from commonfab.protocol import envelope
from commonfab.protocol.encoding import encode
from commonfab.protocol.envelope import Signer
from commonfab.protocol.errors import Malformed
from commonfab.protocol.gossip.areas import WORLD, heard_at
from commonfab.protocol.gossip.broadcast_wire import Graft, Have, Item, Prune, Push, Wants
from commonfab.protocol.gossip.broadcast_wire import decode as decode_items
from commonfab.protocol.gossip.broadcast_wire import encode as encode_items
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.records import Letter, Record, Request, sign
from commonfab.protocol.statements import Revocation
from commonfab.protocol.sync.index import Index, key_of
from tests.builders import a_design

from .gossiping import PLACES, home_of

_HEARD_MAX = 400
_LIBRARY_MAX = 300
FLOOD = 60
"""Messages at one node at once."""


class Wire(Protocol):
    """What the world lets a rogue do."""

    def whisper(self, to: NodeId, data: bytes) -> None:
        """Put bytes on the wire to a node."""
        ...


class Rogue:
    """One rogue. Also a `Party` of sync sessions and gossip."""

    is_up = True
    starts = 0

    def __init__(self, index: int, signer: Signer, random: Random, wire: Wire) -> None:
        self.index = index
        self.id = signer.node
        self._signer = signer
        self._random = random
        self._wire = wire
        self._heard: list[Record] = []
        self._library: dict[RecordId, bytes] = {}
        self.known = Index()
        self.unwanted: set[RecordId] = set()
        self._frames: list[bytes] = []
        self._seq = 0
        self.keeps_back = random.random() < 0.5
        """It tells of nothing that it has."""
        self.lies = random.random() * 0.5
        """The share of its frames that are lies."""

    # What it hears.

    def hear(self, record: Record) -> None:
        if len(self._heard) < _HEARD_MAX:
            self._heard.append(record)
        else:
            self._heard[self._random.randrange(_HEARD_MAX)] = record

    def receive(self, data: bytes) -> bool:
        """Take a record of sync or gossip, and perhaps keep something else under its id."""
        try:
            sealed = envelope.parse(data)
        except Malformed:
            return False
        if len(self._library) >= _LIBRARY_MAX or sealed.id in self._library:
            return False
        self._library[sealed.id] = self._bent(data) if self._random.random() < 0.1 else data
        if not self.keeps_back:
            # Under whatever time: it is nobody's business but its own.
            self.known.add(key_of(self._random.randrange(2**41), sealed.id))
        return True

    def get(self, identifier: RecordId) -> bytes | None:
        return self._library.get(identifier)

    def lie(self, frame: bytes, random: Random) -> bytes | None:
        """Return the frame, or another one, or none."""
        self._frames = [*self._frames[-20:], frame]
        if random.random() >= self.lies:
            return frame
        match random.randrange(5):
            case 0:
                return None
            case 1:
                return random.randbytes(random.randint(0, 300))
            case 2:
                return random.choice(self._frames)
            case 3:
                return frame[: random.randrange(len(frame) + 1)]
            case _:
                return self._bent(frame)

    # What it does.

    def greet(self, say: Callable[[bytes], None]) -> None:
        """Take part in gossip: whoever wants nothing hears nothing."""
        say(encode_items([Wants(tuple(sorted(heard_at([PLACES[self.index % 3]]))))]))

    def overhear(self, frame: bytes, say: Callable[[bytes], None]) -> None:
        """Hear gossip, pass nothing on, and at times answer with a lie."""
        with suppress(Malformed):  # Another rogue's.
            for item in decode_items(frame):
                if isinstance(item, Push):
                    self.receive(item.sealed)
        if self._random.random() < self.lies / 4:
            self.gossip(say)

    def gossip(self, say: Callable[[bytes], None]) -> None:
        """Say something in gossip that is not so."""
        topic = self._random.choice([WORLD, home_of(0), home_of(2)])
        ids = tuple(self._random.randbytes(8) for _ in range(self._random.randint(1, 40)))
        known = self._random.choice(list(self._library.values()) or [b""])
        items: tuple[Item, ...] = (
            Have(topic, ids),
            Graft(topic, ids),
            Prune(topic),
            Push(topic, known),
            Push(topic, self._bent(known)),
            Wants(()),
            Have(topic, tuple(i[:8] for i in list(self._library)[:40])),
        )
        said = self.lie(encode_items([self._random.choice(items)]), self._random)
        if said is not None:
            say(said)

    def act(self, nodes: Sequence[NodeId], at: int) -> None:
        """Do one of the things that it does."""
        if not self._heard:
            return
        record = self._random.choice(self._heard)
        to = self._random.choice(nodes)
        if isinstance(record.body, Letter) and self._random.random() < 0.7:
            to = NodeId(record.body.to)
        acts = (self._replay, self._spoil, self._forge, self._copy, self._garble, self._babble)
        self._random.choice(acts)(to, record, at)

    def equivocate(self, nodes: Sequence[NodeId], at: int) -> None:
        """Sign two designs for one place, and tell each to some."""
        self._seq += 1
        for name in ("one thing", "another thing"):
            record = a_design(
                self._signer, stream=f"design/of-{self.index}", seq=self._seq, at=at, name=name
            )
            for node in self._random.sample(nodes, self._random.randint(1, len(nodes))):
                self._wire.whisper(node, record.data)
            self.receive(record.data)

    def flood(self, nodes: Sequence[NodeId], at: int) -> None:
        """Say a great deal at once to one node."""
        to = self._random.choice(nodes)
        for _ in range(FLOOD):
            if self._heard and self._random.random() < 0.5:
                self._replay(to, self._random.choice(self._heard), at)
            else:
                self._wire.whisper(to, self._random.randbytes(self._random.randint(0, 300)))

    def _replay(self, to: NodeId, record: Record, at: int) -> None:
        self._wire.whisper(to, record.data)

    def _spoil(self, to: NodeId, record: Record, at: int) -> None:
        self._wire.whisper(to, self._bent(record.data))

    def _forge(self, to: NodeId, record: Record, at: int) -> None:
        """Say something in another's name, with a signature that is none."""
        body = structs.replace(record.body, seq=record.body.seq + self._random.randint(0, 3), at=at)
        self._wire.whisper(to, self._sealed(record, body, _Forged(record.author)))

    def _copy(self, to: NodeId, record: Record, at: int) -> None:
        """Say the same in its own name, and at times twice in one place."""
        changes: dict[str, Any] = {"at": at}
        if isinstance(record.body, Letter):
            changes["to"] = to
        if isinstance(record.body, Request):
            changes |= {"until": at + 60_000, "epoch": self._random.randint(1, 50)}
        if isinstance(record.body, Revocation) or record.kind == "capacity":
            return
        body = structs.replace(record.body, **changes)
        self._wire.whisper(to, sign(body, self._signer).data)

    def _garble(self, to: NodeId, record: Record, at: int) -> None:
        """Sign as its own what has the wrong form, or a number out of bounds."""
        plain: dict[str, Any] = msgspec.to_builtins(record.body, builtin_types=(bytes,))
        plain[self._random.choice(sorted(plain))] = self._random.choice([-1, 2**60, "", b"", []])
        try:
            data = envelope.seal(record.kind, encode(plain), self._signer).data
        except Malformed:
            return
        self._wire.whisper(to, data)

    def _babble(self, to: NodeId, record: Record, at: int) -> None:
        self._wire.whisper(to, self._random.randbytes(self._random.randint(0, 300)))

    def _bent(self, data: bytes) -> bytes:
        """Return `data` with one bit changed."""
        bent = bytearray(data)
        if bent:
            bent[self._random.randrange(len(bent))] ^= 1 << self._random.randrange(8)
        return bytes(bent)

    def _sealed(self, record: Record, body: Any, signer: Signer) -> bytes:
        plain: dict[str, Any] = msgspec.to_builtins(body, builtin_types=(bytes,))
        return envelope.seal(record.kind, encode(plain), signer).data


class _Forged:
    """Signs in another's name without the key."""

    def __init__(self, node: NodeId) -> None:
        self.node = node

    def sign(self, text: bytes) -> bytes:
        return bytes(64)
