"""Meeting others, put together: codes, invitations, introductions, and what follows of them.

Hosting, Joining  ->  Rendezvous  ->  mDNS, linked peers, DHT
      |                                        Introducing -> AddressBook
      +-> Acquaintance.befriend -> Register (friends, invitations, book) on the disk
"""

from collections.abc import Sequence
from pathlib import Path

import trio

from commonfab.protocol.errors import CommonfabError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.invitation import Invitation
from commonfab.protocol.peer_id import peer_text

from ..finding.dht import Dht
from ..journal import Journal
from ..library import Library
from ..network.acquaintance import Acquaintance
from ..network.mdns import Beacon
from ..network.transport import Transport
from . import accepted
from .hosting import Hosting, Shown
from .introducing import Introducing
from .joining import Candidates, Joining, NotMet, Turned, dial
from .register import Met, Register
from .rendezvous import MakeBeacon, Rendezvous

CODE_PATIENCE_S = 90.0
INVITATION_PATIENCE_S = 20.0
_TRY_AGAIN_S = 60.0
_DIAL_GUEST_S = 5.0


class Meeting:
    """One for each node. Make it before the transport runs."""

    def __init__(
        self,
        transport: Transport,
        library: Library,
        register: Register,
        acquaintance: Acquaintance,
        journal: Journal,
        accepted_path: Path,
        *,
        dhts: Sequence[Dht] = (),
        announced: Sequence[str] = (),
        psk: bytes | None = None,
        make_beacon: MakeBeacon = Beacon,
    ) -> None:
        self._transport = transport
        self._acquaintance = acquaintance
        self._journal = journal
        self._accepted = accepted_path
        self._psk = psk or b""
        self.register = register
        self.rendezvous = Rendezvous(transport, dhts, announced, make_beacon)
        self.introducing = Introducing(
            transport, library, register.book, journal, acquaintance.look_again
        )
        self._joining = Joining(transport, self.rendezvous)
        self.hosting = Hosting(transport, self.rendezvous, register, self._befriend, journal)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask for introductions, and try accepted invitations again, until cancelled."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.introducing.run)
            nursery.start_soon(self._join_accepted)

    # Codes.

    async def show(self) -> Shown:
        """Make a code to show; it counts while `wait_for` runs."""
        return await self.hosting.make_code(self._psk)

    async def wait_for(self, shown: Shown) -> Met:
        """Wait for whoever has the code; `UsageError` if it expired."""
        candidates = Candidates()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._dial_guests, candidates)
            state = await self.hosting.host(shown, candidates.found)
            nursery.cancel_scope.cancel()
        if isinstance(state, pairing.Used):
            return self.register.friends[NodeId(state.by)]
        raise UsageError("nobody used the code within ten minutes; show a new one: commonfab pair")

    async def _dial_guests(self, candidates: Candidates) -> None:
        """Reach out to a guest that may not be able to reach this node."""
        while True:
            due = candidates.due(trio.current_time())
            if due is None:
                await trio.sleep(1)
                continue
            node, addresses = due
            if addresses and all(link.peer != node for link in self._transport.links()):
                # The guest dials too, and most often is faster.
                await trio.sleep(_DIAL_GUEST_S)
                if all(link.peer != node for link in self._transport.links()):
                    try:
                        await dial(self._transport.connect, addresses)
                    except ResourceError:
                        continue

    async def join_code(self, code: bytes, patience_s: float = CODE_PATIENCE_S) -> Met:
        """Find who shows the code, and become friends."""
        if self.hosting.is_showing(code):
            raise UsageError("this node itself shows this code; type it on the other node")
        met = await self._joining.join_code(code, patience_s)
        await self._befriend(met)
        return met

    # Invitations.

    async def join(self, invitation: Invitation) -> Met | None:
        """Accept an invitation. None: its host cannot be reached now, and is tried again.

        Raises `Turned` if the host does not take it, `UsageError` if it is of another network.
        """
        if invitation.host == self._transport.me:
            raise UsageError("this invitation is this node's own; send it to somebody else")
        if invitation.psk != self._psk and invitation.psk:
            raise UsageError(
                "this invitation leads into a private network that this node is not in"
            )
        try:
            return await self._join(invitation)
        except NotMet:
            if len(invitation.secret) == pairing.CODE_BYTES:
                raise
            accepted.add(self._accepted, invitation.text())
            return None

    async def _join(self, invitation: Invitation) -> Met:
        known = self.register.book.addresses_of(invitation.host)
        met = await self._joining.join_invitation(invitation, known, INVITATION_PATIENCE_S)
        await self._befriend(met)
        return met

    async def _join_accepted(self) -> None:
        while True:
            for text, invitation in accepted.load(self._accepted).items():
                if invitation.psk and invitation.psk != self._psk:
                    continue
                await self._try_accepted(text, invitation)
            await trio.sleep(_TRY_AGAIN_S)

    async def _try_accepted(self, text: str, invitation: Invitation) -> None:
        about = f"invitation/{peer_text(invitation.host)}"
        try:
            await self._join(invitation)
        except Turned as error:
            if error.why == "busy":
                return
            self._journal.warn(about, f"the invitation of {peer_text(invitation.host)}: {error}")
        except CommonfabError:
            return
        else:
            self._journal.clear(about)
        accepted.remove(self._accepted, text)

    async def _befriend(self, met: Met) -> None:
        await self._acquaintance.befriend(met)
        self._journal.tell("met", node=peer_text(NodeId(met.node)), how=met.how)
