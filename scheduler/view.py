"""All machines that this node knows of, kept up to date record by record.

An update costs microseconds. A snapshot costs nothing until the next update, which then
copies what the snapshot still reads: a plan in progress sees one unchanging town.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Capacity, Machine, Workshop

from .columns import NO_CODE, Machines, Names, Rows, Stocks
from .places import NOWHERE, Vector, unit_vector
from .stock import stock_of

STANDING = 0.5
"""Of a workshop that nobody has said anything about."""

_ROWS_FIRST = 64
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Owner:
    """What is known of one workshop, but for its machines' columns."""

    name: str = ""
    place: Vector | None = None
    standing: float = STANDING
    tier: int = 0
    """As in columns.py."""
    place_until: int = 0
    """When its workshop record expires; 0: never."""
    machines: tuple[int, ...] = ()
    stocks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The view at one moment. Its arrays are read-only and do not change."""

    machines: Machines
    stocks: Stocks
    authors: list[NodeId]
    """By row, as are the ids. A free row has those of its last machine."""
    ids: list[str]
    owners: dict[NodeId, Owner]
    processes: Names
    materials: Names
    currencies: Names

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
        return replace(self, machines=replace(self.machines, live=live))

    def tiers(self) -> Iterator["Snapshot"]:
        """Yield views to be tried one after the other: the known machines alone, then with each
        further tier. Where all are alike, it is this view once."""
        present = np.unique(self.machines.tier[self.machines.live])
        for highest in present[:-1].tolist():
            live = self.machines.live & (self.machines.tier <= highest)
            yield replace(self, machines=replace(self.machines, live=live))
        yield self

    def stocks_of(self, material: str) -> Stocks:
        """Return the stock of one material, at most one row a machine."""
        code = self.materials.find(material)
        if code == NO_CODE:
            return Stocks.empty(0)
        rows = np.flatnonzero(self.stocks.material == code)
        return self.stocks.take(rows[self.machines.live[self.stocks.machine[rows]]])

    def materials_at(self, row: int) -> list[str]:
        """Return the names of what a machine has."""
        held = self.stocks.material[list(self._owner(row).stocks)]
        mine = self.stocks.machine[list(self._owner(row).stocks)] == row
        return sorted(self.materials.name(int(code)) for code in held[mine])

    def workshop(self, row: int) -> str:
        return self._owner(row).name

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
        self._is_shared = False

    def __len__(self) -> int:
        """Return the number of machines."""
        return len(self._ids) - len(self._free_machines)

    def snapshot(self) -> Snapshot:
        self._is_shared = True
        return Snapshot(
            self._machines.first(len(self._ids)),
            self._stocks.first(self._stocks_used),
            self._authors,
            self._ids,
            self._owners,
            self._processes,
            self._materials,
            self._currencies,
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

    def update_capacity(self, author: NodeId, capacity: Capacity) -> None:
        """Take a workshop's newest record, which replaces all its machines.

        Of two machines with one id, the first counts.
        """
        self._own()
        owner = self._owner(author)
        self._clear(owner)
        machines: list[int] = []
        stocks: list[int] = []
        for machine in {each.id: each for each in reversed(capacity.machines)}.values():
            row = self._row(author, machine.id)
            self._put(row, machine, capacity)
            self._put_place(row, owner)
            stocks += self._put_stock(row, machine)
            machines.append(row)
        self._owners[author] = replace(owner, machines=tuple(machines), stocks=tuple(stocks))

    def set_standing(self, author: NodeId, standing: float, tier: int = 0) -> None:
        """Say how far a workshop is trusted, from 0 to 1, for as long as it is known; of a
        higher tier it is used only where nobody of a lower one can do it."""
        assert 0.0 <= standing <= 1.0
        self._own()
        owner = replace(self._owner(author), standing=standing, tier=tier)
        self._owners[author] = owner
        for row in owner.machines:
            self._put_place(row, owner)

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
        """Stop sharing with the snapshots of before, which must not change."""
        if not self._is_shared:
            return
        self._is_shared = False
        self._owners = dict(self._owners)
        self._machines, self._stocks = self._machines.copy(), self._stocks.copy()
        self._authors, self._ids = list(self._authors), list(self._ids)
        self._processes = self._processes.copy()
        self._materials = self._materials.copy()
        self._currencies = self._currencies.copy()

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

    def _put_place(self, row: int, owner: Owner) -> None:
        columns = self._machines
        columns.placed[row] = owner.place is not None
        columns.x[row], columns.y[row], columns.z[row] = owner.place or NOWHERE
        columns.standing[row] = owner.standing
        columns.tier[row] = owner.tier

    def _put_stock(self, machine_row: int, machine: Machine) -> list[int]:
        rows: list[int] = []
        for material, (mass_mg, price) in stock_of(machine).items():
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
        for row in owner.machines:
            self._machines.live[row] = False
            self._processes.give_back(int(self._machines.process[row]))
            self._currencies.give_back(int(self._machines.currency[row]))
        for row in owner.stocks:
            self._materials.give_back(int(self._stocks.material[row]))
            self._stocks.material[row] = NO_CODE
        self._free_machines += owner.machines
        self._free_stocks += owner.stocks


def tie_key(author: NodeId, machine: str) -> int:
    """Return the number by which equal machines are ordered, the lower first (SCHED-9)."""
    return int.from_bytes(sha256(author + machine.encode()).digest()[:8], "big")
