"""When many machines begin and are cleared, by their weekly hours: arrays for numpy.

The rule, and the same for one machine in integers, is in protocol/hours.py. Machines of
one workshop mostly share their hours, so a machine has only a code, and the hours of a
code are a row here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from commonfab.protocol.hours import MONDAY_MS, WEEK_MS, Windows, timetable
from commonfab.protocol.limits import MINUTE_MS

from .columns import NO_CODE, Codes, Flags, Floats

_Key = tuple[bytes, bytes]
"""Hours and attended hours, two bytes a minute: a town may have thousands of them."""
_Minutes = NDArray[np.int16]

_NEVER = 2**15 - 1
"""Minutes: later than any. A window that nothing ends is one, too."""
_ALWAYS = -_NEVER


@dataclass(frozen=True, slots=True)
class Placed:
    """Windows on machines."""

    start: Floats
    """Milliseconds since 1970, as is `ready`."""
    ready: Floats
    """When the machine is cleared."""
    found: Flags
    """False: no opening is long enough, and the times are as if it were always open."""


class Timetables:
    """The hours in use, by code."""

    def __init__(self) -> None:
        self._codes: dict[_Key, int] = {}
        self._keys: list[_Key] = []
        self._uses: list[int] = []
        self._free: list[int] = []
        self._starts = np.full((3, 0, 0), _NEVER, np.int16)
        """Opens, leave and close, minutes; by code; `_NEVER` where there are fewer."""
        self._attended = np.full((2, 0, 0), _NEVER, np.int16)
        """From and to, likewise."""
        self._counts = np.zeros((2, 1), np.intp)
        """How many there are of either; by code."""
        self._told = np.zeros((2, 1), np.bool_)
        """Whether hours, and attended hours, are known; by code."""
        self._longest = np.zeros(1)
        self._always = np.zeros(1, np.bool_)
        """Whether both are the whole week, known or not; by code."""

    def take(self, hours: Windows, attended: Windows) -> int:
        """Return the code, and count one more use of it; `NO_CODE` where nothing is known."""
        if not (hours or attended):
            return NO_CODE
        key = _packed(hours), _packed(attended)
        code = self._codes.get(key)
        if code is None:
            code = self._free.pop() if self._free else self._add()
            self._codes[key] = code
            self._keys[code] = key
            self._write(code, hours, attended)
        self._uses[code] += 1
        return code

    def give_back(self, code: int) -> None:
        if code == NO_CODE:
            return
        assert self._uses[code] > 0
        self._uses[code] -= 1
        if self._uses[code] == 0:
            del self._codes[self._keys[code]]
            self._free.append(code)

    def hours(self, code: int) -> Windows:
        return () if code == NO_CODE else _unpacked(self._keys[code][0])

    def attended(self, code: int) -> Windows:
        return () if code == NO_CODE else _unpacked(self._keys[code][1])

    def known(self, codes: Codes) -> tuple[Flags, Flags]:
        """Return whether a machine's hours, and its attended hours, are known."""
        told = codes != NO_CODE
        return told & self._told[0, codes], told & self._told[1, codes]

    def soonest(self, codes: Codes, earliest: Floats) -> Floats:
        """Return before when no job begins, however short it is; (m,)."""
        return self.place(codes, earliest, np.ones(len(codes))).start

    def longest_ms(self, codes: Codes) -> Floats:
        """Return the longest window that ever finds an opening; infinity: any does; (m,)."""
        longest = np.full(len(codes), np.inf)
        at = np.flatnonzero(codes != NO_CODE)
        longest[at] = self._longest[codes[at]]
        return longest

    def place(self, codes: Codes, earliest: Floats, window: Floats) -> Placed:
        """Return when windows begin and end that may begin from `earliest` on.

        Codes and `earliest` are (m,); windows (n, m), or (m,), in milliseconds.
        """
        start = np.array(np.broadcast_to(earliest, window.shape))
        ready = start + window
        found = np.ones(window.shape, np.bool_)
        at = np.flatnonzero((codes != NO_CODE) & ~self._always[codes])
        if len(at):
            codes, window = codes[at], window[..., at]
            begin = self._begin(codes, start[..., at], window)
            found[..., at] = np.isfinite(begin)
            start[..., at] = np.where(found[..., at], begin, start[..., at])
            end = start[..., at] + window
            ready[..., at] = np.where(found[..., at], self._cleared(codes, end), end)
        return Placed(start, ready, found)

    def copy(self) -> "Timetables":
        twin = Timetables()
        twin._codes = dict(self._codes)
        twin._keys, twin._uses = list(self._keys), list(self._uses)
        twin._free = list(self._free)
        twin._starts, twin._attended = self._starts.copy(), self._attended.copy()
        twin._counts, twin._longest = self._counts.copy(), self._longest.copy()
        twin._told, twin._always = self._told.copy(), self._always.copy()
        return twin

    def __len__(self) -> int:
        return len(self._codes)

    def _begin(self, codes: Codes, earliest: Floats, window: Floats) -> Floats:
        since = (earliest + MONDAY_MS) % WEEK_MS
        best = np.full(window.shape, np.inf)
        for nth in range(self._counts[0, codes].max()):
            opens, leave, close = _ms(self._starts[:, codes, nth])
            at = np.maximum(opens, since)
            at[(at >= leave) | (at + window > close)] = np.inf
            np.minimum(best, at, out=best)
        return earliest + (best - since)

    def _cleared(self, codes: Codes, end: Floats) -> Floats:
        since = (end + MONDAY_MS) % WEEK_MS
        best = np.full(end.shape, np.inf)
        for nth in range(self._counts[1, codes].max()):
            come, leave = _ms(self._attended[:, codes, nth])
            at = np.maximum(come, since)
            at[at >= leave] = np.inf
            np.minimum(best, at, out=best)
        return end + (best - since)

    def _add(self) -> int:
        code = len(self._keys)
        self._keys.append((b"", b""))
        self._uses.append(0)
        if code == self._starts.shape[1]:
            more = max(8, code)
            self._starts = _grown(self._starts, code + more, 0)
            self._attended = _grown(self._attended, code + more, 0)
            self._counts = np.pad(self._counts[:, :code], ((0, 0), (0, more)))
            self._told = np.pad(self._told[:, :code], ((0, 0), (0, more)))
            self._always = np.pad(self._always[:code], (0, more))
            self._longest = np.pad(self._longest[:code], (0, more))
        return code

    def _write(self, code: int, hours: Windows, attended: Windows) -> None:
        known = timetable(hours, attended)
        self._counts[:, code] = len(known.starts), len(known.attended)
        self._told[:, code] = bool(hours), bool(attended)
        self._always[code] = known.is_always()
        self._longest[code] = known.longest_ms()
        starts = [(start.opens, start.leave, start.close) for start in known.starts]
        self._starts = _grown(self._starts, 0, len(starts))
        self._attended = _grown(self._attended, 0, len(known.attended))
        for rows, told in ((self._starts, starts), (self._attended, known.attended)):
            rows[:, code] = _NEVER
            if told:
                rows[:, code, : len(told)] = _minutes(told)


def _minutes(told: Sequence[tuple[float, ...]]) -> _Minutes:
    """Return times of the week, which are whole minutes or infinite, one kind a row."""
    minutes = np.transpose(told) / MINUTE_MS
    return np.clip(minutes, _ALWAYS, _NEVER).astype(np.int16)


def _ms(minutes: _Minutes) -> Floats:
    times = minutes.astype(np.float64)
    times *= MINUTE_MS
    times[minutes == _NEVER] = np.inf
    return times


@lru_cache(maxsize=1024)
def _packed(windows: Windows) -> bytes:
    return np.array(windows, np.uint16).tobytes()


def _unpacked(packed: bytes) -> Windows:
    pairs: list[list[int]] = np.frombuffer(packed, np.uint16).reshape(-1, 2).tolist()
    return tuple((begin, end) for begin, end in pairs)


def _grown(rows: _Minutes, codes: int, width: int) -> _Minutes:
    shape = len(rows), max(codes, rows.shape[1]), max(width, rows.shape[2])
    if shape == rows.shape:
        return rows
    grown = np.full(shape, _NEVER, np.int16)
    grown[:, : rows.shape[1], : rows.shape[2]] = rows
    return grown
