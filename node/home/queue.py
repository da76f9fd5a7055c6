"""Whose jobs come first on this workshop's machines: `[queue]` in `commonfab.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import HOUR_MS
from commonfab.protocol.peer_id import parse_peer
from commonfab.scheduler.queueing import Rule

from .forms import Text


class Member(Struct, frozen=True, kw_only=True):
    """One of those who share the machines."""

    node: Text
    share: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0


class Queue(Struct, frozen=True, kw_only=True):
    patience_h: Annotated[
        int,
        Meta(
            ge=0,
            le=8_760,
            description="The shortest job is the next, within what is promised. Who has waited\n"
            "longer than this is before all others, whoever it is. Hours.",
        ),
    ] = 48
    members: Annotated[
        tuple[Member, ...],
        Meta(
            max_length=256,
            description="Those who share the machines, as a cooperative has decided:\n"
            '[{ node = "12D3KooW…", share = 3, priority = 1 }]. A share is how much of the\n'
            "machines' time is whose, and counts over four weeks; everybody else has 1. The\n"
            "higher priority comes first; everybody else has 0.",
        ),
    ] = ()

    def rule(self) -> Rule:
        """Return it as the scheduler has it. Raises `UsageError` for a node that is none."""
        members: dict[NodeId, Member] = {}
        for member in self.members:
            node = parse_peer(member.node)
            if node in members:
                raise UsageError(f"{member.node} is there twice; keep one")
            members[node] = member
        return Rule(
            shares={node: member.share for node, member in members.items()},
            priority={node: member.priority for node, member in members.items()},
            patience_ms=self.patience_h * HOUR_MS,
        )
