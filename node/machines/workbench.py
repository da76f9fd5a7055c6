"""Runs the jobs of leases on this workshop's machines, and tells the core how they go."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

import trio

from commonfab.protocol import events
from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.records import Lease, Part, Record, Request

from .. import clock
from ..journal import Journal
from ..measured.fitting import Fitted
from .fleet import Fleet
from .port import MachineDriver, Outcome, Work

_POLL_S = 0.5

Tell = Callable[[events.Event], Awaitable[None]]
"""Feeds the core, and returns when what follows is done."""

Check = Callable[[Request, NodeId], Awaitable[str]]
"""Gets ready what a request from this buyer needs; returns why it cannot be made, or nothing."""

Fit = Callable[[Record, Record], AbstractAsyncContextManager[Fitted]]
"""Makes what a lease and its request ask for, to measure, for as long as it is worked from."""


_CHECKED_MAX = 256
"""Parts that need not be fetched and measured again."""

_What = tuple[bytes, Part]


def _what(request: Record) -> _What:
    """Return what is checked: a design's record, and what is said of the part."""
    assert isinstance(request.body, Request)
    return request.body.design, request.body.part


@dataclass(slots=True)
class _Checked:
    """What `Check` found, once it is done."""

    done: trio.Event = field(default_factory=trio.Event)
    fault: str = ""


class Workbench:
    """One for each node. `run` must be running before a job comes."""

    def __init__(
        self,
        fleet: Fleet,
        owner: Owner,
        check: Check,
        tell: Tell,
        hint: Callable[[events.Event], None],
        journal: Journal,
        fit: Fit,
    ) -> None:
        """`hint` feeds the core with what it may miss."""
        self._fleet = fleet
        self._owner = owner
        self._check = check
        self._tell = tell
        self._hint = hint
        self._journal = journal
        self._fit = fit
        self._checked: dict[_What, _Checked] = {}
        self._fences = count(1)
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of all jobs until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def prepare(self, request: Record) -> None:
        """Begin to fetch and check what the request needs."""
        what = _what(request)
        if what not in self._checked:
            if len(self._checked) >= _CHECKED_MAX:
                del self._checked[next(iter(self._checked))]
            self._checked[what] = checked = _Checked()
            self._start(self._prepare, request, checked)

    def run_job(self, machine: str, lease: Record, request: Record) -> None:
        self._start(self._run_job, machine, lease, request, next(self._fences))

    def resume_job(self, machine: str, lease: Record) -> None:
        """Tell what became of a job that was running when this node stopped."""
        # The drivers that there are lose their work with the node.
        self._journal.tell("job_lost", machine=machine, lease=lease.id.hex())
        reason = "the workshop's node was stopped while the machine ran"
        self._start(self._end, lease, clock.now(), Outcome(False, 0, 0, 0, 0, reason))

    def stop_job(self, machine: str, reason: str) -> None:
        if machine in self._fleet.drivers:
            self._fleet.drivers[machine].cancel(reason)

    def _start(self, task: Callable[..., Awaitable[None]], *what: object) -> None:
        # A node that stops may still be told to start a job; its next run accounts for it.
        if self._nursery is not None:
            self._nursery.start_soon(task, *what)

    async def _prepare(self, request: Record, checked: _Checked) -> None:
        assert isinstance(request.body, Request)
        checked.fault = await self._check(request.body, request.author)
        checked.done.set()

    async def _run_job(self, machine: str, lease: Record, request: Record, fence: int) -> None:
        started = clock.now()
        self.prepare(request)
        checked = self._checked[_what(request)]
        await checked.done.wait()
        if checked.fault:
            self._checked.pop(_what(request), None)  # The next attempt may fetch it elsewhere.
            outcome = Outcome(False, 0, 0, 0, 0, checked.fault)
        else:
            async with self._fit(lease, request) as fitted:
                outcome = (
                    Outcome(False, 0, 0, 0, 0, fitted.fault)
                    if fitted.fault
                    else await self._make(machine, lease, fence)
                )
        await self._end(lease, started, outcome)

    async def _make(self, machine: str, lease: Record, fence: int) -> Outcome:
        driver = self._fleet.drivers.get(machine)
        work = self._work(machine, lease, fence)
        if driver is None or work is None:
            return Outcome(False, 0, 0, 0, 0, f"{machine} is not in this workshop any more")
        try:
            work = replace(work, programs=await self._slice(machine, lease))
        except (UsageError, ResourceError) as error:
            return Outcome(False, 0, 0, 0, 0, str(error))
        self._journal.tell("job_started", machine=machine, part=work.part, pieces=work.pieces)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, driver, lease)
            try:
                outcome = await driver.make(work)
            except UsageError as error:
                outcome = Outcome(False, 0, 0, 0, 0, str(error))
            nursery.cancel_scope.cancel()
        return outcome

    async def _slice(self, machine: str, lease: Record) -> tuple[tuple[str, int], ...]:
        """Return what the machine is to run, and how often; nothing where it has no slicer."""
        slot = next((s for s in self._owner.slots() if s.lease == lease), None)
        configured = self._fleet.machine(machine)
        if slot is None or configured is None:
            return ()
        asked = slot.asked
        plates = await self._fleet.experience.slice(
            configured, asked.design, asked.part, asked.pieces
        )
        return tuple((plate.gcode, count) for plate, count in plates)

    def _work(self, machine: str, lease: Record, fence: int) -> Work | None:
        slot = next((s for s in self._owner.slots() if s.lease == lease), None)
        if slot is None:
            return None
        return Work(
            lease=lease.id,
            fence=fence,
            part=slot.asked.part.name,
            pieces=slot.asked.pieces,
            machine_seconds=slot.offered.machine_seconds,
            mass_mg=slot.offered.mass_mg,
            power_w=self._fleet.power_w(machine),
        )

    async def _watch(self, driver: MachineDriver, lease: Record) -> None:
        while True:
            await trio.sleep(_POLL_S)
            now = driver.condition()
            is_paused = now.state == "paused"
            state: Literal["paused", "running"] = "paused" if is_paused else "running"
            self._hint(events.JobProgressed(lease.id, state, now.permille))

    async def _end(self, lease: Record, started: int, outcome: Outcome) -> None:
        assert isinstance(lease.body, Lease)
        slot = next((s for s in self._owner.slots() if s.lease == lease), None)
        whole_mwh = slot.offered.energy_mwh if slot else 0
        whole_co2e = slot.offered.co2e_mg if slot else 0
        co2e_mg = whole_co2e * outcome.energy_mwh // whole_mwh if whole_mwh else 0
        ended = events.JobEnded(
            lease.id,
            outcome.made,
            outcome.pieces,
            started,
            outcome.machine_seconds,
            outcome.mass_mg,
            outcome.energy_mwh,
            co2e_mg,
            outcome.reason,
        )
        self._journal.tell(
            "job_ended",
            machine=lease.body.machine,
            made=outcome.pieces,
            mass_mg=outcome.mass_mg,
            reason=outcome.reason,
        )
        if slot is not None:
            material = slot.asked.part.material
            await self._fleet.use(lease.body.machine, material, outcome.mass_mg)
            await self._fleet.experience.learn(lease.body.machine, material, slot.offered, outcome)
        await self._tell(ended)
