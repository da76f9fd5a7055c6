"""Records that came by sync and were not believed: quarantine, and what not to ask for again."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

from commonfab.protocol.admission import Accept, Reject, Verdict
from commonfab.protocol.envelope import parse
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.storage.ports import Quarantined

from . import clock
from .library import Library

_PASSED_OVER_MS = 10 * 60_000
"""How long a record that was nobody's fault is not asked for again: a clock may be set, or a
newer one expire."""
_REJECTED_MS = 24 * 60 * 60_000
"""How long a peer is not asked again for what came badly from it. Others are: an id does not
cover the signature, so one peer's forgery says nothing of another's copy."""
_REMEMBERED_MAX = 4096
_REJECTED_MAX = 256
"""Of one peer."""
_QUARANTINED_MAX = 256
"""Records of peers that are kept to be looked at; those beyond are counted only."""
_PEERS_MAX = 256
DECLINED_MAX = 1024
"""Records that one peer refused, and is not given again."""


class Unbelieved:
    """One for each node. What it remembers is gone at the next start, but for the quarantine."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._passed_over: dict[RecordId, int] = {}
        self._rejected: dict[NodeId, dict[RecordId, int]] = {}
        self._declined: dict[NodeId, tuple[int, frozenset[RecordId]]] = {}

    def ids(self, peer: NodeId) -> list[RecordId]:
        """Return what a peer is not to be asked for now."""
        now = clock.now()
        known = (self._passed_over, self._rejected.get(peer, {}))
        return [one for some in known for one, until in some.items() if until > now]

    def declined(self, peer: NodeId) -> frozenset[RecordId]:
        """Return what a peer is not to be given now."""
        until, ids = self._declined.get(peer, (0, frozenset[RecordId]()))
        return ids if clock.now() < until else frozenset()

    def note_declined(self, peer: NodeId, ids: Iterable[RecordId]) -> None:
        """Remember what a peer refused. What it refused before is not put off by that."""
        known = self.declined(peer)
        fresh = frozenset(ids)
        if fresh == known:
            return
        self._declined.pop(peer, None)
        if len(fresh) <= DECLINED_MAX:
            put_newest(self._declined, peer, (clock.now() + _PASSED_OVER_MS, fresh), _PEERS_MAX)

    async def look_at(
        self, sender: NodeId, sealed: Sequence[bytes], verdicts: Sequence[Verdict]
    ) -> tuple[int, list[bool]]:
        """Return how many records were new, and of each whether it is here now. Those that are
        not are remembered, and the bad ones put aside."""
        new = 0
        known: list[bool] = []
        bad: list[Quarantined] = []
        for data, verdict in zip(sealed, verdicts, strict=True):
            identifier = _identify(data)
            is_here = identifier is not None and self._library.has(identifier)
            known.append(is_here)
            if isinstance(verdict, Accept):
                new += is_here
            elif identifier is not None and not is_here:
                self._remember(sender, identifier, is_bad=isinstance(verdict, Reject))
            if isinstance(verdict, Reject):
                bad.append(Quarantined(identifier or _name(data), verdict.reason, data, sender))
        if bad:
            await self._library.put_aside(bad, _QUARANTINED_MAX)
        return new, known

    def _remember(self, sender: NodeId, identifier: RecordId, *, is_bad: bool) -> None:
        if not is_bad:
            put_newest(
                self._passed_over, identifier, clock.now() + _PASSED_OVER_MS, _REMEMBERED_MAX
            )
            return
        of_sender = self._rejected.pop(sender, {})
        put_newest(of_sender, identifier, clock.now() + _REJECTED_MS, _REJECTED_MAX)
        put_newest(self._rejected, sender, of_sender, _PEERS_MAX)


K = TypeVar("K")
V = TypeVar("V")


def put_newest(memory: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember something as the newest, and forget the oldest where there are too many."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > most:
        del memory[next(iter(memory))]


def _identify(data: bytes) -> RecordId | None:
    try:
        return parse(data).id
    except Malformed:
        return None


def _name(data: bytes) -> RecordId:
    """Return a name for bytes that are no record at all."""
    return RecordId(sha256(data).digest())
