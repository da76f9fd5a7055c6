"""All machines that this node knows of, kept up to date record by record.

An update costs microseconds. A snapshot costs nothing: only an update that comes while
somebody still holds one copies what it reads, so that a plan in progress sees one
unchanging town.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from weakref import ReferenceType, ref

import numpy as np

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Capacity, Machine, Workshop

from .columns import (
    MAKES_FOR,
    NO_CODE,
    TEMPERATURE_UNKNOWN,
    Flags,
    Machines,
    Names,
    Rows,
    Stocks,
)
from .energy import curve
from .hours import Timetables
from .owner import Owner
from .places import NOWHERE, unit_vector
from .stock import stock_of
from .tiles.index import Index

STANDING = 0.5
"""Of a workshop that nobody has said anything about."""

_ROWS_FIRST = 64
_GROWTH = 1.5

Stock = dict[str, tuple[int, int]]
"""As `stock_of` says it."""
Spools = dict[tuple[int, str], int]
"""Rows of stock, by the machine's row and the material."""


class Reader:
    """Stands for a snapshot, and all that were made of it, for as long as any is held."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The view at one moment. Its arrays are read-only and do not change while it is held."""

    machines: Machines
    stocks: Stocks
    authors: list[NodeId]
    """By row, as are the ids. A free row has those of its last machine."""
    ids: list[str]
    owners: dict[NodeId, Owner]
    processes: Names
    materials: Names
    currencies: Names
    licences: Names
    """Lists of them, each licence in a line."""
    timetables: Timetables
    index: Index
    """Of all live machines of the view, also those that this snapshot leaves out."""
    reader: Reader
    live: Flags
    """Of the view's rows, those in use, also of machines that this snapshot leaves out."""
    is_whole: bool = True
    """False: some of the view's machines are left out."""

    def rows(self) -> Rows:
        """Return the rows in use."""
        return np.flatnonzero(self.machines.live)

    def without(self, authors: Iterable[NodeId]) -> "Snapshot":
        """Return the same without these authors' machines."""
        rows = [row for author in authors if author in self.owners for row in self._of(author)]
        if not rows:
            return self
        live = self.machines.live.copy()
        live[rows] = False
        return self._with(live)

    def tiers(self) -> Iterator["Snapshot"]:
        """Yield views to be tried one after the other: the known machines alone, then with each
        further tier. Where all are alike, it is this view once."""
        present = np.unique(self.machines.tier[self.machines.live])
        for highest in present[:-1].tolist():
            live = self.machines.live & (self.machines.tier <= highest)
            yield self._with(live)
        yield self

    def stocks_of(self, material: str) -> Stocks:
        """Return the stock of one material, at most one row a machine."""
        code = self.materials.find(material)
        if code == NO_CODE:
            return Stocks.empty(0)
        rows = np.flatnonzero(self.stocks.material == code)
        return self.stocks.take(rows[self.machines.live[self.stocks.machine[rows]]])

    def stock_rows(self, row: int) -> list[int]:
        """Return the rows of what a machine has."""
        return [each for each in self._owner(row).stocks if self.stocks.machine[each] == row]

    def materials_at(self, row: int) -> list[str]:
        """Return the names of what a machine has."""
        held = self.stocks.material[self.stock_rows(row)]
        return sorted(self.materials.name(int(code)) for code in held)

    def workshop(self, row: int) -> str:
        return self._owner(row).name

    def _with(self, live: Flags) -> "Snapshot":
        return replace(self, machines=replace(self.machines, live=live), is_whole=False)

    def _owner(self, row: int) -> Owner:
        return self.owners[self.authors[row]]

    def _of(self, author: NodeId) -> tuple[int, ...]:
        return self.owners[author].machines


