"""What can happen to a `broadcast.Broadcast`, and what it may ask for."""

from dataclasses import dataclass
from typing import Literal

from ..ids import NodeId
from .areas import Topic
from .broadcast_wire import Item

Verdict = Literal["accept", "ignore", "reject"]
"""Accept passes a record on; ignore and reject drop it, and only reject costs who sent it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is thought of a record that a peer pushed."""

    verdict: Verdict
    area: Topic
    """Where it is news, as far as it is known here."""
    reason: str = ""


# Events.


@dataclass(frozen=True, slots=True)
class LinkUp:
    peer: NodeId


@dataclass(frozen=True, slots=True)
class LinkDown:
    peer: NodeId


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame from a peer that is linked."""

    peer: NodeId
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Learned:
    """A record is known here that no peer pushed: this node's own, or one that came by sync."""

    area: Topic
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Hear:
    """This node wants to hear of these topics from now on."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class Tick:
    """It is the time that was asked for."""


Event = LinkUp | LinkDown | Arrived | Learned | Hear | Tick

# Effects.


@dataclass(frozen=True, slots=True)
class Send:
    to: NodeId
    item: Item


@dataclass(frozen=True, slots=True)
class Offend:
    """A peer broke a rule: count it."""

    peer: NodeId
    why: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A peer offered what it did not give: exchange records with it."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` at this time or a little later. The earliest one asked for stands."""

    at: int


Effect = Send | Offend | Repair | WakeAt
