"""The host's side: shows a code, invites, and answers those who come with the secret."""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio

from commonfab.protocol.errors import Malformed, ResourceError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting import pairing
from commonfab.protocol.meeting.invitation import INVITATION_ADDRESSES_MAX, Invitation
from commonfab.protocol.meeting.pairing import (
    CODE_BYTES,
    CODE_TERM_MS,
    INVITATION_SECRET_BYTES,
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
    State,
    Why,
)
from commonfab.protocol.peer_id import peer_text

from .. import clock
from ..finding.addresses import Reach, reach_of
from ..journal import Journal
from ..network.frames import read_frame, write_frame
from ..network.transport import Stream, Transport
from . import words
from .register import Invited, Met, Register
from .rendezvous import Rendezvous

Befriend = Callable[[Met], Awaitable[None]]

ATTEMPTS_MAX = 8
"""Conversations of one peer within the window; then it has to wait."""
ATTEMPTS_WINDOW_S = 60.0
_PEERS_REMEMBERED_MAX = 1024
_MESSAGE_S = 15.0


@dataclass
class Shown:
    """A code that is shown to a person now."""

    code: bytes
    keys: Keys
    until: Timestamp
    text: str
    """The same as a line, with this node's addresses, for a QR picture."""
    state: State = field(default_factory=pairing.Open)
    changed: trio.Event = field(default_factory=trio.Event)

    @property
    def words(self) -> str:
        return words.spell(self.code)


class Hosting:
    """One for each node."""

    def __init__(
        self,
        transport: Transport,
        rendezvous: Rendezvous,
        register: Register,
        befriend: Befriend,
        journal: Journal,
    ) -> None:
        self._transport = transport
        self._rendezvous = rendezvous
        self._register = register
        self._befriend = befriend
        self._journal = journal
        self._shown: dict[bytes, Shown] = {}
        self._attempts: OrderedDict[NodeId, tuple[float, int]] = OrderedDict()
        self._judging = trio.Lock()
        transport.serve(PROTOCOL, self._answer)

    # What a person asks for.

    async def make_code(self, psk: bytes) -> Shown:
        code = words.from_chance(secrets.token_bytes(CODE_BYTES))
        keys = await trio.to_thread.run_sync(pairing.derive, code)
        until = Timestamp(clock.now() + CODE_TERM_MS)
        return Shown(code, keys, until, self._text(code, until, psk))

    async def host(self, shown: Shown, found: Callable[[NodeId, tuple[str, ...]], None]) -> State:
        """Wait until the code is used or expires; return what became of it.

        `found` is called for each node that waits at the same place. Cancelled, the code ends.
        """
        self._shown[shown.keys.tag] = shown
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._rendezvous.wait, shown.keys.place, found)
                with trio.move_on_after(max(0, shown.until - clock.now()) / 1000):
                    await shown.changed.wait()
                nursery.cancel_scope.cancel()
        finally:
            del self._shown[shown.keys.tag]
        return shown.state

    def is_showing(self, code: bytes) -> bool:
        return any(shown.code == code for shown in self._shown.values())

    async def invite(self, name: str, term_ms: int, psk: bytes) -> tuple[Invited, str]:
        """Make an invitation; return it, and the text that invites."""
        now = clock.now()
        secret = secrets.token_bytes(INVITATION_SECRET_BYTES)
        keys = await trio.to_thread.run_sync(pairing.derive, secret)
        until = Timestamp(now + term_ms)
        invited = Invited(tag=keys.tag, key=keys.key, name=name, made=now, until=until)
        await self._register.invite(invited, now)
        return invited, self._text(secret, until, psk)

    def _text(self, secret: bytes, until: Timestamp, psk: bytes) -> str:
        return Invitation(
            host=self._transport.me,
            addresses=_for_others(self._rendezvous.addresses()),
            secret=secret,
            until=until,
            psk=psk,
        ).text()

    # What a guest asks.

    async def _answer(self, stream: Stream) -> None:
        guest = stream.peer
        hello = await _read(stream)
        if not isinstance(hello, Hello):
            raise Malformed("a conversation of pairing begins with Hello")
        secret = self._find(hello.tag)
        why: Why | None = "busy" if self._is_too_eager(guest) else None
        if why is None:
            why = "unknown" if secret is None else self._refusal(secret, guest)
        if secret is None or why is not None:
            await _write(stream, Refused(why or "unknown"))
            return
        nonce = secrets.token_bytes(NONCE_BYTES)
        await _write(stream, Challenge(nonce))
        proof = await _read(stream)
        if not isinstance(proof, Proof):
            raise Malformed("a challenge is answered with Proof")
        met = Encounter(self._transport.me, guest, nonce, hello.nonce)
        why = await self._judge(secret, met, proof)
        if why is not None:
            await _write(stream, Refused(why))
            return
        mac = met.mac(secret.keys, "host")
        await _write(stream, Proof(mac, self._rendezvous.addresses()))

    def _find(self, tag: bytes) -> Shown | Invited | None:
        return self._shown.get(tag) or self._register.invited.get(tag)

    def _refusal(self, secret: Shown | Invited, guest: NodeId) -> Why | None:
        return pairing.refusal(secret.state, guest, Timestamp(secret.until), clock.now())

    async def _judge(self, secret: Shown | Invited, met: Encounter, proof: Proof) -> Why | None:
        """Judge a proof; what follows of it is on the disk when this returns."""
        async with self._judging:
            now, before, until = clock.now(), secret.state, Timestamp(secret.until)
            after, why = pairing.judge(before, until, secret.keys, met, proof.mac, now)
            secret.state = after
            if why == "wrong":
                self._journal.tell("pairing_wrong", peer=peer_text(met.guest))
            if why is not None:
                return why
            try:
                await self._befriend(_met(secret, met.guest, proof.addresses, now))
            except ResourceError:
                secret.state = before
                raise
            if isinstance(secret, Shown) and after != before:
                secret.changed.set()
            return None

    def _is_too_eager(self, guest: NodeId) -> bool:
        now = trio.current_time()
        since, count = self._attempts.pop(guest, (now, 0))
        if now - since > ATTEMPTS_WINDOW_S:
            since, count = now, 0
        self._attempts[guest] = since, count + 1
        if len(self._attempts) > _PEERS_REMEMBERED_MAX:
            self._attempts.popitem(last=False)
        return count >= ATTEMPTS_MAX


def _met(secret: Shown | Invited, guest: NodeId, addresses: tuple[str, ...], now: Timestamp) -> Met:
    is_code = isinstance(secret, Shown)
    return Met(
        node=guest,
        at=now,
        how="code" if is_code else "invitation",
        name="" if isinstance(secret, Shown) else secret.name,
        addresses=addresses,
    )


def _for_others(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the few addresses that an invitation has room for, without /p2p/…."""
    outside = [each for each in addresses if reach_of(each) is not Reach.COMPUTER]
    places = (each.rpartition("/p2p/")[0] for each in outside or addresses)
    return tuple(places)[:INVITATION_ADDRESSES_MAX]


async def _read(stream: Stream) -> Message:
    data = None
    with trio.move_on_after(_MESSAGE_S):
        data = await read_frame(stream, MESSAGE_BYTES_MAX)
    if data is None:
        raise ResourceError("the other side went away")
    return pairing.decode(data)


async def _write(stream: Stream, message: Message) -> None:
    await write_frame(stream, pairing.encode(message))
