"""Counts what nodes say to each other for the jobs of a town."""

from collections import Counter
from dataclasses import dataclass, field

from commonfab.protocol.ids import RecordId
from commonfab.protocol.records import Progress, Record

NEGOTIATING = frozenset({"request", "offer", "refusal", "acceptance", "lease", "release"})
MAKING = frozenset({"ready", "grant", "receipt"})
"""From the question for the grant to the confirmed receipt. All else is reports of how it goes
on, and what is said again."""


@dataclass(slots=True)
class Letters:
    by_kind: Counter[str] = field(default_factory=Counter[str])
    """Said for the first time; what is said again counts as "again"."""
    _said: set[RecordId] = field(default_factory=set[RecordId])

    def count(self, record: Record) -> None:
        kind = record.kind
        if isinstance(record.body, Progress):
            kind = "ready" if record.body.state == "ready" else "progress"
        self.by_kind["again" if record.id in self._said else kind] += 1
        self._said.add(record.id)
