"""Keeps the standing of every node up to date, for the scheduler and for people, and shows out
the peers that offend too much (`Journal.offend` is where that is counted).
"""

from collections.abc import Callable, Collection
from ipaddress import ip_address

import trio

from commonfab.protocol.ids import NodeId
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Record
from commonfab.protocol.standing import standing
from commonfab.protocol.standing.standing import Experience, Facts, Standing

from .. import clock
from ..journal import Journal
from ..library import Library
from ..network import doorkeeper
from ..network.transport import Transport

_ROUND_S = 60.0
"""Offences fade and vouches end without anybody saying so."""
_CALM_S = 1.0
"""Between two looks, however much is said."""
_LEAVING_MAX = 256
"""Peers that wait to be shown out; one that finds no place there offends again."""
_TELLING = frozenset({"vouch", "proof", "revocation", "workshop", "denylist"})
"""Records after which somebody's standing may be another."""

Met = Callable[[], Collection[NodeId]]


def nobody() -> Collection[NodeId]:
    return ()


class Standings:
    """One for each node."""

    def __init__(
        self,
        me: NodeId,
        library: Library,
        buyer: Buyer,
        transport: Transport,
        journal: Journal,
        met: Met = nobody,
    ) -> None:
        """`met` tells who was met by pairing."""
        self._me = me
        self._library = library
        self._buyer = buyer
        self._transport = transport
        self._journal = journal
        self._met = met
        self._told: dict[NodeId, tuple[float, int]] = {}
        self._first_heard: dict[NodeId, None] = {}
        self._changed = trio.Event()
        self._show_out, self._leaving = trio.open_memory_channel[NodeId](_LEAVING_MAX)
        self._now = self._compute()
        library.standing_of = self.of
        journal.on_too_many = self.show_out
        self.refresh()

    def of(self, peer: NodeId) -> Standing:
        return self._now.of(peer)

    def show_out(self, peer: NodeId, why: str) -> None:
        """Have a peer disconnected as soon as may be."""
        self._journal.tell("shown_out", peer=peer_text(peer), reason=why)
        try:
            self._show_out.send_nowait(peer)
        except trio.WouldBlock:
            self._journal.tell("many_shown_out", peer=peer_text(peer))

    # Keeping it up to date.

    def kept(self, record: Record) -> None:
        """Hear of a record that is on the disk now."""
        if record.kind == "receipt" or record.kind in _TELLING:
            self.changed()

    def changed(self) -> None:
        """Say that somebody's standing may be another now."""
        self._changed.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look again at whatever changed, and show out whom to, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say_goodbye)
            task_status.started()
            while True:
                self.refresh()
                await trio.sleep(_CALM_S)
                with trio.move_on_after(_ROUND_S):
                    await self._changed.wait()
                self._changed = trio.Event()

    def refresh(self) -> None:
        """Compute every standing anew, and tell the scheduler of those that are others now."""
        self._now = self._compute()
        speakers = dict.fromkeys(self._library.speakers())
        for node in speakers:
            found = self._now.of(node)
            said = (found.score, found.rank)
            if self._told.get(node) != said:
                self._told[node] = said
                self._library.set_standing(node, *said)
        self._told = {node: said for node, said in self._told.items() if node in speakers}

    async def _say_goodbye(self) -> None:
        async for peer in self._leaving:
            await self._transport.disconnect(peer)

    def _compute(self) -> standing.Standings:
        library, offences, now = self._library, self._journal.offences, clock.now()
        return standing.Standings(
            Facts(
                me=self._me,
                met=frozenset(self._met()),
                vouches=[each for each in library.vouches.values() if each.body.until > now],
                experience=experience(self._buyer),
                offences={peer: offences.weight(peer, now) for peer in offences},
                banned=self._banned(),
                subnets=self._subnets(),
            )
        )

    def _subnets(self) -> dict[NodeId, str]:
        workshops = self._library.workshops
        self._first_heard |= dict.fromkeys(each for each in workshops if each != self._me)
        self._first_heard = {each: None for each in self._first_heard if each in workshops}
        return {each: subnet_of(workshops[each].addresses) for each in self._first_heard}

    def _banned(self) -> dict[NodeId, str]:
        library = self._library
        banned: dict[NodeId, str] = {}
        for author, denied in library.denials.authors().items():
            reason = denied.reason or "no reason given"
            banned[author] = f"denied by …{peer_text(denied.by)[-8:]}: {reason}"
        for author in library.liars:
            banned[author] = "signed two letters for one place"
        for author, reason in library.revoked.items():
            banned[author] = f"its key is revoked: {reason}"
        for author in library.frozen:
            banned[author] = "signed two records for one place; the proof is kept"
        banned.pop(self._me, None)
        return banned


def experience(buyer: Buyer) -> dict[NodeId, Experience]:
    """Return what became of this node's own jobs at each workshop."""
    good: dict[NodeId, int] = {}
    bad: dict[NodeId, int] = {}
    for order in buyer.orders():
        for attempt in (attempt for job in order.jobs for attempt in job.attempts):
            if attempt.outcome == "made" and attempt.confirmation is not None:
                good[attempt.owner] = good.get(attempt.owner, 0) + 1
            elif attempt.outcome in ("failed", "silent", "not started"):
                bad[attempt.owner] = bad.get(attempt.owner, 0) + 1
    return {
        owner: Experience(good.get(owner, 0), bad.get(owner, 0)) for owner in sorted({*good, *bad})
    }


def subnet_of(addresses: Collection[str]) -> str:
    """Return the network of the first address that names one, as the door counts it."""
    for address in addresses:
        _, protocol, value = [*address.split("/", 3)[:3], "", "", ""][:3]
        if protocol not in ("ip4", "ip6"):
            continue
        try:
            found = ip_address(value)
        except ValueError:
            continue
        if found.is_private:
            return "private addresses"
        return doorkeeper.subnet_of(value)
    return "no address"
