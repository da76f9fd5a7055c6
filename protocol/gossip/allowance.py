"""How much of something each may have: it fills up with time, to a limit, and is used up.

Remembers only so many users; the one that was here least recently is forgotten first, and
begins again with a full allowance. Times are milliseconds of any steady clock.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

U = TypeVar("U", bound=Hashable)


class Allowances(Generic[U]):
    """One kind of allowance."""

    def __init__(self, *, per_s: float, burst: float, users_max: int) -> None:
        self._per_ms = per_s / 1000
        self._burst = burst
        self._users_max = users_max
        self._left: OrderedDict[U, tuple[float, int]] = OrderedDict()

    def take(self, user: U, cost: float, now: int) -> bool:
        """Take `cost` if there is as much; else take nothing, and tell so."""
        left = self._has(user, now)
        may = cost <= left
        self._left[user] = (left - cost if may else left, now)
        self._left.move_to_end(user)
        if len(self._left) > self._users_max:
            self._left.popitem(last=False)
        return may

    def may(self, user: U, cost: float, now: int) -> bool:
        """Tell whether there is as much, and take nothing."""
        return cost <= self._has(user, now)

    def _has(self, user: U, now: int) -> float:
        left, since = self._left.get(user, (self._burst, now))
        return min(self._burst, left + max(0, now - since) * self._per_ms)
