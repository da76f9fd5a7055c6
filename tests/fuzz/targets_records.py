"""Records: bodies of every kind, their envelopes, and what else is sealed like them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec.inspect as inspect

from commonfab.protocol import encoding, envelope
from commonfab.protocol.admission import Admission
from commonfab.protocol.carrying import notes
from commonfab.protocol.envelope import Envelope
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import KINDS, LATEST
from commonfab.protocol.standing import proofs
from tests.builders import NOON, a_capacity, a_design, a_workshop
from tests.protocol.signers import ALICE

from . import canonical
from .samples import a_value
from .target import Feed, Target

SAMPLES_A_KIND = 12
KIND_NAMES = sorted(KINDS)


@dataclass(frozen=True)
class _Nobody:
    """Signs with zeros: these targets are about what comes after the signature."""

    node: NodeId

    def sign(self, text: bytes) -> bytes:
        return bytes(64)


_STRANGER = _Nobody(NodeId(bytes(range(32))))


def _believe(sealed: Envelope) -> None:
    pass


def bodies(random: Random) -> list[bytes]:
    """Return the number of a kind, and a body of it."""
    found: list[bytes] = []
    for number, kind in enumerate(KIND_NAMES):
        form = inspect.type_info(KINDS[kind])
        for _ in range(SAMPLES_A_KIND):
            plain: dict[str, Any] = a_value(form, random, has_none=False)
            plain["stream"] = kind if kind in LATEST else f"{kind}/x"
            plain |= {"at": NOON, "seq": random.randint(1, 99), "until": NOON + 60_000}
            try:
                found.append(bytes([number]) + encoding.encode(plain))
            except Malformed:
                continue  # A text that has no canonical form, or too much of it all.
    return found


def opened_records() -> Feed:
    admission = Admission(verify=_believe)

    def feed(data: bytes) -> object:
        body = data[1:]
        canonical.judge(body)
        kind = KIND_NAMES[data[0] % len(KIND_NAMES)] if data else "design"
        if len(body) > envelope.body_bytes_max(kind):
            return None
        return admission.judge(envelope.seal(kind, body, _STRANGER).data, NOON)

    return feed


def sealed(random: Random) -> Sequence[bytes]:
    one, other = a_design(seq=1, name="one thing"), a_design(seq=1, name="another")
    found = [one, other, a_workshop(), a_capacity(), proofs.prove(one.data, other.data)]
    return [record.data for record in found]


def opened_envelopes() -> Feed:
    admission = Admission()
    return lambda data: admission.judge(data, NOON)


def note_bodies(random: Random) -> Sequence[bytes]:
    """Return the number of a kind of notes, and a body of it."""
    return [
        bytes([number])
        + encoding.encode(a_value(inspect.type_info(struct), random, has_none=False))
        for number, struct in enumerate(notes.NOTES.values())
        for _ in range(SAMPLES_A_KIND)
    ]


def read_note(data: bytes) -> None:
    kind = list(notes.NOTES)[data[0] % len(notes.NOTES)] if data else "summary"
    sealed = envelope.seal(kind, data[1:], ALICE).data
    assert notes.is_note(sealed)
    notes.read(sealed)


TARGETS = (
    Target(
        name="records",
        reads=(
            "protocol/admission.py:judge",
            "protocol/encoding.py:decode",
            "protocol/envelope.py:parse",
            "protocol/peer.py:receive",
            "protocol/standing/proofs.py:prove",
        ),
        serves=("node/post.py:PROTOCOL",),
        samples=bodies,
        opened=opened_records,
    ),
    Target(
        name="envelopes",
        reads=("protocol/envelope.py:identify",),
        samples=sealed,
        opened=opened_envelopes,
    ),
    Target(
        name="notes",
        reads=("protocol/carrying/notes.py:read", "protocol/carrying/notes.py:is_note"),
        samples=note_bodies,
        opened=lambda: read_note,
    ),
)
