"""Two nodes that share a secret prove it to each other, and so know each other's key.

The secret is a code of six words that one person reads to another, or stands in an
invitation. The *host* made it, the *guest* was told it; both hold a link already, so each
knows the other's key, but not yet whose it is:

    guest                                       host
    Hello: tag, nonce                   -->
                                        <--     Challenge: nonce, or Refused
    Proof: mac, addresses               -->
                                        <--     Proof: mac, addresses, or Refused

    Open --right proof--> Used by that guest
         --taken back---> Ended

A mac is over both keys and both nonces: one that is passed on between two other nodes fits
neither. The host answers nothing before the guest has proven itself. Rules: specs/pairing.md.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ..errors import Malformed
from ..ids import NodeId, Timestamp
from ..limits import MINUTE_MS

PROTOCOL = "/commonfab/pair/1"
CODE_BYTES = 9
"""Six words of 11 bits: a number of 66 bits, the first word in the highest."""
CODE_WORDS = 6
INVITATION_SECRET_BYTES = 16
PSK_BYTES = 32
"""The key of a private network."""
NONCE_BYTES = 32
CODE_TERM_MS = 10 * MINUTE_MS
"""A code's life: two people who are talking to each other need one."""
ADDRESSES_MAX = 8
ADDRESS_LETTERS_MAX = 256
MESSAGE_BYTES_MAX = 4096

SCRYPT_N = 1 << 15
SCRYPT_R = 8
_SCRYPT_MEMORY = 256 * SCRYPT_N * SCRYPT_R
_SALT = b"commonfab/pairing/1"
_PART_BYTES = 32

Why = Literal["unknown", "expired", "used", "wrong", "revoked", "busy"]
"""Why a host refuses. `busy`: this guest has tried too often, and may again later."""
Role = Literal["host", "guest"]
Fixed = Annotated[bytes, Meta(min_length=32, max_length=32)]
Address = Annotated[str, Meta(max_length=ADDRESS_LETTERS_MAX)]
Addresses = Annotated[tuple[Address, ...], Meta(max_length=ADDRESSES_MAX)]


@dataclass(frozen=True, slots=True)
class Keys:
    """What both sides make of the secret, and what nobody makes who does not know it."""

    place: bytes
    """Where the two look for each other: others see it, and learn nothing of the rest."""
    tag: bytes
    """Which secret of the host's it is: said to a host alone."""
    key: bytes
    """What the proofs are made with: said to nobody."""


def derive(secret: bytes) -> Keys:
    """Return the keys of a secret: 32 MiB of memory, and a tenth of a second."""
    assert len(secret) in (CODE_BYTES, INVITATION_SECRET_BYTES)
    data = hashlib.scrypt(
        secret, salt=_SALT, n=SCRYPT_N, r=SCRYPT_R, p=1, maxmem=_SCRYPT_MEMORY, dklen=96
    )
    return Keys(*(data[start : start + _PART_BYTES] for start in range(0, 96, _PART_BYTES)))


# Messages.


class _Message(Struct, frozen=True, tag=str.lower, forbid_unknown_fields=True):
    pass


class Hello(_Message, frozen=True):
    tag: Fixed
    nonce: Fixed


class Challenge(_Message, frozen=True):
    nonce: Fixed


class Proof(_Message, frozen=True):
    mac: Fixed
    addresses: Addresses
    """At which the sender is reached."""


class Refused(_Message, frozen=True):
    why: Why


Message = Hello | Challenge | Proof | Refused

_decoder = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(data: bytes) -> Message:
    """Return a message, or raise `Malformed`."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise Malformed(f"a message of {len(data)} bytes; at most {MESSAGE_BYTES_MAX}")
    try:
        message: Message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a message of pairing: {error}") from error
    return message


# One conversation.


@dataclass(frozen=True, slots=True)
class Encounter:
    """Who spoke with whom, and what both threw in: what a proof is bound to."""

    host: NodeId
    guest: NodeId
    host_nonce: bytes
    guest_nonce: bytes

    def mac(self, keys: Keys, role: Role) -> bytes:
        """Return the proof that `role` knows the secret; 32 bytes."""
        text = b"".join(
            (
                f"{PROTOCOL} {role}".encode().ljust(_PART_BYTES, b"\0"),
                self.host,
                self.guest,
                keys.tag,
                self.host_nonce,
                self.guest_nonce,
            )
        )
        return hmac.digest(keys.key, text, "sha256")

    def is_proof(self, mac: bytes, keys: Keys, role: Role) -> bool:
        return hmac.compare_digest(mac, self.mac(keys, role))


# The host's side of one secret.


class Open(Struct, frozen=True, tag="open"):
    """Nobody has used it."""


class Used(Struct, frozen=True, tag="used"):
    by: bytes
    at: int


class Ended(Struct, frozen=True, tag="ended"):
    why: Literal["revoked"]


State = Open | Used | Ended


def refusal(state: State, guest: NodeId, until: Timestamp, now: Timestamp) -> Why | None:
    """Return why a guest that named this secret gets no challenge; None if it gets one.

    The guest that has used it may prove itself again, for the answer may have been lost.
    """
    match state:
        case Ended(why):
            return why
        case Used(by) if by != guest:
            return "used"
        case _:
            return "expired" if now >= until else None


def judge(
    state: State, until: Timestamp, keys: Keys, met: Encounter, mac: bytes, now: Timestamp
) -> tuple[State, Why | None]:
    """Return what the secret becomes after a proof, and why the guest is refused, if it is.

    A wrong proof changes nothing: nobody guesses a key of 256 bits, and if it ended the secret,
    whoever hears the tag could keep two people apart.
    """
    why = refusal(state, met.guest, until, now)
    if why is not None:
        return state, why
    if not met.is_proof(mac, keys, "guest"):
        return state, "wrong"
    return (Used(met.guest, now) if isinstance(state, Open) else state), None
