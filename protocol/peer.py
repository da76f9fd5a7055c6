"""One node's whole mind: what arrives is judged, and what follows from it is returned.

It joins admission with the two sides of the lease protocol. The daemon feeds it from the
network and the clock; the simulator feeds the same class from a heap and a seed.
"""

from . import effects, events, records
from .admission import Accept, Admission, Conflict, Ignore, Reject, Verdict
from .effects import Effect
from .ids import NodeId, Timestamp
from .lease.buyer import Buyer
from .lease.owner import Owner
from .records import Letter, Record


class Peer:
    """Time comes in as `now`; everything that must be done comes back as effects, in order."""

    def __init__(self, me: NodeId, admission: Admission, owner: Owner, buyer: Buyer) -> None:
        self.me = me
        self.admission = admission
        self.owner = owner
        self.buyer = buyer
        self._wake: dict[Owner | Buyer, Timestamp] = {}

    def receive(self, data: bytes, now: Timestamp) -> tuple[Verdict, list[Effect]]:
        """Judge one sealed record from the network, and return what follows if it is accepted."""
        verdict = self.admission.judge(data, now)
        match verdict:
            case Accept(record):
                return self._take(record, now)
            case Conflict(author, kept, other):
                return verdict, [effects.KeepProof(author, kept, other)]
            case Ignore() | Reject():
                return verdict, []

    def handle(self, event: events.Event, now: Timestamp) -> list[Effect]:
        """Return what must now be done, in order, with at most one `WakeAt`, at the end."""
        out: list[Effect] = []
        for side in (self.owner, self.buyer):
            self._wake.pop(side, None)
            for effect in side.handle(event, now):
                if isinstance(effect, effects.WakeAt):
                    self._wake[side] = effect.at
                    continue
                if isinstance(effect, effects.Keep):
                    # The store has one record for each place, and so has what is believed.
                    self.admission.note(effect.record)
                out.append(effect)
        if self._wake:
            out.append(effects.WakeAt(min(self._wake.values())))
        return out

    def _take(self, record: Record, now: Timestamp) -> tuple[Verdict, list[Effect]]:
        if record.kind in records.PUBLIC:
            return Accept(record), [effects.Keep(record)]
        if not isinstance(record.body, Letter) or record.body.to != self.me:
            return Ignore("a letter to another node"), []
        return Accept(record), self.handle(events.Arrived(record), now)
