"""The machines that this node knows of, as the scheduler sees them, in two views.

In the one is what workshops say now. The other, for orders that can wait, has what each of them
said last, too: who meets the others by stick alone never has any fresh word (BUNDLE-14). That
one is made when it is first asked for, and then follows what comes and goes.
"""

from collections.abc import Callable, Iterable

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.records import Capacity, Record, Workshop
from commonfab.protocol.standing.standing import Standing
from commonfab.scheduler.last_words import lasting
from commonfab.scheduler.view import CapacityView


class Views:
    """One for each library."""

    def __init__(self, standing_of: Callable[[NodeId], Standing]) -> None:
        """`standing_of` is asked for a workshop that is new to a view."""
        self._standing_of = standing_of
        self.now = self._empty()
        self._lasting: CapacityView | None = None

    def lasting(self, newest: Iterable[Record]) -> CapacityView:
        """Return the view with last words; `newest` is what it is made of the first time."""
        if self._lasting is None:
            self._lasting = self._empty()
            for record in newest:
                _tell(self._lasting, record, lasts=True)
        return self._lasting

    def take(self, record: Record) -> None:
        """Take in a workshop's newest record of itself or of its machines."""
        _tell(self.now, record, lasts=False)
        if self._lasting is not None:
            _tell(self._lasting, record, lasts=True)

    def set_standing(self, author: NodeId, standing: float, tier: int) -> None:
        for view in self._both():
            view.set_standing(author, standing, tier)

    def forget(self, author: NodeId) -> None:
        for view in self._both():
            view.forget(author)

    def expire(self, now: Timestamp) -> None:
        for view in self._both():
            view.expire(now)

    def _both(self) -> list[CapacityView]:
        return [self.now, *([self._lasting] if self._lasting else [])]

    def _empty(self) -> CapacityView:
        return CapacityView(
            lambda author: self._standing_of(author).score,
            lambda author: self._standing_of(author).rank,
        )


def _tell(view: CapacityView, record: Record, *, lasts: bool) -> None:
    match record.body:
        case Workshop() as workshop:
            view.update_workshop(record.author, workshop)
        case Capacity() as capacity:
            view.update_capacity(record.author, lasting(capacity) if lasts else capacity)
        case _:
            pass
