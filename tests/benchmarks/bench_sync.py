"""What it costs to find what differs: bytes, round trips and processor time of both sides.

python -m tests.benchmarks.bench_sync            100,000 records
python -m tests.benchmarks.bench_sync 1000000    so many

Beside it a plain list of ids, and the wire of Negentropy v1. Differences are scattered over
all time, or the newest records; half of them each side lacks. Records do not count, as each
way brings the same ones; the short ids by which they are asked for do.
"""

import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import process_time

from commonfab.protocol.ids import RecordId, Timestamp
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.index import END, TIME_BYTES, Index, id_of, key_of
from commonfab.protocol.sync.leader import Leader
from commonfab.protocol.sync.sync import Judge
from commonfab.protocol.sync.sync_wire import Ask, Hello, Message, Swap, Swapped, decode, encode

from .negentropy_wire import Side

RECORDS = 100_000
FIRST_MS, LAST_MS = 1_760_000_000_000, 1_790_000_000_000
LIST_BYTES = 32
BEST_OF = 3
UPDATES = 2_000
# Of 1,000 differences: bytes when they are scattered and recent, round trips, milliseconds.
GOAL_BYTES, GOAL_ROUNDS, GOAL_MS = (300_000, 10_000), 3, 200


@dataclass(frozen=True)
class Cost:
    """Of one session, of both sides together."""

    size: int
    rounds: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.size / 1000:,.1f} kB, {self.rounds} round trips, {self.seconds * 1000:.0f} ms"
        )


def run(records: int = RECORDS) -> list[tuple[str, str]]:
    """Return rows of (what, how much)."""
    rows: list[tuple[str, str]] = []
    for missing in (0, 10, 1000, records // 2):
        for is_recent in (False, True):
            if missing or not is_recent:
                rows += _compare(records, missing, is_recent=is_recent)
    return [*rows, *_index(records)]


def _compare(records: int, missing: int, *, is_recent: bool) -> list[tuple[str, str]]:
    mine, theirs = two_sets(records, missing, is_recent=is_recent)
    here, there = Index(mine), Index(theirs)
    assert here.before(END)[0] == there.before(END)[0]
    ours = best(lambda: session(here, there, missing))
    other = best(lambda: negentropy(mine, theirs, missing))
    where = "newest" if is_recent else "scattered"
    what = f"{missing:,} of {records:,} differ, {where}" if missing else f"{records:,} are equal"
    listed = len(mine) * LIST_BYTES
    rows = [
        (what, str(ours)),
        ("  Negentropy v1", f"{other}; {other.size / ours.size:.1f} x the bytes"),
        ("  a list of all ids", f"{listed / 1000:,.0f} kB; {listed / ours.size:,.0f} x"),
    ]
    if records == RECORDS and missing == 1000:
        rows.append(("  goal", verdict(ours, GOAL_BYTES[is_recent])))
    return rows


def verdict(cost: Cost, bytes_most: int) -> str:
    is_met = (
        cost.size <= bytes_most and cost.rounds <= GOAL_ROUNDS and cost.seconds * 1000 <= GOAL_MS
    )
    word = "reached" if is_met else "missed"
    return f"{word}: {bytes_most / 1000:,.0f} kB, {GOAL_ROUNDS} round trips, {GOAL_MS} ms"


def two_sets(records: int, missing: int, *, is_recent: bool) -> tuple[list[bytes], list[bytes]]:
    """Return the keys of two sides: together `records`, of which each lacks half of `missing`."""
    random = Random(1)
    times = sorted(random.randrange(FIRST_MS, LAST_MS) for _ in range(records))
    keys = [key_of(at, random.randbytes(32)) for at in times]
    newest = range(records - missing, records)
    places = newest if is_recent else random.sample(range(records), missing)
    lacks = {place: turn % 2 for turn, place in enumerate(places)}
    mine, theirs = (
        [key for place, key in enumerate(keys) if lacks.get(place) != side] for side in (0, 1)
    )
    return mine, theirs


def session(here: Index, there: Index, missing: int) -> Cost:
    """Run a session whose records are empty, so that only what finds them is counted."""
    start = process_time()
    leader, follower = Leader(here, _nothing, b"L" * 16), Follower(there, _nothing, b"F" * 16)
    size = rounds = 0
    message: Message | None = leader.begin()
    while message is not None:
        sent = encode(message)
        answer = follower.hear(decode(sent))
        if isinstance(answer, Judge):
            answer = follower.judged([True] * len(answer.sealed))
        came = encode(answer)
        size += len(sent) + len(came) - _record_bytes(message) - _record_bytes(answer)
        rounds += isinstance(message, Hello | Ask)
        step = leader.hear(decode(came))
        message = leader.judged() if isinstance(step, Judge) else step
    assert leader.wanted + leader.given == missing
    return Cost(size, rounds, process_time() - start)


def _nothing(_: RecordId) -> bytes:
    return b""


def _record_bytes(message: Message) -> int:
    return 2 * len(message.sealed) if isinstance(message, Swap | Swapped) else 0


def _time_of(key: bytes) -> Timestamp:
    return Timestamp(int.from_bytes(key[:TIME_BYTES], "big"))


def negentropy(mine: Sequence[bytes], theirs: Sequence[bytes], missing: int) -> Cost:
    leader, follower = (
        Side([(_time_of(key), id_of(key)) for key in keys], leads=keys is mine)
        for keys in (mine, theirs)
    )
    start = process_time()
    size = rounds = 0
    message: bytes | None = leader.begin()
    while message is not None:
        answer = follower.hear(message)
        assert answer is not None
        size += len(message) + len(answer)
        rounds += 1
        message = leader.hear(answer)
    assert len(leader.have) + len(leader.need) == missing
    return Cost(size + LIST_BYTES * len(leader.need), rounds, process_time() - start)


def best(once: Callable[[], Cost]) -> Cost:
    return min((once() for _ in range(BEST_OF)), key=lambda cost: cost.seconds)


def _index(records: int) -> list[tuple[str, str]]:
    keys, _ = two_sets(records, 0, is_recent=False)
    fresh = two_sets(UPDATES, 0, is_recent=False)[0]
    start = process_time()
    index = Index(keys)
    made = process_time()
    index.before(END)
    summed = process_time()
    for key in fresh:
        index.add(key)
    added = process_time()
    index.before(END)
    again = process_time()
    some = keys[:RECORDS]  # Tracing is slow.
    tracemalloc.start()
    held = Index(some)
    held.before(END)
    memory = tracemalloc.get_traced_memory()[0] / len(some)
    tracemalloc.stop()
    return [
        (f"an index of {records:,} made", f"{(made - start) * 1000:,.0f} ms"),
        ("  its sums, when first asked for", f"{(summed - made) * 1000:,.0f} ms"),
        ("  one record entered", f"{(added - summed) / UPDATES * 1e6:.0f} us"),
        (f"  sums again after {UPDATES:,}", f"{(again - added) * 1000:.0f} ms"),
        ("  memory, beside the keys", f"{memory:.0f} bytes a record"),
    ]


if __name__ == "__main__":
    for what, how_much in run(int(sys.argv[1]) if sys.argv[1:] else RECORDS):
        print(f"{what:42} {how_much}")
