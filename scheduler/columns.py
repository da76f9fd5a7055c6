"""Machines and their stock as columns: one array a fact, one row a machine.

Numpy works on whole columns, so this is the form in which thousands of machines are
compared at once. Rows are reused; which are in use is the view's business.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Shorts = NDArray[np.uint16]
Keys = NDArray[np.uint64]
Rows = NDArray[np.intp]
Column = NDArray[Any]
"""Any of the above: what is done to all columns alike does not look at their type."""

NO_CODE = -1
"""The code of a name that is not in use, and of a fact that is not known."""
TEMPERATURE_UNKNOWN = 2**16 - 1
"""No job asks for more."""

MAKES_FOR: dict[str | None, int] = {None: 0, "everyone": 1, "known": 2}
"""What stands for whose jobs a machine takes; None: unknown."""


@dataclass(slots=True)
class Table:
    """Arrays of one length."""

    def map(self, change: Callable[[Column], Column]) -> Self:
        names: Iterable[str] = self.__slots__
        return type(self)(*(change(getattr(self, name)) for name in names))

    def columns(self) -> dict[str, Column]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, rows: Rows) -> Self:
        """Return the rows with these numbers, as copies."""
        return self.map(lambda column: column[rows])

    def part(self, rows: slice) -> Self:
        return self.map(lambda column: column[rows])

    def copy(self) -> Self:
        return self.map(np.copy)

    def first(self, rows: int) -> Self:
        """Return the first rows, not copied, to be read only."""
        return self.map(lambda column: _frozen(column[:rows]))

    def grown(self, rows: int) -> Self:
        return self.map(lambda column: _grown(column, rows))

    def bytes(self) -> int:
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))


@dataclass(slots=True)
class Machines(Table):
    live: Flags
    """False: the row is free."""
    takes_jobs: Flags
    placed: Flags
    """Whether the workshop's place is known."""
    key: Keys
    """Settles ties, the same on every node."""
    process: Codes
    currency: Codes
    x: Floats
    """The place as a unit vector from the Earth's centre."""
    y: Floats
    z: Floats
    small: Floats
    """The sides of the build volume by size, micrometres."""
    middle: Floats
    large: Floats
    speed: Floats
    """Thousandths of ordinary speed."""
    setup_s: Floats
    price: Floats
    """Minor units per hour."""
    power: Floats
    """Watts."""
    grid: Floats
    """Grams of CO2e per kilowatt-hour."""
    free_at: Floats
    """Milliseconds since 1970."""
    until: Floats
    """When the capacity record expires; infinity: never."""
    standing: Floats
    """0 to 1."""
    tier: Codes
    """0: known. One with a higher number is used only where none with a lower can make it."""
    nozzle: Shorts
    """Micrometres; 0: unknown."""
    tolerance: Shorts
    """Likewise."""
    temperature: Shorts
    """Degrees Celsius, or `TEMPERATURE_UNKNOWN`."""
    timetable: Codes
    """Of its hours; `NO_CODE`: none are known."""
    licences: Codes
    """Of the list of those that it makes; `NO_CODE`: unknown."""
    makes_for: Shorts
    """One of `MAKES_FOR`."""

    @classmethod
    def empty(cls, rows: int) -> Self:
        return cls(
            live=np.zeros(rows, np.bool_),
            takes_jobs=np.zeros(rows, np.bool_),
            placed=np.zeros(rows, np.bool_),
            key=np.zeros(rows, np.uint64),
            process=np.full(rows, NO_CODE, np.int32),
            currency=np.full(rows, NO_CODE, np.int32),
            x=np.zeros(rows),
            y=np.zeros(rows),
            z=np.zeros(rows),
            small=np.zeros(rows),
            middle=np.zeros(rows),
            large=np.zeros(rows),
            speed=np.zeros(rows),
            setup_s=np.zeros(rows),
            price=np.zeros(rows),
            power=np.zeros(rows),
            grid=np.zeros(rows),
            free_at=np.zeros(rows),
            until=np.zeros(rows),
            standing=np.zeros(rows),
            tier=np.zeros(rows, np.int32),
            nozzle=np.zeros(rows, np.uint16),
            tolerance=np.zeros(rows, np.uint16),
            temperature=np.full(rows, TEMPERATURE_UNKNOWN, np.uint16),
            timetable=np.full(rows, NO_CODE, np.int32),
            licences=np.full(rows, NO_CODE, np.int32),
            makes_for=np.zeros(rows, np.uint16),
        )


@dataclass(slots=True)
class Stocks(Table):
    material: Codes
    """`NO_CODE`: the row is free."""
    machine: Codes
    """The machine's row."""
    mass_mg: Floats
    price: Floats
    """Minor units per kilogram."""

    @classmethod
    def empty(cls, rows: int) -> Self:
        return cls(
            material=np.full(rows, NO_CODE, np.int32),
            machine=np.full(rows, NO_CODE, np.int32),
            mass_mg=np.zeros(rows),
            price=np.zeros(rows),
        )


class Names:
    """Small numbers for names, given back when nobody uses the name any more."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str] = []
        self._uses: list[int] = []
        self._free: list[int] = []

    def take(self, name: str) -> int:
        """Return the name's code, and count one more use of it."""
        code = self._codes.get(name)
        if code is None:
            code = self._free.pop() if self._free else self._add()
            self._codes[name] = code
            self._names[code] = name
        self._uses[code] += 1
        return code

    def give_back(self, code: int) -> None:
        assert self._uses[code] > 0
        self._uses[code] -= 1
        if self._uses[code] == 0:
            del self._codes[self._names[code]]
            self._names[code] = ""
            self._free.append(code)

    def find(self, name: str) -> int:
        """Return the name's code, or `NO_CODE`."""
        return self._codes.get(name, NO_CODE)

    def name(self, code: int) -> str:
        return self._names[code]

    def names(self) -> list[str]:
        """Return all by code; empty where a code is free."""
        return list(self._names)

    def copy(self) -> "Names":
        twin = Names()
        twin._codes = dict(self._codes)
        twin._names = list(self._names)
        twin._uses = list(self._uses)
        twin._free = list(self._free)
        return twin

    def __len__(self) -> int:
        return len(self._codes)

    def _add(self) -> int:
        self._names.append("")
        self._uses.append(0)
        return len(self._names) - 1


def _frozen(column: Column) -> Column:
    view = column.view()
    view.flags.writeable = False
    return view


def _grown(column: Column, rows: int) -> Column:
    grown = np.full(rows, NO_CODE if column.dtype == np.int32 else 0, column.dtype)
    grown[: len(column)] = column
    return grown
