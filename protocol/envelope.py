"""Signed bytes.

    frame   "CFR1" | 0x01 | key 32 | signature 64 | u16 len | domain | u32 len | body
    signed  "CFSIG1\\0" | u16 len | domain | key 32 | u32 len | body
    id      SHA-256 of what was signed

The domain names the kind of record, so that a signature for an offer can never pass for
one on a lease. The id does not cover the signature, so that signing again gives no second
id. Signatures are Ed25519 as libsodium checks them: keys and points of small order and
malleable signatures are refused. Lengths are big-endian. Rules: specs/envelope.md.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from .errors import BadSignature, Malformed
from .ids import NODE_ID_BYTES, NodeId, RecordId
from .limits import BODY_BYTES_MAX, ENVELOPE_BYTES_MAX, PROOF_BYTES_MAX

DOMAIN_PREFIX = "commonfab/1/"
DOMAIN_BYTES_MAX = 64
_MAGIC = b"CFR1\x01"
_SIGNED_MAGIC = b"CFSIG1\0"
_SIGNATURE_BYTES = 64
_DOMAIN = re.compile(DOMAIN_PREFIX.encode() + b"([a-z][a-z0-9-]*)")
_KEY_AT = len(_MAGIC)
_SIGNATURE_AT = _KEY_AT + NODE_ID_BYTES
_DOMAIN_AT = _SIGNATURE_AT + _SIGNATURE_BYTES


class Signer(Protocol):
    """Signs for one node, and keeps the secret key to itself."""

    @property
    def node(self) -> NodeId: ...

    def sign(self, text: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of `text`."""
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """A frame taken apart. Nothing in it is believed before `verify`."""

    id: RecordId
    author: NodeId
    kind: str
    body: bytes
    data: bytes
    """The whole frame, exactly as it came."""
    _signature: bytes
    _signed: bytes

    def verify(self) -> None:
        """Raise `BadSignature` unless the author signed this kind of record with this body."""
        # The library reads 32 bytes of key from wherever it is pointed at.
        assert len(self.author) == NODE_ID_BYTES
        try:
            crypto_sign_open(self._signature + self._signed, self.author)
        except BadSignatureError as error:
            raise BadSignature(
                f"{self.kind} {self.id.hex()[:8]} was not signed by {self.author.hex()[:8]}"
            ) from error


def seal(kind: str, body: bytes, signer: Signer) -> Envelope:
    """Return `body` signed as a record of `kind`."""
    domain = (DOMAIN_PREFIX + kind).encode()
    assert _DOMAIN.fullmatch(domain)
    assert len(domain) <= DOMAIN_BYTES_MAX
    assert len(body) <= body_bytes_max(kind)
    signed = _signed_text(domain, signer.node, body)
    signature = signer.sign(signed)
    assert len(signer.node) == NODE_ID_BYTES
    assert len(signature) == _SIGNATURE_BYTES
    data = b"".join(
        (_MAGIC, signer.node, signature, _with_length(domain, 2), _with_length(body, 4))
    )
    return Envelope(_identify(signed), signer.node, kind, body, data, signature, signed)


def parse(data: bytes) -> Envelope:
    """Take a frame apart without believing it, or raise `Malformed`."""
    if len(data) > ENVELOPE_BYTES_MAX:
        raise Malformed(f"an envelope of {len(data)} bytes; the limit is {ENVELOPE_BYTES_MAX}")
    if data[:_KEY_AT] != _MAGIC:
        raise Malformed("not a record of this version")
    author = data[_KEY_AT:_SIGNATURE_AT]
    signature = data[_SIGNATURE_AT:_DOMAIN_AT]
    domain, body_at = _read(data, _DOMAIN_AT, 2, DOMAIN_BYTES_MAX)
    kind = _kind(domain)
    body, end = _read(data, body_at, 4, body_bytes_max(kind))
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes after the end of the record")
    signed = _signed_text(domain, author, body)
    return Envelope(_identify(signed), NodeId(author), kind, body, data, signature, signed)


def body_bytes_max(kind: str) -> int:
    """Return how long a body of a kind may be."""
    return PROOF_BYTES_MAX if kind == "proof" else BODY_BYTES_MAX


def author_of(data: bytes) -> NodeId:
    """Return whose a frame says that it is. `data`: one that `parse` takes."""
    return NodeId(data[_KEY_AT:_SIGNATURE_AT])


def identify(data: bytes) -> RecordId:
    """Return the id of a stored frame, or raise `Malformed`: for checking what a disk gave back."""
    return parse(data).id


def _kind(domain: bytes) -> str:
    found = _DOMAIN.fullmatch(domain)
    if found is None:
        raise Malformed("a domain of another network, or a kind that is not a word")
    return found[1].decode()


def _signed_text(domain: bytes, author: bytes, body: bytes) -> bytes:
    return b"".join((_SIGNED_MAGIC, _with_length(domain, 2), author, _with_length(body, 4)))


def _with_length(part: bytes, length_bytes: int) -> bytes:
    return len(part).to_bytes(length_bytes, "big") + part


def _read(data: bytes, at: int, length_bytes: int, bytes_max: int) -> tuple[bytes, int]:
    start = at + length_bytes
    if start > len(data):
        raise Malformed("the record ends early")
    length = int.from_bytes(data[at:start], "big")
    if length > bytes_max:
        raise Malformed(f"a length of {length}; the limit here is {bytes_max}")
    end = start + length
    if end > len(data):
        raise Malformed("the record ends early")
    return data[start:end], end


def _identify(signed: bytes) -> RecordId:
    return RecordId(hashlib.sha256(signed).digest())
