"""The block exchange: who wants what, from whom, and whom to serve, as one pure machine.

    event --Exchange.handle(event, now)--> effects, to be carried out in their order

One half gets blocks for this node's sessions (`fetching.py`), the other gives blocks
to peers (`serving.py`); this file passes each event to the half that it concerns. A
peer cannot make `handle` raise, whatever it sends. Which blocks link to which is not known
here: whoever runs a session says what it wants next. Rules: specs/exchange.md.
"""

from typing import assert_never

from ..ids import NodeId
from .bitswap_wire import Message
from .events import (
    Acquired,
    Connected,
    Effect,
    Event,
    Found,
    Garbled,
    Gone,
    Grow,
    Hearing,
    Join,
    Kept,
    Letters,
    Loaded,
    Received,
    Send,
    Sent,
    Start,
    Stop,
    Tick,
    WakeAt,
)
from .fetching import HELD_BYTES_MAX, Fetching
from .serving import Serving

BEAT_MS = 250
"""How often the machine looks at its deadlines while a session runs."""


class Exchange:
    """One node's part in exchanging blocks. The same calls give the same answers."""

    def __init__(self) -> None:
        self._fetching = Fetching()
        self._serving = Serving()
        self._wake_at: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that nothing more should be read from peers."""
        return self._fetching.held_bytes >= HELD_BYTES_MAX

    @property
    def counts(self) -> dict[str, int]:
        """What is remembered now, and what was thrown away since the start; for the log."""
        return {
            "wanted_blocks": self._fetching.wanted_count,
            "held_bytes": self._fetching.held_bytes,
            "remembered_wants": self._serving.wants_count,
            "unasked_blocks": self._fetching.unasked,
            "duplicate_blocks": self._fetching.duplicates,
            "refused_wants": self._serving.wants_refused,
        }

    def is_banned(self, peer: NodeId, now: int) -> bool:
        source = self._fetching.sources.find(peer)
        return source is not None and source.is_banned(now)

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Return what is to be done now that `event` has happened. `now` never goes back.

        Each `WakeAt` asks for one `Tick`, and none is asked for while one is to come.
        """
        letters = Letters()
        self._dispatch(event, now, letters)
        self._fetching.assign(now, letters)
        effects = letters.sealed()
        for effect in effects:
            if isinstance(effect, Send):
                self._serving.on_sending(effect.peer, effect.bytes_count)
        effects += self._serving.take_turns()
        if self._fetching.is_busy and self._wake_at is None:
            self._wake_at = now + BEAT_MS
            effects.append(WakeAt(self._wake_at))
        return effects

    def _dispatch(self, event: Event, now: int, letters: Letters) -> None:
        match event:
            case Connected(peer):
                self._connect(peer, now)
            case Gone(peer):
                self._fetching.on_gone(peer)
                self._serving.on_gone(peer)
            case Hearing(peer):
                self._connect(peer, now)
                self._fetching.sources[peer].hear(now)
            case Garbled(peer, reason):
                self._connect(peer, now)
                self._fetching.on_garbled(peer, reason, now, letters)
            case Received(peer, message):
                self._connect(peer, now)
                self._receive(peer, message, now, letters)
            case Start():
                self._fetching.start(event, now)
            case Grow(session, cids):
                self._fetching.grow(session, cids, now)
            case Join(session, peers, is_last):
                self._fetching.join(session, peers, now, is_last=is_last)
            case Kept(session, bytes_count):
                self._fetching.kept(session, bytes_count, now)
            case Stop(session):
                self._fetching.stop(session, letters)
            case Found(peer, asked, here):
                self._serving.on_found(peer, asked, here, letters)
            case Loaded(peer, asked, blocks, missing):
                self._serving.on_loaded(peer, asked, blocks, missing, letters)
            case Sent(peer, bytes_count):
                self._serving.on_sent(peer, bytes_count)
            case Acquired(cids):
                self._serving.on_acquired(cids, letters)
            case Tick():
                self._wake_at = None
                self._fetching.on_tick(now, letters)
            case _:
                assert_never(event)

    def _connect(self, peer: NodeId, now: int) -> None:
        if self._fetching.sources.arrive(peer):
            self._serving.on_connected(peer, now)
            self._fetching.look_again()

    def _receive(self, peer: NodeId, message: Message, now: int, letters: Letters) -> None:
        for block in message.blocks:
            self._fetching.on_block(peer, block, now, letters)
        for presence in message.presences:
            self._fetching.on_presence(peer, presence, now, letters)
        if message.wants or message.full:
            self._serving.on_wants(peer, message.wants, now, letters, full=message.full)
