"""The guest's side: finds who made a code or an invitation, and proves that it was told it.

An invitation whose host cannot be reached now is written down, and tried again until it
expires; also by a node that was started only after its operator accepted it.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import trio

from commonfab.protocol.errors import CommonfabError, PeerError, ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.invitation import Invitation
from commonfab.protocol.meeting.pairing import (
    MESSAGE_BYTES_MAX,
    NONCE_BYTES,
    PROTOCOL,
    Challenge,
    Encounter,
    Hello,
    Keys,
    Message,
    Proof,
    Refused,
    Why,
)
from commonfab.protocol.peer_id import peer_text

from .. import clock, log
from ..network.frames import read_frame, write_frame
from ..network.transport import Stream, Transport, opened
from .register import How, Met
from .rendezvous import Rendezvous

CANDIDATES_MAX = 16
"""Nodes that are tried for one code, lies among them."""
_ADDRESSES_MAX = 8
_AGAIN_S = 10.0
"""A candidate that failed is tried again after this."""
_REFUSED_S = 3.0
"""After a refusal: how much longer to look for the right one among others."""
_TALK_S = 30.0
_MESSAGE_S = 15.0

REFUSALS: dict[Why, str] = {
    "unknown": "the node that made it does not know it any more; ask for a new one",
    "expired": "it has expired; ask for a new one",
    "used": "it was used already, by another node; ask for a new one",
    "wrong": "a node in between passed it on; try again, with both nodes in one local network",
    "revoked": "it was taken back by who made it",
    "busy": "that node was asked too often; try again in a minute",
}


class Turned(UsageError):
    """The host refused."""

    def __init__(self, why: Why) -> None:
        super().__init__(f"not accepted: {REFUSALS[why]}")
        self.why: Why = why


class NotMet(ResourceError):
    """Nobody who knows the secret was found in time."""


@dataclass
class _Candidate:
    addresses: dict[str, None] = field(default_factory=dict[str, None])
    try_at: float = 0.0


class Candidates:
    """Who might be the one that is looked for. What is said of them may be lies."""

    def __init__(self, only: NodeId | None = None) -> None:
        self.only = only
        self._nodes: dict[NodeId, _Candidate] = {}
        self.changed = trio.Event()

    def found(self, node: NodeId, addresses: Iterable[str]) -> None:
        """Take note of a node and of where it may be reached."""
        if self.only not in (None, node):
            return
        if node not in self._nodes:
            if len(self._nodes) >= CANDIDATES_MAX:
                return
            self._nodes[node] = _Candidate()
            self.changed.set()
        known = self._nodes[node]
        for address in addresses:
            if address not in known.addresses and len(known.addresses) < _ADDRESSES_MAX:
                known.addresses[address] = None
                known.try_at = 0.0
                self.changed.set()

    def due(self, now: float) -> tuple[NodeId, list[str]] | None:
        """Return whom to try now."""
        for node, candidate in self._nodes.items():
            if candidate.try_at <= now:
                candidate.try_at = now + _AGAIN_S
                return node, list(candidate.addresses)
        return None


class Joining:
    """One for each node."""

    def __init__(self, transport: Transport, rendezvous: Rendezvous) -> None:
        self._transport = transport
        self._rendezvous = rendezvous

    async def join_code(self, code: bytes, patience_s: float) -> Met:
        """Find who shows a code; `NotMet` if nobody does, `Turned` if it is not accepted."""
        keys = await trio.to_thread.run_sync(pairing.derive, code)
        candidates = Candidates()
        return await self._meet(keys, candidates, "code", patience_s)

    async def join_invitation(
        self, invitation: Invitation, known: Sequence[str], patience_s: float
    ) -> Met:
        """Go to the host of an invitation, there or at the addresses that are `known`."""
        if clock.now() >= invitation.until:
            raise Turned("expired")
        keys = await trio.to_thread.run_sync(pairing.derive, invitation.secret)
        candidates = Candidates(invitation.host)
        host = peer_text(invitation.host)
        said = (f"{place}/p2p/{host}" for place in invitation.addresses)
        candidates.found(invitation.host, [*said, *known])
        how: How = "invitation" if _is_lasting(invitation) else "code"
        return await self._meet(keys, candidates, how, patience_s)

    async def _meet(self, keys: Keys, candidates: Candidates, how: How, patience_s: float) -> Met:
        refused: Turned | None = None
        met: Met | None = None
        with trio.move_on_after(patience_s) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._rendezvous.wait, keys.place, candidates.found)
                while met is None:
                    due = candidates.due(trio.current_time())
                    if due is None:
                        with trio.move_on_after(1.0):
                            await candidates.changed.wait()
                        candidates.changed = trio.Event()
                        continue
                    try:
                        met = await self._try(*due, keys, how)
                    except Turned as error:
                        refused = error
                        if candidates.only is not None:
                            break  # The link has proven that it is the host that says so.
                        scope.deadline = min(scope.deadline, trio.current_time() + _REFUSED_S)
                        log.debug("pairing_refused", why=error.why)
                    except CommonfabError as error:
                        log.debug("pairing_failed", peer=peer_text(due[0]), why=str(error))
                nursery.cancel_scope.cancel()
        if met is not None:
            return met
        if refused is not None:
            raise refused
        if candidates.only is not None:
            raise NotMet(
                f"the node that shows this code was not reached within {patience_s:.0f} s; see that"
                " it still shows it, and that both nodes are in one local network or have a peer in"
                " common (commonfab peers)"
            )
        raise NotMet(
            f"nobody who shows this code was found within {patience_s:.0f} s; check the words, and"
            " that both nodes are in one local network or have a peer in common (commonfab peers),"
            " or paste the text that the other side shows below its words"
        )

    async def _try(self, node: NodeId, addresses: list[str], keys: Keys, how: How) -> Met:
        """Prove the secret to a candidate, and have it prove the same."""
        is_stranger = all(link.peer != node for link in self._transport.links())
        if is_stranger:
            await dial(self._transport.connect, addresses)
        try:
            with trio.fail_after(_TALK_S):
                async with opened(self._transport, node, PROTOCOL) as stream:
                    proof = await self._prove(stream, node, keys)
        except BaseException as error:
            if is_stranger:
                with trio.move_on_after(1, shield=True):
                    await self._transport.disconnect(node)
            if isinstance(error, trio.TooSlowError):
                raise ResourceError("the other side stopped answering") from error
            raise
        return Met(node=node, at=clock.now(), how=how, addresses=proof.addresses)

    async def _prove(self, stream: Stream, node: NodeId, keys: Keys) -> Proof:
        mine = secrets.token_bytes(NONCE_BYTES)
        challenge = await self._ask(stream, Hello(keys.tag, mine))
        if not isinstance(challenge, Challenge):
            raise PeerError("a greeting is answered with Challenge")
        met = Encounter(node, self._transport.me, challenge.nonce, mine)
        proof = Proof(met.mac(keys, "guest"), self._rendezvous.addresses())
        answer = await self._ask(stream, proof)
        if not isinstance(answer, Proof) or not met.is_proof(answer.mac, keys, "host"):
            raise PeerError("the other side could not prove that it knows the secret")
        return answer

    async def _ask(self, stream: Stream, message: Message) -> Message:
        await write_frame(stream, pairing.encode(message))
        data = None
        with trio.move_on_after(_MESSAGE_S):
            data = await read_frame(stream, MESSAGE_BYTES_MAX)
        if data is None:
            raise ResourceError("the other side went away")
        answer = pairing.decode(data)
        if isinstance(answer, Refused):
            raise Turned(answer.why)
        return answer


async def dial(connect: Callable[[str], Awaitable[NodeId]], addresses: Sequence[str]) -> None:
    """Connect at the first address that answers, or raise `ResourceError`."""
    failure = "no address of it is known"
    for address in addresses:
        try:
            await connect(address)
        except CommonfabError as error:
            failure = str(error)
        else:
            return
    raise ResourceError(failure)


def _is_lasting(invitation: Invitation) -> bool:
    return len(invitation.secret) == pairing.INVITATION_SECRET_BYTES
