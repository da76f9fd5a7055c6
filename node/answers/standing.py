"""What a running node answers about who is believed; an interface, as in node.py."""

from .node import Answer


class StandingLine(Answer, frozen=True):
    node: str
    name: str
    score: float
    """0 to 1"""
    tier: str
    """own, met, vouched, proven, stranger, doubted, not believed"""
    rank: int
    """0: known; 1: a stranger; 2: worse. The lowest that can do a job gets it."""
    why: list[str]
    offences: int = 0
    """What it did against the rules since this node started."""
    last_offence: str = ""


class VouchLine(Answer, frozen=True):
    node: str
    name: str
    weight: float
    until: int
    reason: str
    standing: StandingLine


class DenialLine(Answer, frozen=True):
    what: str
    """author, design, root"""
    id: str
    name: str
    """What it is called, where that is known here."""
    reason: str
    by: str
    by_name: str


class DenylistLine(Answer, frozen=True):
    """All that this node denies, and whose lists it follows."""

    entries: list[DenialLine]
    subscribed: list[str]
    missing: list[str]
    """Of the subscribed, those whose list is not here yet."""


class DenyDone(Answer, frozen=True):
    entry: DenialLine | None
    was_there: bool
    """The entry, or the subscription, was there before."""
