"""What the command line can ask about who is believed: standing, vouches, deny-lists."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.limits import DAY_MS, VOUCH_TERM_MS_MAX
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.standing.proofs import NOBODY
from commonfab.protocol.statements import Denial, Vouch
from commonfab.storage.cid import CID

from .. import clock
from ..answers.standing import DenialLine, DenyDone, DenylistLine, StandingLine, VouchLine
from ..control.server import Progress
from ..node import Node
from .bundles import find_peer

_DESIGN_ID = re.compile(r"[0-9a-f]{64}")
Reason = Annotated[str, Meta(max_length=200)]


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Which(Struct, forbid_unknown_fields=True):
    peer: str = ""
    """A workshop's name, or a peer id or its end; empty: all that are known here."""


class GiveVouch(Struct, forbid_unknown_fields=True):
    peer: str
    weight: Annotated[float, Meta(ge=0, le=1)]
    days: Annotated[int, Meta(ge=1, le=VOUCH_TERM_MS_MAX // DAY_MS)]
    reason: Reason = ""


class Deny(Struct, forbid_unknown_fields=True):
    what: Literal["author", "design", "root"]
    which: str
    """A workshop or peer id; a design's name or id; a CID."""
    reason: Reason = ""


class StandingApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def standing(self, params: Which, _progress: Progress) -> list[StandingLine]:
        node = self._node
        if params.peer:
            return [self._line(find_peer(node, params.peer))]
        linked = [link.peer for link in node.transport.links()]
        known = dict.fromkeys([*node.register.friends, *linked, *node.library.authors()])
        known |= dict.fromkeys([*node.journal.offences, *node.library.denials.authors()])
        return [self._line(peer) for peer in known if peer not in (node.me, NOBODY)]

    async def vouch(self, params: GiveVouch, _progress: Progress) -> VouchLine:
        """Sign a vouch; weight 0 takes one back."""
        node, now = self._node, clock.now()
        subject = find_peer(node, params.peer)
        if subject == node.me:
            raise UsageError("a node cannot vouch for itself")
        body = Vouch(
            **node.author.head(f"vouch/{subject.hex()}", now),
            until=now + params.days * DAY_MS,
            subject=subject,
            weight_permille=round(params.weight * 1000),
            reason=params.reason,
        )
        await node.announcing.announce(node.author.sign(body))
        node.standing.refresh()
        return VouchLine(
            node=peer_text(subject),
            name=node.library.name_of(subject),
            weight=params.weight,
            until=body.until,
            reason=params.reason,
            standing=self._line(subject),
        )

    async def denied(self, _params: Nothing, _progress: Progress) -> DenylistLine:
        node = self._node
        lists = node.denying.lists()
        here = {author for author, _ in lists}
        subscribed = [NodeId(each) for each in node.denying.kept.subscribed]
        return DenylistLine(
            entries=[self._entry(by, each) for by, entries in lists for each in entries],
            subscribed=[peer_text(each) for each in subscribed],
            missing=[peer_text(each) for each in subscribed if each not in here],
        )

    async def deny(self, params: Deny, _progress: Progress) -> DenyDone:
        entry = Denial(what=params.what, name=await self._name(params), reason=params.reason)
        if entry.name == self._node.me:
            raise UsageError("a node cannot deny itself")
        await self._node.denying.add(entry)
        return DenyDone(entry=self._entry(self._node.me, entry), was_there=False)

    async def allow(self, params: Deny, _progress: Progress) -> DenyDone:
        """Take an entry off this node's own list."""
        entry = Denial(what=params.what, name=await self._name(params))
        was_there = await self._node.denying.remove(entry.what, entry.name)
        return DenyDone(entry=self._entry(self._node.me, entry), was_there=was_there)

    async def subscribe(self, params: Which, _progress: Progress) -> DenylistLine:
        await self._node.denying.subscribe(find_peer(self._node, params.peer))
        return await self.denied(Nothing(), _progress)

    async def unsubscribe(self, params: Which, _progress: Progress) -> DenylistLine:
        await self._node.denying.unsubscribe(find_peer(self._node, params.peer))
        return await self.denied(Nothing(), _progress)

    async def publish(self, _params: Nothing, _progress: Progress) -> DenylistLine:
        await self._node.denying.publish()
        return await self.denied(Nothing(), _progress)

    async def _name(self, params: Deny) -> bytes:
        """Return what an entry's name stands for, known here or not."""
        match params.what:
            case "author":
                return find_peer(self._node, params.which)
            case "design":
                if _DESIGN_ID.fullmatch(params.which):  # It need not be known here.
                    return bytes.fromhex(params.which)
                return (await self._node.library.designs.find(params.which)).id
            case "root":
                return bytes(CID.parse(params.which).as_v1())

    def _line(self, peer: NodeId) -> StandingLine:
        node = self._node
        found = node.standing.of(peer)
        return StandingLine(
            node=peer_text(peer),
            name=node.library.name_of(peer),
            score=round(found.score, 3),
            tier=found.tier,
            rank=found.rank,
            why=list(found.why),
            offences=node.journal.offences.count(peer),
            last_offence=node.journal.offences.last(peer),
        )

    def _entry(self, by: NodeId, entry: Denial) -> DenialLine:
        library, name = self._node.library, ""
        identifier = entry.name.hex()
        if entry.what == "author":
            identifier = peer_text(NodeId(entry.name))
            name = library.name_of(NodeId(entry.name))
        elif entry.what == "root":
            identifier = _cid_text(entry.name)
        else:
            design = library.designs.get(RecordId(entry.name))
            name = getattr(design.body, "name", "") if design else ""
        return DenialLine(
            what=entry.what,
            id=identifier,
            name=name,
            reason=entry.reason,
            by=peer_text(by),
            by_name=library.name_of(by),
        )


def _cid_text(name: bytes) -> str:
    try:
        return str(CID.from_bytes(name))
    except CommonfabError:
        return name.hex()
