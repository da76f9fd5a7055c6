"""Proof that an author signed two records that no honest one signs, which anybody can check:
two for one place, two windows of one machine that overlap, two grants for one attempt.

A proof has no author. It is sealed with a key that everybody has, and its bytes follow from
the two records: whoever saw both makes the same proof, so that a thousand witnesses make one
record. Of several against one author the first counts (`rank`), whatever the order in which
they came. Pure. Rules: specs/admission.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from .. import envelope, records
from ..envelope import Envelope
from ..errors import Malformed
from ..ids import NodeId, RecordId
from ..lease import windows
from ..records import Grant, Proof, Record

NOBODY_SEED = sha256(b"commonfab/1/nobody").digest()
"""Of the Ed25519 key that seals all proofs. It is no secret, and nothing else is believed of it."""


class _Nobody:
    """An `envelope.Signer`."""

    def __init__(self) -> None:
        key, self._secret = crypto_sign_seed_keypair(NOBODY_SEED)
        self.node = NodeId(key)

    def sign(self, text: bytes) -> bytes:
        return crypto_sign(text, self._secret)[:64]


_NOBODY = _Nobody()
NOBODY = _NOBODY.node


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """Where an author's word ends: at this `seq`. The lowest of several counts."""

    seq: int
    id: RecordId


def prove(one: bytes, other: bytes) -> Record:
    """Return the proof that two sealed records make, in whatever order they are given.

    Raises `Malformed` if they are no proof of anything. Their signatures are not looked at.
    """
    halves = sorted((_read(one), _read(other)), key=lambda half: half.id)
    first, second = halves
    broken = _broken(first, second)
    if broken:
        raise Malformed(broken)
    which = sha256(first.id + second.id).hexdigest()[:16]
    body = Proof(
        stream=f"proof/{first.author.hex()}/{which}",
        seq=max(first.body.seq, second.body.seq),
        at=max(first.body.at, second.body.at),
        first=first.data,
        second=second.data,
    )
    return records.sign(body, _NOBODY)


def check(proof: Record, verify: Callable[[Envelope], None]) -> None:
    """Raise `Malformed` or `BadSignature` unless a proof is one: the very bytes that its two
    records make, and both signed by their author."""
    body = proof.body
    assert isinstance(body, Proof)
    if prove(body.first, body.second).data != proof.data:
        raise Malformed("a proof in another form than its two records make")
    verify(envelope.parse(body.first))
    verify(envelope.parse(body.second))


def accused(proof: Record) -> NodeId:
    """Return who signed both records of a proof that was checked."""
    assert isinstance(proof.body, Proof)
    return envelope.parse(proof.body.first).author


def rank(proof: Record) -> Rank:
    return Rank(proof.body.seq, proof.id)


def is_covered(kind: str, seq: int, frozen: Rank) -> bool:
    """Tell whether a record of an accused author is believed no more: what it signed from that
    place on, and whatever it would replace. A revocation always counts."""
    if kind not in records.PUBLIC or kind == "revocation":
        return False
    return kind in records.LATEST or seq >= frozen.seq


def _read(data: bytes) -> Record:
    return records.read(envelope.parse(data))


def _broken(first: Record, second: Record) -> str:
    """Say why two records prove nothing."""
    if first.id == second.id:
        return "one record twice proves nothing"
    if first.author != second.author:
        return "the records of two authors prove nothing"
    if first.kind != second.kind:
        return "records of two kinds prove nothing"
    if first.kind == "window" and windows.are_a_lie(first, second):
        return ""
    if _are_for_one_attempt(first, second):
        return ""
    if first.kind not in records.PUBLIC or first.kind == "proof":
        return f"a {first.kind} proves nothing to others"
    if (first.body.stream, first.body.seq) != (second.body.stream, second.body.seq):
        return "records of two places prove nothing"
    return ""


def _are_for_one_attempt(first: Record, second: Record) -> bool:
    """Tell whether both are grants for one attempt at a job, for two leases (LEASE-11)."""
    one, other = first.body, second.body
    return (
        isinstance(one, Grant)
        and isinstance(other, Grant)
        and (one.order, one.job, one.epoch) == (other.order, other.job, other.epoch)
        and one.lease != other.lease
    )