class CapacityView:
    """The newest word of every workshop. Only records that were admitted come here."""

    def __init__(
        self,
        standing: Callable[[NodeId], float] = lambda _: STANDING,
        tier: Callable[[NodeId], int] = lambda _: 0,
    ) -> None:
        """`standing` and `tier` are asked for a workshop that is new; see `set_standing`."""
        self._standing = standing
        self._tier = tier
        self._owners: dict[NodeId, Owner] = {}
        self._machines = Machines.empty(_ROWS_FIRST)
        self._stocks = Stocks.empty(_ROWS_FIRST)
        self._authors: list[NodeId] = []
        self._ids: list[str] = []
        self._stocks_used = 0
        self._free_machines: list[int] = []
        self._free_stocks: list[int] = []
        self._processes, self._materials, self._currencies = Names(), Names(), Names()
        self._licences, self._timetables = Names(), Timetables()
        self._index = Index()
        self._reader: ReferenceType[Reader] | None = None
        """Of the latest snapshot."""

    def __len__(self) -> int:
        """Return the number of machines."""
        return len(self._ids) - len(self._free_machines)

    def snapshot(self) -> Snapshot:
        reader = self._reader() if self._reader else None
        if reader is None:
            reader = Reader()
            self._reader = ref(reader)
        machines = self._machines.first(len(self._ids))
        return Snapshot(
            machines,
            self._stocks.first(self._stocks_used),
            self._authors,
            self._ids,
            self._owners,
            self._processes,
            self._materials,
            self._currencies,
            self._licences,
            self._timetables,
            self._index,
            reader,
            machines.live,
        )

    def update_workshop(self, author: NodeId, workshop: Workshop) -> None:
        """Take a workshop's newest record. Its place holds for all its machines."""
        self._own()
        owner = replace(
            self._owner(author),
            name=workshop.name,
            place=unit_vector(workshop.place),
            place_until=workshop.until,
        )
        self._owners[author] = owner
        for row in owner.machines:
            self._put_place(row, owner)
        self._index.changed(owner.stocks)

    def update_capacity(self, author: NodeId, capacity: Capacity) -> None:
        """Take a workshop's newest record, which replaces all its machines.

        Of two machines with one id, the first counts.
        """
        self._own()
        owner = self._owner(author)
        spent = self._names_of(owner)
        news = {each.id: each for each in reversed(capacity.machines)}
        held = {name: stock_of(machine) for name, machine in news.items()}
        rows, spools = self._kept(owner, held)
        machines: list[int] = []
        stocks: list[int] = []
        for machine in news.values():
            row = rows[machine.id] if machine.id in rows else self._row(author, machine.id)
            self._put(row, machine, capacity)
            self._put_place(row, owner)
            stocks += self._put_stock(row, held[machine.id], spools)
            machines.append(row)
        for names, code in spent:
            names.give_back(code)
        self._owners[author] = replace(
            owner, machines=tuple(machines), stocks=tuple(stocks), power=curve.of_record(capacity)
        )
        self._index.changed(stocks)

    def set_standing(self, author: NodeId, standing: float, tier: int = 0) -> None:
        """Say how far a workshop is trusted, from 0 to 1, for as long as it is known; of a
        higher tier it is used only where nobody of a lower one can do it."""
        assert 0.0 <= standing <= 1.0
        self._own()
        owner = replace(self._owner(author), standing=standing, tier=tier)
        self._owners[author] = owner
        for row in owner.machines:
            self._put_place(row, owner)
        self._index.changed(owner.stocks)

    def forget(self, author: NodeId) -> None:
        """Drop all that is known of a workshop."""
        if author in self._owners:
            self._own()
            self._clear(self._owners.pop(author))

    def expire(self, now: Timestamp) -> list[NodeId]:
        """Drop what does not hold any more, and return whose machines went."""
        live = self._machines.live[: len(self._ids)]
        late = np.flatnonzero(live & (self._machines.until[: len(self._ids)] <= now))
        gone = list(dict.fromkeys(self._authors[row] for row in late.tolist()))
        unplaced = [a for a, owner in self._owners.items() if 0 < owner.place_until <= now]
        if not (gone or unplaced or self._unknown()):
            return []
        self._own()
        for author in gone:
            self._clear(self._owners[author])
            self._owners[author] = replace(self._owners[author], machines=(), stocks=())
        for author in unplaced:
            owner = replace(self._owners[author], name="", place=None, place_until=0)
            self._owners[author] = owner
            for row in owner.machines:
                self._put_place(row, owner)
            self._index.changed(owner.stocks)
        for author in self._unknown():
            del self._owners[author]
        return gone

    def bytes(self) -> int:
        """Return what the arrays take, without the names."""
        return self._machines.bytes() + self._stocks.bytes()

    def _unknown(self) -> list[NodeId]:
        """Return the authors of whom nothing is known any more."""
        return [a for a, o in self._owners.items() if o.place is None and not o.machines]

    # Rows.

    def _own(self) -> None:
        """Stop sharing with the snapshots of before that are held: they must not change."""
        if self._reader is None or self._reader() is None:
            return
        self._reader = None
        self._index = self._index.copy()
        self._owners = dict(self._owners)
        self._machines, self._stocks = self._machines.copy(), self._stocks.copy()
        self._authors, self._ids = list(self._authors), list(self._ids)
        self._processes = self._processes.copy()
        self._materials = self._materials.copy()
        self._currencies = self._currencies.copy()
        self._licences, self._timetables = self._licences.copy(), self._timetables.copy()

    def _owner(self, author: NodeId) -> Owner:
        known = self._owners.get(author)
        return known or Owner(standing=self._standing(author), tier=self._tier(author))

    def _row(self, author: NodeId, identifier: str) -> int:
        if self._free_machines:
            row = self._free_machines.pop()
            self._authors[row], self._ids[row] = author, identifier
        else:
            row = len(self._ids)
            self._authors.append(author)
            self._ids.append(identifier)
            if row == len(self._machines.live):
                self._machines = self._machines.grown(int(row * _GROWTH))
        self._machines.key[row] = tie_key(author, identifier)
        return row

    def _put(self, row: int, machine: Machine, capacity: Capacity) -> None:
        columns = self._machines
        columns.live[row] = True
        columns.takes_jobs[row] = machine.takes_jobs
        columns.process[row] = self._processes.take(machine.process)
        columns.currency[row] = self._currencies.take(capacity.currency)
        columns.small[row], columns.middle[row], columns.large[row] = sorted(machine.volume_um)
        columns.speed[row] = machine.speed_permille
        columns.setup_s[row] = machine.setup_seconds
        columns.price[row] = machine.price_minor_per_hour
        columns.power[row] = machine.power_w
        columns.grid[row] = capacity.grid_g_per_kwh
        columns.free_at[row] = machine.free_at
        columns.until[row] = capacity.until or np.inf
        columns.nozzle[row] = machine.nozzle_um
        columns.tolerance[row] = machine.tolerance_um
        columns.temperature[row] = machine.temperature_c or TEMPERATURE_UNKNOWN
        columns.timetable[row] = self._timetables.take(machine.hours, machine.attended)
        licences = "\n".join(machine.licences)
        columns.licences[row] = self._licences.take(licences) if licences else NO_CODE
        columns.makes_for[row] = MAKES_FOR[machine.makes_for]

    def _put_place(self, row: int, owner: Owner) -> None:
        columns = self._machines
        columns.placed[row] = owner.place is not None
        columns.x[row], columns.y[row], columns.z[row] = owner.place or NOWHERE
        columns.standing[row] = owner.standing
        columns.tier[row] = owner.tier

    def _kept(self, owner: Owner, held: dict[str, Stock]) -> tuple[dict[str, int], Spools]:
        """Return the rows of those machines and stocks that are still there, and free the others.

        `held` has what each machine has now, by its id.
        """
        rows: dict[str, int] = {}
        spools: Spools = {}
        freed: list[int] = []
        for row in owner.machines:
            if self._ids[row] in held:
                rows[self._ids[row]] = row
            else:
                freed.append(row)
        freed_stocks: list[int] = []
        for row in owner.stocks:
            machine = int(self._stocks.machine[row])
            material = self._materials.name(int(self._stocks.material[row]))
            if material in held.get(self._ids[machine], ()):
                spools[machine, material] = row
            else:
                freed_stocks.append(row)
        self._free_rows(freed, freed_stocks)
        return rows, spools

    def _put_stock(self, machine_row: int, held: Stock, spools: Spools) -> list[int]:
        rows: list[int] = []
        for material, (mass_mg, price) in held.items():
            row = spools.get((machine_row, material), -1)
            if row < 0:
                row = self._free_stocks.pop() if self._free_stocks else self._stock_row()
            columns = self._stocks
            columns.material[row] = self._materials.take(material)
            columns.machine[row] = machine_row
            columns.mass_mg[row], columns.price[row] = mass_mg, price
            rows.append(row)
        return rows

    def _stock_row(self) -> int:
        row = self._stocks_used
        self._stocks_used += 1
        if row == len(self._stocks.machine):
            self._stocks = self._stocks.grown(int(row * _GROWTH))
        return row

    def _clear(self, owner: Owner) -> None:
        for names, code in self._names_of(owner):
            names.give_back(code)
        self._free_rows(owner.machines, owner.stocks)

    def _free_rows(self, machines: Sequence[int], stocks: Sequence[int]) -> None:
        for row in machines:
            self._machines.live[row] = False
        for row in stocks:
            self._stocks.material[row] = NO_CODE
        self._free_machines += machines
        self._free_stocks += stocks
        self._index.changed(stocks)

    def _names_of(self, owner: Owner) -> list[tuple[Names | Timetables, int]]:
        """Return all codes that an owner's rows use."""
        machines, stocks = list(owner.machines), list(owner.stocks)
        used: list[tuple[Names | Timetables, int]] = []
        for names, column in (
            (self._processes, self._machines.process[machines]),
            (self._currencies, self._machines.currency[machines]),
            (self._timetables, self._machines.timetable[machines]),
            (self._licences, self._machines.licences[machines]),
            (self._materials, self._stocks.material[stocks]),
        ):
            used += ((names, code) for code in column.tolist() if code != NO_CODE)
        return used


def tie_key(author: NodeId, machine: str) -> int:
    """Return the number by which equal machines are ordered, the lower first (SCHED-9)."""
    return int.from_bytes(sha256(author + machine.encode()).digest()[:8], "big")
