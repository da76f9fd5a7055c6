"""Eve: hears much of what is said, and says it again, changed, in her own name or in others'."""

from random import Random
from typing import Any, Protocol

import msgspec
from msgspec import structs

from commonfab.protocol import envelope
from commonfab.protocol.encoding import encode
from commonfab.protocol.envelope import Signer
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Letter, Record, Request, Revocation, sign

_HEARD_MAX = 400


class Wire(Protocol):
    """What the world lets Eve do."""

    def whisper(self, to: NodeId, data: bytes) -> None:
        """Put bytes on the wire to a node."""
        ...


class Eve:
    """One for each run. She has a key of her own, and nobody else's."""

    def __init__(self, signer: Signer, random: Random, wire: Wire) -> None:
        self.node = signer.node
        self._signer = signer
        self._random = random
        self._wire = wire
        self._heard: list[Record] = []

    def hear(self, record: Record) -> None:
        if len(self._heard) < _HEARD_MAX:
            self._heard.append(record)
        else:
            self._heard[self._random.randrange(_HEARD_MAX)] = record

    def act(self, nodes: list[NodeId], at: int) -> None:
        """Do one of the things that she does."""
        if not self._heard:
            return
        record = self._random.choice(self._heard)
        to = self._random.choice(nodes)
        if isinstance(record.body, Letter) and self._random.random() < 0.7:
            to = NodeId(record.body.to)
        acts = (self._replay, self._spoil, self._forge, self._copy, self._garble, self._babble)
        self._random.choice(acts)(to, record, at)

    def _replay(self, to: NodeId, record: Record, at: int) -> None:
        self._wire.whisper(to, record.data)

    def _spoil(self, to: NodeId, record: Record, at: int) -> None:
        """Change one bit."""
        data = bytearray(record.data)
        data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        self._wire.whisper(to, bytes(data))

    def _forge(self, to: NodeId, record: Record, at: int) -> None:
        """Say something in another's name, with a signature that is none."""
        body = structs.replace(record.body, seq=record.body.seq + self._random.randint(0, 3), at=at)
        self._wire.whisper(to, self._sealed(record, body, _Forged(record.author)))

    def _copy(self, to: NodeId, record: Record, at: int) -> None:
        """Say the same in her own name, and at times twice in one place."""
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
        """Sign as her own what has the wrong form, or a number out of bounds."""
        plain: dict[str, Any] = msgspec.to_builtins(record.body, builtin_types=(bytes,))
        plain[self._random.choice(sorted(plain))] = self._random.choice([-1, 2**60, "", b"", []])
        try:
            data = envelope.seal(record.kind, encode(plain), self._signer).data
        except Malformed:
            return
        self._wire.whisper(to, data)

    def _babble(self, to: NodeId, record: Record, at: int) -> None:
        self._wire.whisper(to, self._random.randbytes(self._random.randint(0, 300)))

    def _sealed(self, record: Record, body: Any, signer: Signer) -> bytes:
        plain: dict[str, Any] = msgspec.to_builtins(body, builtin_types=(bytes,))
        return envelope.seal(record.kind, encode(plain), signer).data


class _Forged:
    """Signs in another's name without the key."""

    def __init__(self, node: NodeId) -> None:
        self.node = node

    def sign(self, text: bytes) -> bytes:
        return bytes(64)
