"""How others reach this node: found out by asking, and mended through a relay.

    each new link          who is there, what it speaks, from where it sees this node come
    a few peers            can you dial me back?            (AutoNAT)
    nobody could           two of them that help: may I be reached through you?   (relay)
    somebody came so       both dial each other at once     (punching.py)

What a peer says is a hint. One that lies can make this node announce an address of its own
host where nobody answers, or lean on a relay without need; it can make it dial nobody.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from commonfab.protocol.errors import CommonfabError, Malformed, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import (
    IDENTIFY_BYTES_MAX,
    MESSAGE_STALL_S_MAX,
    RELAY_ADDRESSES_MAX,
    RELAY_MESSAGE_BYTES_MAX,
)
from commonfab.protocol.links.reach_wire import (
    AUTONAT,
    IDENTIFY,
    DialAnswer,
    DialBack,
    DialStatus,
    Identity,
    decode_dial_answer,
    decode_dial_back,
    decode_identity,
    encode_dial_answer,
    encode_dial_back,
)
from commonfab.protocol.links.relay_wire import HOP
from commonfab.protocol.peer_id import peer_text

from .. import log
from ..finding.addresses import Reach, binary, reach_of, read_binary
from .frames import read_delimited, write_delimited
from .relaying import is_circuit, reserve
from .transport import Link, ReachState, Stream, Transport, opened

_ROUND_S = 30.0
_ASKED_AGAIN_S = 600.0
"""How long a peer's word on how this node is reached counts, and before it is asked again."""
_VOICES_WANTED = 3
RELAYS_WANTED = 2
_REFUSED_S = 60.0
"""A peer that did not help as a relay is asked again after so long, then twice as long…"""
_REFUSED_S_MAX = 3600.0
_HELPERS_ASKED_MAX = 4
"""Peers asked to be relays in one round."""
_DIALS_BACK_PER_MINUTE = 30
_DIALS_BACK_EACH_S = 20.0
"""A peer is dialled back no oftener."""
_DIALS_BACK_ADDRESSES = 4
_REMEMBERED_MAX = 1024


Told = Callable[[], None]
"""Called when the addresses of this node have changed."""


class Dialler(Transport, Protocol):
    """What reaching needs besides of a transport."""

    def listening(self) -> list[str]:
        """Return the multiaddrs, without /p2p/…, at which this node itself listens."""
        ...

    async def probe(self, address: str) -> bool:
        """Dial a full multiaddr, see whether the peer is there, and hang up."""
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """What one peer said of reaching this node."""

    is_reached: bool
    reach: Reach
    address: str
    said_at: float


@dataclass(slots=True)
class _Refusal:
    until: float
    wait_s: float


