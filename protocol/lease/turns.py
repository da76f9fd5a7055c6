"""In which order a machine makes what was promised on it, and where there is room for more.

Each job has a window with a start, an end and a length (windows.py). Jobs take their turns by
the latest time at which they must begin: this order follows from what was signed alone, so it
is the same after a restart. A new job may come before one that waits if every end that was
promised still holds. Pure.
"""

from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .windows import length_of

Interval = tuple[int, int]
"""From the start of a job until the machine is free again, milliseconds since 1970."""

Fit = Callable[[int, int], Interval | None]
"""Returns when a job of a length (the second argument) can be made that begins no earlier than a
time; None: never. A later time never gives an earlier interval."""

NEVER = 2**53


def at_any_hour(at: int, length_ms: int) -> Interval:
    """`Fit` of a machine that may run, and is cleared, at any time."""
    return at, at + length_ms


@dataclass(frozen=True, slots=True)
class Promise:
    """A window that is promised on a machine, for a job that has not begun."""

    id: bytes
    start: int
    end: int
    length_ms: int

    def rank(self) -> tuple[int, int, int, bytes]:
        """Order by the latest begin that keeps the promise. Where the ids decide, the promises
        are the same: a window is sought before its offer has an id."""
        return self.end - length_of(self), self.start, length_of(self), self.id


def plan(promises: Iterable[Promise], free_at: int, fit: Fit) -> dict[bytes, Interval]:
    """Return when each is made, if the machine is free at a time and none begins before its
    window does."""
    made: dict[bytes, Interval] = {}
    at = free_at
    for promise in sorted(promises, key=Promise.rank):
        made[promise.id] = fit(max(at, promise.start), length_of(promise)) or (NEVER, NEVER)
        at = made[promise.id][1]
    return made


def holds(
    promises: Sequence[Promise], after: dict[bytes, Interval], before: dict[bytes, Interval]
) -> bool:
    """Tell whether all promises hold in a plan, but for those that are made no later in it
    than they would have been before."""
    return all(after[p.id][1] <= max(p.end, before[p.id][1]) for p in promises)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is promised on a machine, and when it is free for it."""

    promises: tuple[Promise, ...]
    free_at: int
    fit: Fit

    def plan(self) -> dict[bytes, Interval]:
        return plan(self.promises, self.free_at, self.fit)

    def room(self, at: int, length_ms: int, leeway_ms: int, by: int) -> Promise | None:
        """Return the earliest window, at `at` or later, that leaves all promises whole.

        Its end has a leeway, though none beyond `by` (0: no date) if it can be made by then.
        """
        before = self.plan()
        ranked = sorted(self.promises, key=Promise.rank)
        ranks = [promise.rank() for promise in ranked]
        # Behind all of them there is always room.
        ends = [*(end for _, end in before.values()), *(p.end for p in self.promises)]
        for begin in sorted({max(at, self.free_at), *(end for end in ends if end > at)}):
            made = self.fit(begin, length_ms)
            if made is None:
                return None
            end = made[1] + leeway_ms
            if by and end > by:
                end = max(by, made[1])
            new = Promise(b"", made[0], end, length_ms)
            turn = bisect(ranks, new.rank())
            free_at = before[ranked[turn - 1].id][1] if turn else self.free_at
            begins_then = self.fit(max(free_at, new.start), length_ms) == made
            if begins_then and self._lets_pass(made[1], ranked[turn:], before):
                return new
        return None

    def _lets_pass(self, at: int, rest: Sequence[Promise], before: dict[bytes, Interval]) -> bool:
        """Tell whether what is left of a plan holds if the machine is free only at a time. It is
        looked at no further than to the first that is late, or is made as before."""
        for promise in rest:
            made = self.fit(max(at, promise.start), length_of(promise)) or (NEVER, NEVER)
            if made == before[promise.id]:
                return True
            if made[1] > max(promise.end, before[promise.id][1]):
                return False
            at = made[1]
        return True

    def may_begin(self, which: bytes, now: int) -> bool:
        """Tell whether a job may begin now, with all that waits before it going after it."""
        first = min(self.promises, key=Promise.rank)
        if first.id == which:
            return True
        job = next(promise for promise in self.promises if promise.id == which)
        others = tuple(promise for promise in self.promises if promise.id != which)
        made = self.fit(now, length_of(job))
        if made is None or made[1] > job.end:
            return False
        return holds(others, plan(others, made[1], self.fit), self.plan())
