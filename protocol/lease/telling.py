"""What an owner says of a slot: to its buyer, to the guardians, and to whoever asks in vain.

The transitions are in `owner.py`.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from .. import effects
from ..effects import Effect
from ..ids import NodeId, Timestamp
from ..records import Record
from .letters import Letters
from .slots import Ended, Held, Leased, Ready, Reported, Running, Slot


class Telling:
    """Bound to one owner's letters, and to what becomes of its effects."""

    def __init__(self, letters: Letters, do: Callable[[Effect], None]) -> None:
        self._letters = letters
        self._do = do

    def keep_and_send(self, to: NodeId, *kept: Record) -> None:
        """Keep records, and send the last of them."""
        for record in kept:
            self._do(effects.Keep(record))
        self._do(effects.Send(to, kept[-1]))

    def refuse(self, about: Record, reason: str, now: Timestamp) -> None:
        self._do(effects.Send(about.author, self._letters.refusal(about, reason, now)))

    def progress(
        self,
        slot: Slot,
        state: Literal["ready", "running", "paused"],
        permille: int,
        now: Timestamp,
    ) -> None:
        progress = self._letters.progress(slot, state, permille, now)
        self._do(effects.Send(slot.buyer, progress))

    def say_again(self, slot: Slot, letter: Record) -> None:
        """Answer a letter that came twice, or too late, with where the slot stands."""
        match slot.state:
            case Held():
                answer = slot.offer
            case Leased(lease) | Ready(lease) | Running(lease):
                answer = lease
            case Reported(receipt=last) | Ended(last=last):
                answer = last
        if answer.id != letter.id:  # A node that buys from itself hears its own letters.
            self._do(effects.Send(slot.buyer, answer))

    def show_guardians(self, slot: Slot, papers: Sequence[Record], now: Timestamp) -> None:
        """Let the guardians of an order see how far a job has come (LEASE-27); of an end that its
        buyer does not confirm, the buyer too: it may never have heard of the lease."""
        for guardian in map(NodeId, slot.asked.guardians):
            if guardian != slot.buyer or isinstance(slot.state, Reported):
                letter = self._letters.evidence(guardian, slot.asked.order, papers, now)
                self._do(effects.Send(guardian, letter))
