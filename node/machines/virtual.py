"""A virtual printer: it makes nothing, in the time that a real one would take.

It heats up, makes one piece after the other, can be paused, cancelled and told to fail,
and can run in time lapse, for demonstrations and tests.
"""

from dataclasses import dataclass

import trio

from commonfab.protocol.errors import UsageError

from .port import Condition, Outcome, State, Work

WARM_UP_S = 90
"""From room temperature to a bed and nozzle for PLA."""
_STEPS_PER_PIECE = 20


@dataclass(frozen=True, slots=True)
class VirtualSettings:
    time_lapse: float = 1.0
    """How much faster than a real machine it runs."""
    fails_every: int = 0
    """Every so manieth work fails halfway; 0: none does."""


class VirtualPrinter:
    """A `MachineDriver` with nothing behind it."""

    def __init__(self, settings: VirtualSettings | None = None) -> None:
        self._settings = settings or VirtualSettings()
        self._state: State = "idle"
        self._permille = 0
        self._note = ""
        self._last_fence = 0
        self._works_count = 0
        self._cancelled: str | None = None
        self._may_run = trio.Event()
        self._may_run.set()

    def condition(self) -> Condition:
        return Condition(self._state, self._permille, self._note)

    def pause(self) -> None:
        if self._state == "running":
            self._state = "paused"
            self._may_run = trio.Event()

    def resume(self) -> None:
        if self._state == "paused":
            self._state = "running"
            self._may_run.set()

    def cancel(self, reason: str) -> None:
        if self._state in ("preparing", "running", "paused"):
            self._cancelled = reason
            self._may_run.set()

    async def make(self, work: Work) -> Outcome:
        if self._state not in ("idle", "failed"):
            raise UsageError(f"the machine is {self._state}")
        if work.fence <= self._last_fence:
            raise UsageError("another job has used this machine since")
        self._last_fence = work.fence
        self._works_count += 1
        self._cancelled = None
        self._permille = 0
        try:
            outcome = await self._run(work)
        except BaseException:
            self._state = "failed"
            raise
        self._state = "idle" if outcome.made or self._cancelled is not None else "failed"
        self._note = outcome.reason
        return outcome

    async def _run(self, work: Work) -> Outcome:
        self._state = "preparing"
        warm_up_s = min(WARM_UP_S, work.machine_seconds)
        await self._pass_time(warm_up_s)
        self._state = "running"
        steps = work.pieces * _STEPS_PER_PIECE
        step_s = (work.machine_seconds - warm_up_s) / steps
        fails_at = steps // 2 if self._is_due_to_fail() else None
        for step in range(steps):
            await self._may_run.wait()
            if self._cancelled is not None:
                return self._ended(work, warm_up_s, step, self._cancelled)
            if step == fails_at:
                return self._ended(work, warm_up_s, step, "the print came loose from the bed")
            await self._pass_time(step_s)
            self._permille = (step + 1) * 1000 // steps
        return self._ended(work, warm_up_s, steps, "")

    def _is_due_to_fail(self) -> bool:
        every = self._settings.fails_every
        return every > 0 and self._works_count % every == 0

    def _ended(self, work: Work, warm_up_s: int, steps_done: int, reason: str) -> Outcome:
        steps = work.pieces * _STEPS_PER_PIECE
        seconds = warm_up_s + (work.machine_seconds - warm_up_s) * steps_done // steps
        return Outcome(
            made=not reason,
            pieces=steps_done // _STEPS_PER_PIECE,
            machine_seconds=seconds,
            mass_mg=work.mass_mg * steps_done // steps,
            energy_mwh=work.power_w * seconds * 1000 // 3600,
            reason=reason,
        )

    async def _pass_time(self, seconds: float) -> None:
        await trio.sleep(seconds / self._settings.time_lapse)
