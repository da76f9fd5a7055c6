"""Windows on machines as everybody hears of them, and which two of one owner are a lie.

A window is longer than its job by some leeway, so that its owner may make another first. Two
windows of one machine overlap if neither order of their jobs keeps both. An owner that signs
the later of two that overlap says in it that the earlier is over; if it does not, the two
are a proof against it (`..standing.proofs`). Pure. Rules: specs/lease.md.
"""

from typing import Protocol

from .. import envelope, records
from ..envelope import Envelope
from ..errors import Malformed
from ..ids import NodeId, RecordId, Timestamp
from ..limits import MINUTE_MS
from ..records import Lease, Record, Window

START_BY_SHARE = 20
"""A lease may start late by a twentieth of its length, or by the buyer's grace if that is more."""
LEEWAY_PERMILLE = 500
"""Of a job's length: how much later than planned its window ends, so that others may come before
it. Below 1000, two like jobs at one time are a lie."""
START_GRACE_MS_MAX = 10 * MINUTE_MS
"""Of that grace: so long a machine is kept for a grant that does not come."""


class Span(Protocol):
    """A window with the time that the machine needs in it: of an offer, a lease or by itself."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def length_ms(self) -> int: ...


def length_of(span: Span) -> int:
    """Return how long the machine needs, in milliseconds."""
    return span.length_ms or span.end - span.start


def planned_end(span: Span) -> int:
    """Return when the job of a window is made as its owner plans it, by the window's length:
    without the leeway, of which no more counts than is usual."""
    length_ms = length_of(span)
    return max(span.start + length_ms, span.end - length_ms * LEEWAY_PERMILLE // 1000)


def start_by(span: Span, grace_ms: int, patience_ms: int) -> int:
    """Return until when the job of a window may start (LEASE-8)."""
    length_ms = length_of(span)
    late_ms = max(min(grace_ms, START_GRACE_MS_MAX), patience_ms, length_ms // START_BY_SHARE)
    return span.end - length_ms + late_ms


def overlap(one: Span, other: Span) -> bool:
    """Tell whether one machine cannot keep both, whichever job it makes first (LEASE-1)."""
    return not (_may_follow(one, other) or _may_follow(other, one))


def _may_follow(first: Span, second: Span) -> bool:
    return max(first.start + length_of(first), second.start) + length_of(second) <= second.end


def public_half(lease: Record) -> Envelope:
    """Return the window that a lease carries. Raises `Malformed` if it carries none."""
    assert isinstance(lease.body, Lease)
    sealed = envelope.parse(lease.body.window)
    if sealed.kind != "window":
        raise Malformed(f"a lease with a {sealed.kind} for a window")
    return sealed


def window_of(record: Record) -> Window:
    assert isinstance(record.body, Window)
    return record.body


def is_half_of(lease: Record) -> bool:
    """Tell whether a lease says of its window what everybody will hear (LEASE-24)."""
    try:
        sealed = public_half(lease)
        window = records.read(sealed).body
    except Malformed:
        return False
    body = lease.body
    assert isinstance(body, Lease)
    return (
        isinstance(window, Window)
        and sealed.author == lease.author
        and (window.machine, window.acceptance) == (body.machine, body.acceptance)
        and (window.start, window.end) == (body.start, body.end)
        and window.length_ms == length_of(body)
    )


def are_a_lie(one: Record, other: Record) -> bool:
    """Tell whether no honest owner can have signed both windows (LEASE-25)."""
    first, second = sorted((one, other), key=lambda record: record.body.seq)
    earlier, later = window_of(first), window_of(second)
    return (
        first.author == second.author
        and earlier.machine == later.machine
        and earlier.seq < later.seq
        and overlap(earlier, later)
        and first.id not in later.over
    )


class Windows:
    """Those that are not over yet, of all machines that are known."""

    def __init__(self) -> None:
        self._known: dict[tuple[NodeId, str], dict[RecordId, Record]] = {}

    def take(self, record: Record, now: Timestamp) -> Record | None:
        """Take in a window, and return another that makes the two a lie."""
        window = window_of(record)
        of_machine = self._known.setdefault((record.author, window.machine), {})
        for identifier, known in list(of_machine.items()):
            if known.body.until <= now:
                del of_machine[identifier]
        if record.id in of_machine:
            return None
        of_machine[record.id] = record
        lies = [known for known in of_machine.values() if are_a_lie(known, record)]
        return min(lies, key=lambda known: (known.body.seq, known.id), default=None)
