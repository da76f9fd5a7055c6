"""The end of a job as its owner tells it, until its buyer confirms it.

Of the drawing in `owner.py`: Running, Reported, Ended.
"""

from collections.abc import Callable
from dataclasses import replace

from .. import effects, events
from ..effects import Effect
from ..ids import Timestamp
from ..limits import LEASE_TERM_MS_MAX
from ..records import Receipt, Record
from .letters import Letters
from .schedule import Schedule
from .slots import Ended, Reported, Running, Slot
from .telling import Telling

RESEND_MS_MAX = 5 * 60_000
"""Between two tellings of an end that its buyer does not confirm."""
TELL_MS_MAX = LEASE_TERM_MS_MAX
"""How long an end is told to a buyer who never answers."""


class Reporting:
    """Bound to one owner's schedule, and to what becomes of its effects."""

    def __init__(
        self,
        letters: Letters,
        schedule: Schedule,
        telling: Telling,
        resend_ms: int,
        do: Callable[[Effect], None],
    ) -> None:
        self._letters = letters
        self._schedule = schedule
        self._telling = telling
        self._resend_ms = resend_ms
        self._do = do

    def ended(self, event: events.JobEnded, now: Timestamp) -> None:
        """Hear from the machine that a job has ended."""
        slot = self._schedule.of_lease(event.lease)
        if slot is None or not isinstance(slot.state, Running):
            return
        lease, reason = slot.state.lease, slot.state.stopping or event.reason
        receipt = self._letters.receipt(slot, lease, event, reason, now)
        tell_at = Timestamp(now + self._resend_ms)
        reported = Reported(lease, receipt, tell_at, self._resend_ms)
        self._schedule.put(replace(slot, state=reported))
        self._telling.keep_and_send(slot.buyer, receipt)
        self._telling.show_guardians(slot, [slot.request, slot.offer, lease, receipt], now)
        self._do(effects.CapacityChanged(slot.offered.machine))

    def tell_again(self, slot: Slot, told: Reported, now: Timestamp) -> None:
        if now > told.receipt.body.at + TELL_MS_MAX:
            self._schedule.put(replace(slot, state=Ended(told.receipt, now, told.lease)))
            return
        wait_ms = min(2 * told.wait_ms, RESEND_MS_MAX)
        again = replace(told, tell_at=Timestamp(now + wait_ms), wait_ms=wait_ms)
        self._schedule.put(replace(slot, state=again))
        self._do(effects.Send(slot.buyer, told.receipt))
        papers = [slot.request, slot.offer, told.lease, told.receipt]
        self._telling.show_guardians(slot, papers, now)

    def confirmed(
        self, record: Record, receipt: Receipt, slot: Slot | None, now: Timestamp
    ) -> None:
        if slot is None or not isinstance(slot.state, Reported):
            return
        told = slot.state.receipt
        if receipt.about == told.id and record.author in (slot.buyer, *slot.granters):
            self._do(effects.Keep(record))
            if record.author == slot.ordered_by:
                self._schedule.put(replace(slot, state=Ended(told, now, slot.state.lease)))
