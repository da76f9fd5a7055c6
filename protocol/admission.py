"""What is believed of what arrives: every record gets one verdict, with a reason.

    accept   signed, in form, in time, not known: keep it and pass it on
    ignore   nobody's fault: known, stale, expired, from a fast clock; drop it silently
    reject   the sender's fault: forged, malformed, against the rules; its standing falls
    conflict the author's fault: a second record for one place; keep both as proof

A proof (proofs.py) ends what is believed of its author, on every node at the same place.

Cheap checks come first, the signature before anything inside is read. A stream's mark is
the highest `seq` seen of it. Of the kinds in `LATEST` only what is above the mark counts,
so an old record cannot be played again. Rules: specs/admission.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import envelope, records, replicas, statements
from .envelope import Envelope
from .errors import BadSignature, Malformed
from .hours import HOURS_PER_DAY
from .ids import NODE_ID_BYTES, NodeId, RecordId, Timestamp
from .limits import (
    CAPACITY_TERM_MS_MAX,
    CLOCK_SKEW_MS_MAX,
    GRACE_MS_MAX,
    GUARDIANS_MAX,
    HOLD_MS_MAX,
    LEASE_TERM_MS_MAX,
    PATIENCE_MS_MAX,
    REPLICA_TERM_MS_MAX,
    REQUEST_TERM_MS,
    VOUCH_TERM_MS_MAX,
    WINDOW_KNOWN_MS,
)
from .records import Record
from .standing import proofs

CLOCKS_APART_MS_MAX = 2 * CLOCK_SKEW_MS_MAX
"""Between two honest clocks: one may be late and the other early."""


@dataclass(frozen=True, slots=True)
class Accept:
    record: Record


@dataclass(frozen=True, slots=True)
class Ignore:
    reason: str


@dataclass(frozen=True, slots=True)
class Reject:
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The author signed two records for one place in a stream: keep both as proof. Whoever
    passed on the second need not have known of the first."""

    author: NodeId
    kept: RecordId
    other: Record


Verdict = Accept | Ignore | Reject | Conflict


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands among its author's."""

    author: NodeId
    stream: str
    seq: int
    id: RecordId


