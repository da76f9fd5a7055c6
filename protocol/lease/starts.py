"""When a workshop's jobs may start: what the owner's side asks of those who know its power.

A machine's queue and opening hours say when there is room; a workshop's power may say later.
`scheduler/energy/starts.py` knows about power; `AtOnce` stands for a workshop where nothing
but the machines limits anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..fields import Basis
from ..ids import Timestamp
from ..records import Request
from .slots import Quote
from .turns import at_any_hour

Window = tuple[int, int]
"""Start and end, milliseconds since 1970."""

Room = Callable[[int], Window | None]
"""Returns the earliest window, at or after a time, for which a machine has room; None: there is
none. A later time never gives an earlier window."""


@dataclass(frozen=True, slots=True)
class Load:
    """A job that runs on a machine, or that has the promise of a window there."""

    machine: str
    start: int
    end: int
    machine_seconds: int
    """The window may be longer: until somebody clears the machine."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The next job of a machine that is free."""

    machine: str
    earliest: int
    """When the machine's hours let it start, not before now."""
    promised: int
    """The start of its window."""
    machine_seconds: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A window, and what making the job in it costs the climate."""

    start: int
    end: int
    co2e_mg: int
    basis: Basis


class Starts(Protocol):
    """Knows what besides its own queue keeps a machine of this workshop from starting."""

    def window(self, machine: str, at: int, length_ms: int) -> Window | None:
        """Return when a machine's hours let a job of that length begin, at `at` or later, and
        when it is cleared away again; None: never. Power is no matter here."""
        ...

    def place(
        self, quote: Quote, request: Request, room: Room, loads: Sequence[Load], now: Timestamp
    ) -> Placed | None:
        """Return the window to promise, or None if there is none within a lease's term.

        `loads`: all jobs of the workshop that run or have a promise, held offers too.
        """
        ...

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        """Return for each of these jobs when to ask for its grant: now, or later.

        It is later than the promised start only if the power for it is lacking then.
        `loads`: all other jobs of the workshop that run or have a promise.
        """
        ...


class AtOnce:
    """`Starts` of a workshop where nothing but the machines limits anything."""

    def window(self, machine: str, at: int, length_ms: int) -> Window | None:
        return at_any_hour(at, length_ms)

    def place(
        self, quote: Quote, request: Request, room: Room, loads: Sequence[Load], now: Timestamp
    ) -> Placed | None:
        window = room(now)
        return Placed(*window, quote.co2e_mg, "") if window else None

    def begin(self, turns: Sequence[Turn], loads: Sequence[Load], now: Timestamp) -> list[int]:
        return [turn.earliest for turn in turns]