class Reaching:
    """One for each node that speaks libp2p."""

    def __init__(
        self, dialler: Dialler, *, may_use_relays: bool, announced: Sequence[str], told: Told
    ) -> None:
        self._dialler = dialler
        self._may_use_relays = may_use_relays
        self._announced = list(announced)
        self._told = told
        self._identities: dict[NodeId, Identity] = {}
        self._voices: dict[NodeId, Voice] = {}
        self._reservations: dict[NodeId, tuple[str, float]] = {}
        """For each relay: the address through it, and when to renew."""
        self._reserving: set[NodeId] = set()
        self._refusals: OrderedDict[NodeId, _Refusal] = OrderedDict()
        self._changed = trio.Event()
        self._dialled_back: OrderedDict[NodeId, float] = OrderedDict()
        self._dials_back: list[float] = []
        dialler.serve(AUTONAT, self._dial_back)

    # What others ask.

    @property
    def state(self) -> ReachState:
        """Tell how far this node is reached from as far away as anybody has said."""
        if not self._dialler.listening():
            return "hidden"
        return state_by(self._voices.values())

    @property
    def reach(self) -> Reach | None:
        """From how far away somebody has reached this node."""
        reached = (voice.reach for voice in self._voices.values() if voice.is_reached)
        return max(reached, default=None)

    def addresses(self) -> list[str]:
        """Return the addresses besides those where it listens: seen from outside, or a relay's."""
        own = set(self._dialler.listening())
        seen = [voice.address for voice in self._voices.values() if voice.is_reached]
        outside = [f"{a}/p2p/{peer_text(self._dialler.me)}" for a in seen if a and a not in own]
        return list(dict.fromkeys([*outside, *self.circuits()]))

    def circuits(self) -> list[str]:
        me = peer_text(self._dialler.me)
        return [f"{base}/p2p-circuit/p2p/{me}" for base, _ in self._reservations.values()]

    def relays(self) -> tuple[NodeId, ...]:
        return tuple(self._reservations)

    def relies_on(self, peer: NodeId) -> bool:
        """Tell whether a peer was asked to bring connections here."""
        return peer in self._reservations or peer in self._reserving

    def observed(self) -> list[str]:
        """Return where peers see this node come from: multiaddrs without /p2p/…."""
        seen = (read_binary(identity.observed) for identity in self._identities.values())
        return list(dict.fromkeys(a for a in seen if a and reach_of(a) is not None))

    def link_up(self, link: Link) -> None:
        self._changed.set()

    def link_down(self, peer: NodeId) -> None:
        self._identities.pop(peer, None)
        if self._reservations.pop(peer, None):
            self._told()
        self._changed.set()

    # What this node does by itself.

    async def run(self) -> None:
        """Look, ask and reserve until cancelled."""
        while True:
            self._changed = trio.Event()
            before = (self.state, self.addresses())
            links = [link for link in self._dialler.links() if not is_circuit(link.address)]
            async with trio.open_nursery() as nursery:
                for link in links:
                    if link.peer not in self._identities:
                        nursery.start_soon(self._identify, link.peer)
            self._forget_voices()
            await self._ask_to_be_dialled(links)
            if self.state == "hidden" and self._may_use_relays:
                await self._reserve(links)
            elif self.state == "open":
                self._reservations.clear()
            if before != (self.state, self.addresses()):
                log.info("reached", how=self.state, relays=len(self._reservations))
                self._told()
            with trio.move_on_after(_ROUND_S):
                await self._changed.wait()

    async def _identify(self, peer: NodeId) -> None:
        self._identities[peer] = Identity()
        try:
            data = await _asked(self._dialler, peer, IDENTIFY, b"", IDENTIFY_BYTES_MAX)
            self._identities[peer] = decode_identity(data)
        except CommonfabError as error:
            log.debug("not_identified", peer=peer_text(peer), why=str(error))

    def _forget_voices(self) -> None:
        oldest = trio.current_time() - 2 * _ASKED_AGAIN_S
        for peer in [peer for peer, voice in self._voices.items() if voice.said_at < oldest]:
            del self._voices[peer]

    async def _ask_to_be_dialled(self, links: list[Link]) -> None:
        """Ask those who are farthest away, as far as one knows."""
        if not self._dialler.listening():
            return
        reaches = {link.peer: reach_of(_place(link.address)) for link in links}
        widest = max((reach for reach in reaches.values() if reach is not None), default=None)
        now = trio.current_time()
        for peer, reach in reaches.items():
            fresh = [v for v in self._voices.values() if v.said_at > now - _ASKED_AGAIN_S]
            if sum(voice.reach == widest for voice in fresh) >= _VOICES_WANTED:
                return
            voice = self._voices.get(peer)
            is_due = voice is None or voice.said_at <= now - _ASKED_AGAIN_S
            identity = self._identities.get(peer)
            if reach is None or reach != widest or not is_due or identity is None:
                continue
            if AUTONAT in identity.protocols:
                await self._ask_one(peer, reach, identity)

    async def _ask_one(self, peer: NodeId, reach: Reach, identity: Identity) -> None:
        places = self._candidates(identity)
        asked = DialBack(self._dialler.me, tuple(binary(place) for place in places))
        try:
            data = await _asked(
                self._dialler, peer, AUTONAT, encode_dial_back(asked), RELAY_MESSAGE_BYTES_MAX
            )
            answer = decode_dial_answer(data)
        except CommonfabError as error:
            log.debug("not_dialled_back", peer=peer_text(peer), why=str(error))
            return
        if answer.status not in (DialStatus.OK, DialStatus.DIAL_ERROR):
            return
        is_reached = answer.status == DialStatus.OK
        place = read_binary(answer.address) or ""
        if place not in places:
            place = ""
        if len(self._voices) >= _REMEMBERED_MAX:
            self._voices.clear()
        self._voices[peer] = Voice(is_reached, reach, place, trio.current_time())

    def _candidates(self, identity: Identity) -> list[str]:
        """Return where this node might be reached: as announced, as it listens, as it is seen."""
        listening = self._dialler.listening()
        seen = read_binary(identity.observed)
        host = seen.rpartition("/tcp/")[0] if seen else ""
        behind_router = [
            f"{host}/tcp/{place.rpartition('/')[2]}"
            for place in listening
            if host and place.split("/")[1] == host.split("/")[1]
        ]
        places = [*self._announced, *listening, *behind_router, *([seen] if seen else [])]
        good = [place for place in dict.fromkeys(places) if reach_of(place) is not None]
        return good[:RELAY_ADDRESSES_MAX]

    async def _reserve(self, links: list[Link]) -> None:
        now = trio.current_time()
        asked = 0
        for link in links:
            held = self._reservations.get(link.peer)
            is_wanted = held is not None or len(self._reservations) < RELAYS_WANTED
            if not is_wanted or (held and held[1] > now) or not self._may_help(link, now):
                continue
            asked += 1
            if asked > _HELPERS_ASKED_MAX:
                return
            self._reserving.add(link.peer)
            try:
                seconds = await reserve(self._dialler, link.peer)
            except ResourceError as error:
                log.debug("relay_refused", peer=peer_text(link.peer), why=str(error))
                self._reservations.pop(link.peer, None)
                self._refused(link.peer, now)
            else:
                self._refusals.pop(link.peer, None)
                self._reservations[link.peer] = (link.address, now + seconds / 2)
            finally:
                self._reserving.discard(link.peer)

    def _may_help(self, link: Link, now: float) -> bool:
        refusal = self._refusals.get(link.peer)
        identity = self._identities.get(link.peer)
        return (
            not link.inbound  # Where it came from is not where others could dial it.
            and identity is not None
            and HOP in identity.protocols
            and (refusal is None or refusal.until <= now)
        )

    def _refused(self, relay: NodeId, now: float) -> None:
        before = self._refusals.get(relay)
        wait_s = _REFUSED_S if before is None else min(2 * before.wait_s, _REFUSED_S_MAX)
        self._refusals[relay] = _Refusal(now + wait_s, wait_s)
        if len(self._refusals) > _REMEMBERED_MAX:
            self._refusals.popitem(last=False)

    # What it does for others.

    async def _dial_back(self, stream: Stream) -> None:
        with trio.fail_after(MESSAGE_STALL_S_MAX):
            data = await read_delimited(stream, RELAY_MESSAGE_BYTES_MAX)
        message = decode_dial_back(data or b"")
        if message.peer != stream.peer:
            raise Malformed("somebody asks to have another dialled")
        answer = await self._try_to_reach(message)
        await write_delimited(stream, encode_dial_answer(answer))

    async def _try_to_reach(self, message: DialBack) -> DialAnswer:
        """Dial a peer at its own host, where it came from, and nowhere else."""
        link = next((each for each in self._dialler.links() if each.peer == message.peer), None)
        if link is None or is_circuit(link.address) or not self._may_dial_back(message.peer):
            return DialAnswer(DialStatus.DIAL_REFUSED, "not now")
        host = link.address.split("/")[2]
        places = [place for each in message.addresses if (place := read_binary(each))]
        own = [place for place in dict.fromkeys(places) if place.split("/")[2] == host]
        if not own:
            return DialAnswer(DialStatus.DIAL_REFUSED, f"none of these is at {host}")
        for place in own[:_DIALS_BACK_ADDRESSES]:
            if await self._dialler.probe(f"{place}/p2p/{peer_text(message.peer)}"):
                return DialAnswer(DialStatus.OK, "", binary(place))
        return DialAnswer(DialStatus.DIAL_ERROR, "nobody answers there")

    def _may_dial_back(self, peer: NodeId) -> bool:
        now = trio.current_time()
        self._dials_back = [at for at in self._dials_back if at > now - 60]
        if (
            now - self._dialled_back.get(peer, float("-inf")) < _DIALS_BACK_EACH_S
            or len(self._dials_back) >= _DIALS_BACK_PER_MINUTE
        ):
            return False
        self._dials_back.append(now)
        self._dialled_back[peer] = now
        self._dialled_back.move_to_end(peer)
        if len(self._dialled_back) > _REMEMBERED_MAX:
            self._dialled_back.popitem(last=False)
        return True


def state_by(voices: Collection[Voice]) -> ReachState:
    """Return what peers make of reaching this node: what most of the farthest ones say.

    Where they are as many, it is hidden: a liar may say that it could dial, and who takes a relay
    without need is still reached.
    """
    widest = max((voice.reach for voice in voices), default=None)
    heard = [voice.is_reached for voice in voices if voice.reach == widest]
    if not heard:
        return "unknown"
    return "open" if 2 * sum(heard) > len(heard) else "hidden"


async def _asked(
    transport: Transport, peer: NodeId, protocol: str, question: bytes, bytes_max: int
) -> bytes:
    """Return a peer's answer on a stream of its own; `CommonfabError` if there is none."""
    try:
        with trio.fail_after(3 * MESSAGE_STALL_S_MAX):
            async with opened(transport, peer, protocol) as stream:
                if question:
                    await write_delimited(stream, question)
                return await read_delimited(stream, bytes_max) or b""
    except trio.TooSlowError as error:
        raise ResourceError(f"{peer_text(peer)} does not answer") from error


def _place(address: str) -> str:
    return address.partition("/p2p/")[0]