class Admission:
    """Judges records one by one. `judge` counts what it accepts as known at once;
    whoever then fails to store it says `forget`, so that it may come again."""

    def __init__(
        self,
        stored: Iterable[Place] = (),
        marks: Iterable[Place] = (),
        verify: Callable[[Envelope], None] = Envelope.verify,
    ) -> None:
        """Start with all that the store holds, letters too, and with the marks of what it once
        held. `verify` raises `BadSignature`; a simulation may have a cheaper one."""
        self._verify = verify
        self._ids: set[RecordId] = set()
        self._taken: dict[tuple[NodeId, str, int], RecordId] = {}
        self._marks: dict[tuple[NodeId, str], Place] = {}
        self._revoked: dict[NodeId, int] = {}
        self._frozen: dict[NodeId, proofs.Rank] = {}
        self.denied: Callable[[Record], str] = _nothing
        """Says why this node will have nothing to do with a public record; empty: it may come."""
        for place in stored:
            self._note(place)
        for place in marks:
            self._enter(place)

    def mark(self, author: NodeId, stream: str) -> int:
        """Return the highest `seq` seen of this stream; 0 before the first."""
        mark = self._marks.get((author, stream))
        return mark.seq if mark else 0

    def revoke(self, author: NodeId, since: int) -> None:
        """From now on ignore what `author` says it signed at `since` or later."""
        self._revoked[author] = min(since, self._revoked.get(author, since))

    def freeze(self, proof: Record) -> bool:
        """From now on believe nothing that the accused signed from the proven place on; return
        False if more than that is known already."""
        author, rank = proofs.accused(proof), proofs.rank(proof)
        known = self._frozen.get(author)
        if known is not None and known < rank:
            return False
        self._frozen[author] = rank
        return True

    def frozen(self, author: NodeId) -> proofs.Rank | None:
        """Return from which place on an author is believed no more."""
        return self._frozen.get(author)

    def judge(self, data: bytes, now: Timestamp) -> Verdict:
        """Return the verdict on one sealed record. Never raises for what a peer sent."""
        try:
            sealed = envelope.parse(data)
            if sealed.kind not in records.KINDS:
                return Ignore(f"records of kind {sealed.kind!r} are unknown here")
            if sealed.id in self._ids:
                return Ignore("already known")
            if sealed.kind != "proof":
                self._verify(sealed)
            record = records.read(sealed)
            if sealed.kind == "proof":
                proofs.check(record, self._verify)
                return self._judge_proof(record)
        except (Malformed, BadSignature) as error:
            return Reject(str(error))
        if record.author == proofs.NOBODY:
            return Reject("the key of proofs signs nothing else")
        return self._judge_place(record, now)

    def judge_late(self, data: bytes, now: Timestamp) -> Record | None:
        """Return a capacity record that is over, but was good and new until then, and not so long
        ago that no order can wait for its author (BUNDLE-13). It is not counted as known."""
        try:
            record = self.read(data)
        except (Malformed, BadSignature):
            return None
        until = record.body.until
        is_late = record.kind == "capacity" and until <= now < until + PATIENCE_MS_MAX
        return record if is_late and self._why_not(record, Timestamp(until - 1)) is None else None

    def knows(self, identifier: RecordId) -> bool:
        """Tell whether a public record is known here."""
        return identifier in self._ids

    def read(self, data: bytes) -> Record:
        """Return a sealed record that its author signed, whatever else is to be said of it.

        Raises `Malformed` or `BadSignature`.
        """
        sealed = envelope.parse(data)
        self._verify(sealed)
        return records.read(sealed)

    def note(self, record: Record) -> None:
        """Count a record as known: one of this node's own, or one that is being kept."""
        self._note(_place(record))

    def forget(self, record: Record) -> None:
        """Take back `judge`'s acceptance of a record that could not be stored. What is older
        stays old: the mark falls only as far as to let this one come again."""
        place = _place(record)
        self._ids.discard(record.id)
        if self._taken.get(_key(place)) == place.id:
            del self._taken[_key(place)]
        if self._marks.get((place.author, place.stream)) == place:
            before = Place(place.author, place.stream, place.seq - 1, RecordId(b""))
            self._marks[place.author, place.stream] = before

    def drop(self, identifier: RecordId) -> None:
        """Forget the id of a record that was removed; its place stays taken."""
        self._ids.discard(identifier)

    def _judge_proof(self, record: Record) -> Verdict:
        if not self.freeze(record):
            return Ignore("more is proven of its author already")
        self.note(record)
        return Accept(record)

    def _judge_place(self, record: Record, now: Timestamp) -> Verdict:
        why_not = self._why_not(record, now)
        if why_not is not None:
            return why_not
        if record.kind in records.PUBLIC:  # A letter may come again: its answer may have been lost.
            self.note(record)
        if isinstance(record.body, statements.Revocation):
            self.revoke(record.author, record.body.since)
        return Accept(record)

    def _why_not(self, record: Record, now: Timestamp) -> Verdict | None:
        """Return the verdict on a record that is not to be accepted; None: it is."""
        body = record.body
        is_public = record.kind in records.PUBLIC
        if body.at > now + CLOCKS_APART_MS_MAX:
            return Ignore("signed in the future: its author's clock, or this one, is wrong")
        # A public record ends when its author says. A letter is between two clocks.
        if body.until and body.until + (0 if is_public else CLOCKS_APART_MS_MAX) <= now:
            return Ignore("expired")
        broken = broken_rule(record)
        if broken is not None:
            return Reject(broken)
        is_revocation = isinstance(body, statements.Revocation)
        if not is_revocation and body.at >= self._revoked.get(record.author, body.at + 1):
            return Ignore("its author's key is revoked")
        frozen = self._frozen.get(record.author)
        if frozen is not None and proofs.is_covered(record.kind, body.seq, frozen):
            return Ignore("its author signed two records for one place")
        why_not = self.denied(record) if is_public else ""
        if why_not:
            return Ignore(why_not)
        taken = self._taken_by(_place(record))
        if taken is not None and taken != record.id:
            return Conflict(record.author, taken, record)
        if record.kind in records.LATEST and body.seq < self.mark(record.author, body.stream):
            return Ignore("stale: a newer one is known")
        return None

    def _taken_by(self, place: Place) -> RecordId | None:
        if place.stream in records.LATEST:
            mark = self._marks.get((place.author, place.stream))
            return mark.id or None if mark and mark.seq == place.seq else None
        return self._taken.get(_key(place))

    def _note(self, place: Place) -> None:
        if _kind(place) in records.PUBLIC:
            self._ids.add(place.id)
        self._enter(place)

    def _enter(self, place: Place) -> None:
        if place.author == proofs.NOBODY:
            return
        if place.stream not in records.LATEST:
            self._taken[_key(place)] = place.id
        if _kind(place) in records.PUBLIC:
            key = (place.author, place.stream)
            mark = self._marks.get(key)
            if mark is None or place.seq > mark.seq:
                self._marks[key] = place


