"""One node's whole mind: what arrives is judged, and what follows from it is returned.

It joins admission with the two sides of the lease protocol. The daemon feeds it from the
network and the clock; the simulator feeds the same class from a heap and a seed.
"""

from . import effects, events, records
from .admission import Accept, Admission, Conflict, Ignore, Reject, Verdict
from .effects import Effect
from .errors import BadSignature, Malformed
from .ids import NodeId, Timestamp
from .lease.buyer import Buyer
from .lease.guardian import Guardian
from .lease.owner import Owner
from .lease.windows import Windows, public_half
from .records import Evidence, Letter, Record
from .standing import proofs

_Side = Owner | Buyer | Guardian


class Peer:
    """Time comes in as `now`; everything that must be done comes back as effects, in order."""

    def __init__(
        self,
        me: NodeId,
        admission: Admission,
        owner: Owner,
        buyer: Buyer,
        guardian: Guardian | None = None,
    ) -> None:
        """Without a `guardian`, this node guards no orders of others."""
        self.me = me
        self.admission = admission
        self.owner = owner
        self.buyer = buyer
        self.guardian = guardian
        self.windows = Windows()
        self._wake: dict[_Side, Timestamp] = {}

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
        for side in (self.guardian, self.owner, self.buyer):
            if side is not None:
                out += self._take_in(side, side.handle(event, now), now)
        for entrusted in self.guardian.entrusted(now) if self.guardian else ():
            out += self._take_in(self.buyer, self.buyer.handle(entrusted, now), now)
        if self._wake:
            out.append(effects.WakeAt(max(min(self._wake.values()), Timestamp(now + 1))))
        return out

    def _take_in(self, side: _Side, due: list[Effect], now: Timestamp) -> list[Effect]:
        """Return what a side asks of the world, and note what is this node's own business."""
        self._wake.pop(side, None)
        out: list[Effect] = []
        for effect in due:
            if isinstance(effect, effects.WakeAt):
                self._wake[side] = effect.at
                continue
            if isinstance(effect, effects.Keep):
                # The store has one record for each place, and so has what is believed.
                self.admission.note(effect.record)
                if effect.record.kind == "window":
                    self.windows.take(effect.record, now)
            out.append(effect)
        return out

    def _take(self, record: Record, now: Timestamp) -> tuple[Verdict, list[Effect]]:
        if record.kind == "window":
            return Accept(record), self._take_window(record, now)
        if record.kind in records.PUBLIC:
            return Accept(record), [effects.Keep(record)]
        if not isinstance(record.body, Letter) or record.body.to != self.me:
            return Ignore("a letter to another node"), []
        if isinstance(record.body, Evidence):
            try:
                papers = tuple(map(self.admission.read, record.body.papers))
            except (Malformed, BadSignature) as error:
                return Reject(str(error)), []
            return Accept(record), self.handle(events.Shown(record, papers), now)
        first: list[Effect] = []
        if record.kind == "lease":
            # What the owner tells its buyer alone, everybody hears (LEASE-24).
            verdict, first = self._open_window(record, now)
            if verdict is not None:
                return verdict, first
        return Accept(record), [*first, *self.handle(events.Arrived(record), now)]

    def _open_window(self, lease: Record, now: Timestamp) -> tuple[Verdict | None, list[Effect]]:
        """Take in the window of a lease; return why the lease is none, if it is not."""
        try:
            sealed = public_half(lease)
        except Malformed as error:
            return Reject(str(error)), []
        if self.admission.knows(sealed.id):
            return None, []
        verdict, due = self.receive(sealed.data, now)
        return (None if isinstance(verdict, Accept) else verdict), due

    def _take_window(self, record: Record, now: Timestamp) -> list[Effect]:
        """Keep a window; with another that makes the two a lie, prove it to everybody."""
        due: list[Effect] = [effects.Keep(record)]
        other = self.windows.take(record, now)
        if other is not None:
            proof = proofs.prove(other.data, record.data)
            due += self.receive(proof.data, now)[1]
        return due + self.handle(events.Arrived(record), now)
