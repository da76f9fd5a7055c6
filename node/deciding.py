"""The workshop's rule on whose jobs a person decides; a `HouseRule` of the owner's side."""

from commonfab.protocol.ids import NodeId

from .home.config import Trade


class Deciding:
    """One for each node."""

    def __init__(self, me: NodeId, trade: Trade) -> None:
        self._me = me
        self._trade = trade

    def asks(self, buyer: NodeId) -> bool:
        return self._trade.ask and buyer != self._me