def _nothing(_: Record) -> str:
    return ""


def _place(record: Record) -> Place:
    return Place(record.author, record.body.stream, record.body.seq, record.id)


def _key(place: Place) -> tuple[NodeId, str, int]:
    return place.author, place.stream, place.seq


def _kind(place: Place) -> str:
    return place.stream.partition("/")[0]


def broken_rule(record: Record) -> str | None:
    """Return the rule that a well-formed record breaks by what it says, or None."""
    body = record.body
    if body.stream != record.kind and (
        record.kind in records.LATEST or not body.stream.startswith(record.kind + "/")
    ):
        return f"a {record.kind} in the stream {body.stream!r}"
    match body:
        case records.Design() | statements.Revocation() if body.until:
            return f"a {record.kind} that expires"
        case records.Capacity():
            if not body.at < body.until <= body.at + CAPACITY_TERM_MS_MAX:
                return f"a capacity record must expire within {CAPACITY_TERM_MS_MAX // 60_000} min"
            if len({machine.id for machine in body.machines}) < len(body.machines):
                return "two machines of one workshop have the same id"
            if body.intensity and len(body.intensity) != HOURS_PER_DAY:
                return f"a curve of the day with {len(body.intensity)} hours"
        case records.Design():
            if len({part.name for part in body.parts}) < len(body.parts):
                return "two parts of one design have the same name"
            if len({origin.design for origin in body.derived_from}) < len(body.derived_from):
                return "a design that names one origin twice"
            paths = [body.manifest, body.picture, *(part.file for part in body.parts)]
            for path in paths:
                if path is not None and not _is_inside(path):
                    return f"a path that leads out of the design: {path!r}"
        case statements.Replica():
            if not body.at < body.until <= body.at + REPLICA_TERM_MS_MAX:
                return "a promise to keep a tree must end within two years"
            if body.root[:1] != b"\x01":
                return "a promise about a root that is not a CID of version 1"
            if body.stream != replicas.stream_of(body.root):
                return "a promise in another stream than that of its root"
        case statements.Vouch():
            if not body.at < body.until <= body.at + VOUCH_TERM_MS_MAX:
                return "a vouch must end within two years"
            if body.stream != f"vouch/{body.subject.hex()}":
                return "a vouch in another stream than that of its subject"
            if body.subject == record.author:
                return "a vouch for its own author"
        case statements.Denylist():
            for entry in body.entries:
                if entry.what != "root" and len(entry.name) != NODE_ID_BYTES:
                    return f"a denial of {entry.what} {entry.name.hex()}, which is none"
        case records.Window():
            if not body.start < body.end <= body.at + LEASE_TERM_MS_MAX:
                return "a window that ends before it starts, or too far off"
            if not 0 < body.length_ms <= body.end - body.start:
                return "a window that is shorter than its job"
            told_ms = WINDOW_KNOWN_MS + PATIENCE_MS_MAX
            if not body.end < body.until <= max(body.at, body.end) + told_ms:
                return "a window that is told of for too long, or not until its end"
        case records.Request():
            if not body.at < body.until <= body.at + REQUEST_TERM_MS + body.patience_ms:
                return f"a request must expire within {REQUEST_TERM_MS // 60_000} min, and patience"
            if body.guardians and len(set(body.guardians)) != GUARDIANS_MAX:
                return f"an order has {GUARDIANS_MAX} guardians or none"
        case records.Offer():
            if not body.at <= body.start < body.end <= body.at + LEASE_TERM_MS_MAX:
                return "a window that ends before it starts, or too far off"
            if body.length_ms > body.end - body.start:
                return "a window that is shorter than its job"
            if not body.at < body.held_until <= body.at + HOLD_MS_MAX + PATIENCE_MS_MAX:
                return f"an offer is held for up to {HOLD_MS_MAX // 1000} s, and patience"
        case records.Lease():
            if not body.start < body.end <= body.at + LEASE_TERM_MS_MAX:
                return "a window that ends before it starts, or too far off"
            if body.length_ms > body.end - body.start:
                return "a window that is shorter than its job"
            if not body.start <= body.start_by <= body.end + GRACE_MS_MAX + PATIENCE_MS_MAX:
                return "a lease that must start before its window, or long after it"
        case _:
            pass
    return None


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and "\\" not in path and ".." not in path.split("/")
