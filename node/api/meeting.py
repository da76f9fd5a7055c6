"""What the command line can ask about meeting: codes, invitations, the bootstrap list, peers."""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.meeting import invitation, pairing
from commonfab.protocol.meeting.invitation import INVITATION_TERM_MS_MAX
from commonfab.protocol.peer_id import peer_text

from .. import clock
from ..answers.meeting import Code, InvitationLine, Invited, Joined, Paired
from ..answers.node import PeerLine
from ..control.server import Progress
from ..finding.addresses import Reach, reach_of
from ..home import config
from ..meeting import register, words
from ..meeting.register import Met
from ..network.transport import Link
from ..node import Node
from ..syncing import LastSync

_DAYS_MAX = INVITATION_TERM_MS_MAX // DAY_MS
_SYNC_ROUNDS = 4
"""A linked peer with which no session has ended for so many rounds is behind."""
_REACHES = {
    Reach.COMPUTER: "this computer",
    Reach.NEIGHBOURHOOD: "LAN",
    Reach.INTERNET: "internet",
}


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Join(Struct, forbid_unknown_fields=True):
    text: str
    """An invitation, or the words of a code."""


class Invite(Struct, forbid_unknown_fields=True):
    whom: Annotated[str, Meta(max_length=120)] = ""
    days: Annotated[int, Meta(ge=1, le=_DAYS_MAX)] = 7


class Which(Struct, forbid_unknown_fields=True):
    invitation: str


class MeetingApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def pair(self, _params: Nothing, progress: Progress) -> Paired:
        """Show a code as progress, and answer once it was used; it ends with its asker."""
        self._check_network()
        meeting = self._node.meeting
        shown = await meeting.show()
        await progress(
            Code(
                code=shown.words,
                text=shown.text,
                until=shown.until,
                is_hidden=self._is_hidden(),
            )
        )
        return self._paired(await meeting.wait_for(shown))

    async def join(self, params: Join, progress: Progress) -> Joined:
        """Use a code or an invitation, and exchange records with whoever made it."""
        meeting = self._node.meeting
        if not invitation.is_invitation(params.text):
            code = words.read(params.text)
            await progress({"step": "looking for the node that shows this code"})
            return await self._joined(await meeting.join_code(code), 0)
        accepted = invitation.read(params.text)
        await progress({"step": "looking for the node that invites"})
        met = await meeting.join(accepted)
        if met is not None:
            return await self._joined(met, accepted.until)
        host = accepted.host
        name = self._node.library.name_of(host)
        return Joined(node=peer_text(host), name=name, is_met=False, until=accepted.until)

    async def _joined(self, met: Met, until: int) -> Joined:
        await self._node.syncing.with_peer(NodeId(met.node))
        paired = self._paired(met)
        return Joined(node=paired.node, name=paired.name, is_met=True, until=until)

    async def invite(self, params: Invite, _progress: Progress) -> Invited:
        self._check_network()
        node = self._node
        psk = node.settings.network.psk or b""
        made, text = await node.meeting.hosting.invite(params.whom, params.days * DAY_MS, psk)
        return Invited(
            invitation=self._line(made),
            text=text,
            is_hidden=self._is_hidden(),
            is_private=bool(psk),
        )

    async def invitations(self, _params: Nothing, _progress: Progress) -> list[InvitationLine]:
        known = self._node.register.invited.values()
        return [self._line(each) for each in sorted(known, key=lambda each: each.made)]

    async def revoke(self, params: Which, _progress: Progress) -> InvitationLine:
        return self._line(await self._node.register.revoke(params.invitation))

    async def bootstrap(self, _params: Nothing, _progress: Progress) -> Nothing:
        """Take over the bootstrap list that the settings file has now."""
        node = self._node
        settings = config.load(node.home.config, node.environment)
        node.acquaintance.begin_with(settings.network.bootstrap)
        return Nothing()

    async def peers(self, _params: Nothing, _progress: Progress) -> list[PeerLine]:
        """Return the linked peers, the friends, the workshops, and who was once linked."""
        node = self._node
        links = {link.peer: link for link in node.transport.links()}
        met = [NodeId(each.node) for each in node.register.book.contacts() if each.seen_at]
        known = dict.fromkeys([*links, *node.register.friends, *node.library.workshops, *met])
        known.pop(node.me, None)
        return [self._peer(peer, links.get(peer)) for peer in known]

    def _peer(self, peer: NodeId, link: Link | None) -> PeerLine:
        node = self._node
        last = node.syncing.last.get(peer)
        addresses = node.register.book.addresses_of(peer)
        seen = node.register.book.seen_at(peer)
        standing = node.standing.of(peer)
        moved = node.traffic.last_hour_with(peer).values()
        return PeerLine(
            node=peer_text(peer),
            name=self._name(peer),
            is_connected=link is not None,
            is_friend=peer in node.register.friends,
            address=link.address if link else next(iter(addresses), ""),
            how=_how(link) if link else "",
            inbound=link.inbound if link else False,
            since=node.linked_since.get(peer, 0),
            last_seen=clock.now() if link else seen,
            last_sync=last.at if last else 0,
            last_sync_new=last.new if last else 0,
            last_sync_missing=last.missing if last else 0,
            is_behind=link is not None and self._is_behind(last),
            records=node.library.count_by(peer),
            rejected=node.journal.rejected(peer),
            received_bytes=sum(each.bytes_in for each in moved),
            sent_bytes=sum(each.bytes_out for each in moved),
            standing=standing.tier,
            score=round(standing.score, 3),
            standing_why=list(standing.why),
        )

    def _is_behind(self, last: LastSync | None) -> bool:
        rounds_ms = _SYNC_ROUNDS * 1000 * self._node.settings.trade.sync_s
        return last is None or not last.is_complete or clock.now() - last.at > rounds_ms

    def _name(self, peer: NodeId) -> str:
        met = self._node.register.friends.get(peer)
        return self._node.library.name_of(peer) or (met.name if met else "")

    def _paired(self, met: Met) -> Paired:
        node = NodeId(met.node)
        return Paired(node=peer_text(node), name=self._name(node), how=met.how, at=met.at)

    def _is_hidden(self) -> bool:
        own = self._node.meeting.rendezvous.addresses()
        return all(reach_of(each) is Reach.COMPUTER for each in own)

    def _check_network(self) -> None:
        """Raise `UsageError` if the node runs in another network than its settings say by now."""
        node = self._node
        chosen = config.load(node.home.config, node.environment).network.psk
        if chosen != node.settings.network.psk:
            raise UsageError(
                "this node's settings name another network than the one that it still runs in;"
                " stop it and start it again first"
            )

    def _line(self, invited: register.Invited) -> InvitationLine:
        used = invited.state if isinstance(invited.state, pairing.Used) else None
        return InvitationLine(
            id=invited.id,
            name=invited.name,
            made=invited.made,
            until=invited.until,
            state=_state(invited, clock.now()),
            used_by=peer_text(NodeId(used.by)) if used else "",
            used_by_name=self._name(NodeId(used.by)) if used else "",
            used_at=used.at if used else 0,
        )


def _state(invited: register.Invited, now: Timestamp) -> str:
    match invited.state:
        case pairing.Used():
            return "used"
        case pairing.Ended():
            return "revoked"
        case _:
            return "open" if now < invited.until else "expired"


def _how(link: Link) -> str:
    if "/p2p-circuit" in link.address:
        return "relay"
    reach = reach_of(link.address.partition("/p2p/")[0])
    return _REACHES[reach] if reach is not None else ""
