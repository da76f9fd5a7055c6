"""Who wants what, from whom: the half of the block exchange that gets blocks for sessions.

                 +------- "have not", silence, gone -------+
                 v                                         |
    backlog --> ready --want-block to one peer----------> asked --> delivered
                 |            ^
                 |            | "have"
                 +--want-have to several: nobody is likely to have it

A session has peers that may hold its blocks. Those that had one are asked for the next ones
straight away; the others are asked "have you?" only when no such peer is left. A block is
asked of one peer at a time. How much is asked of a peer at once follows how fast it answers:
about a second's worth. A peer from which nothing comes rests, and its wants go elsewhere.
Rules: specs/exchange.md.
"""

from collections import deque
from collections.abc import Iterable

from ..ids import NodeId
from ..limits import MIB
from .bitswap_wire import Block, Presence, Want, WantKind
from .events import Blame, Deliver, Failed, Letters, Seek, SessionId, Start
from .sessions import Quest, Session, situation
from .sources import Source, Sources

ACTIVE_MAX = 256
"""Blocks of one session that are being got at a time."""
QUERIES_MAX = 8
"""Peers that are asked at the same time whether they have a block."""
SEEK_MS = 3000
"""An open session in which nothing arrives for so long looks for more peers."""
SLOW_MS = 2000
SLOW_FACTOR = 4
"""A want so old, and so many times older than another peer's usual answer, is moved to that."""
HELD_BYTES_MAX = 32 * MIB
"""Delivered but not yet on disk: beyond this, nothing more is asked or read."""


class Fetching:
    """Asks for the blocks of all sessions, and takes only what was asked for."""

    def __init__(self) -> None:
        self.duplicates = 0
        self.unasked = 0
        self.sources = Sources()
        self._sessions: dict[SessionId, Session] = {}
        self._quests: dict[bytes, Quest] = {}

    @property
    def held_bytes(self) -> int:
        """How many delivered bytes are not on disk yet."""
        return sum(session.held_bytes for session in self._sessions.values())

    @property
    def wanted_count(self) -> int:
        """How many blocks are being got."""
        return len(self._quests)

    @property
    def is_busy(self) -> bool:
        return bool(self._sessions)

    # Sessions.

    def start(self, start: Start, now: int) -> None:
        assert start.session not in self._sessions
        peers = dict.fromkeys(start.peers)
        self._sessions[start.session] = Session(
            peers, start.idle_ms, now, deque(start.cids), is_open=start.is_open
        )

    def grow(self, session_id: SessionId, cids: tuple[bytes, ...], now: int) -> None:
        if session := self._sessions.get(session_id):
            session.backlog.extendleft(reversed(cids))
            session.progress_at = now

    def join(
        self, session_id: SessionId, peers: tuple[NodeId, ...], now: int, *, is_last: bool
    ) -> None:
        if session := self._sessions.get(session_id):
            session.peers.update(dict.fromkeys(peers))
            session.is_seeking = False
            session.is_open = not is_last
            if peers:
                session.progress_at = now
            self.look_again()

    def kept(self, session_id: SessionId, bytes_count: int, now: int) -> None:
        if session := self._sessions.get(session_id):
            session.held_bytes -= bytes_count
            assert session.held_bytes >= 0
            session.progress_at = now

    def stop(self, session_id: SessionId, letters: Letters) -> None:
        session = self._sessions.pop(session_id, None)
        for cid in session.quests if session else ():
            quest = self._quests[cid]
            del quest.sessions[session_id]
            if not quest.sessions:
                self._call_off(cid, quest, letters)
                del self._quests[cid]

    # What peers do.

    def on_gone(self, peer: NodeId) -> None:
        for cid in self.sources.leave(peer):
            self._unask(cid, peer)

    def on_presence(self, peer: NodeId, presence: Presence, now: int, letters: Letters) -> None:
        source = self.sources[peer]
        cid = presence.cid
        if not source.asked_for(cid):
            return
        quest = self._quests.get(cid)
        was_queried = source.answer_have(cid, now) if presence.has else source.answer_no(cid, now)
        if quest is None:
            self._close_inquiry(peer, presence, letters, is_first=was_queried)
        elif presence.has:
            quest.queried.pop(peer, None)
            quest.lacking.pop(peer, None)
            if peer not in quest.holders:
                quest.holders[peer] = None
                self._credit(peer, quest)
                self._make_ready(cid, quest)
        else:
            quest.lacking[peer] = None
            quest.holders.pop(peer, None)
            for session_id in quest.sessions:
                self._sessions[session_id].debit(peer)
            self._unask(cid, peer)

    def _close_inquiry(
        self, peer: NodeId, presence: Presence, letters: Letters, *, is_first: bool
    ) -> None:
        """Take an answer about a block that has come from elsewhere."""
        if is_first:  # Or the peer would remember the want, and answer it again one day.
            letters.ask(peer, Want(presence.cid, cancel=True))
        for session in self._sessions.values():
            if session.inquired(presence.cid):
                if presence.has:
                    session.credit(peer)
                else:
                    session.debit(peer)

    def on_block(self, peer: NodeId, block: Block, now: int, letters: Letters) -> None:
        source = self.sources[peer]
        if not source.asked_for(block.cid):
            self._refuse(peer, source, block, now, letters)
            return
        source.answer_block(block.cid, now)
        quest = self._quests.pop(block.cid, None)
        if quest is None:
            self.duplicates += 1
            return
        quest.queried.pop(peer, None)
        if quest.source not in (None, peer):
            self._take_back(block.cid, quest.source, letters)
        self._credit(peer, quest)
        for session_id in quest.sessions:
            session = self._sessions[session_id]
            if quest.queried:
                session.note_inquiry(block.cid)
            del session.quests[block.cid]
            session.ready.pop(block.cid, None)
            session.held_bytes += len(block.data)
            session.progress_at = now
            letters.effects.append(Deliver(session_id, block))

    def _refuse(
        self, peer: NodeId, source: Source, block: Block, now: int, letters: Letters
    ) -> None:
        """Nobody asked for it: a push, or, while we wait for something, a wrong answer."""
        self.unasked += 1
        reason = f"sent a block that was not asked for, {block.cid.hex()}"
        is_wrong = source.is_waited_for
        if is_wrong:
            reason += ", in answer to a want: its bytes are wrong"
        self._punish(peer, source, reason, now, letters, is_wrong=is_wrong)

    def on_garbled(self, peer: NodeId, reason: str, now: int, letters: Letters) -> None:
        """Take a message that cannot be read for the answer that is waited for."""
        source = self.sources[peer]
        if source.is_waited_for:
            self._punish(peer, source, reason, now, letters, is_wrong=True)

    def _punish(
        self,
        peer: NodeId,
        source: Source,
        reason: str,
        now: int,
        letters: Letters,
        *,
        is_wrong: bool,
    ) -> None:
        if is_wrong:
            self._move_away(peer, source.stall(now), letters)
        if source.offend(now, is_wrong=is_wrong):
            letters.effects.append(Blame(peer, reason))

    # Time.

    def look_again(self) -> None:
        """Consider every want that nobody is asked for, since something may have changed."""
        for session in self._sessions.values():
            for cid in session.quests:
                if self._quests[cid].source is None:
                    session.ready[cid] = None

    def on_tick(self, now: int, letters: Letters) -> None:
        if self.held_bytes >= HELD_BYTES_MAX:
            self.sources.excuse_all(now)
        for peer, source in self.sources.stalled(now):
            self._move_away(peer, source.stall(now), letters)
        self.look_again()
        for session_id, session in list(self._sessions.items()):
            self._move_slow(session, now, letters)
            is_waiting = bool(session.quests or session.backlog) and not session.held_bytes
            if is_waiting and now - session.progress_at >= SEEK_MS:
                _seek(session_id, session, letters)
            if is_waiting and now - session.progress_at >= session.idle_ms:
                cid = next(iter(session.quests or session.backlog))
                silence = f"nothing came for {session.idle_ms / 1000:g} s; "
                self._fail(session_id, cid, silence, now, letters)

    def assign(self, now: int, letters: Letters) -> None:
        """Ask for whatever can be asked for now, the sessions one after the other in turn."""
        for session_id in list(self._sessions):
            session = self._sessions.pop(session_id)
            self._sessions[session_id] = session
            self._fill(session_id, session)
            stuck = self._ask_ready(session, now, letters)
            if stuck is not None and session.is_open:
                _seek(session_id, session, letters)
            elif stuck is not None:
                self._fail(session_id, stuck, "", now, letters)

    # Asking.

    def _fill(self, session_id: SessionId, session: Session) -> None:
        while session.backlog and len(session.quests) < ACTIVE_MAX:
            cid = session.backlog.popleft()
            quest = self._quests.setdefault(cid, Quest())
            quest.sessions[session_id] = None
            session.quests[cid] = None
            if quest.source is None:
                session.ready[cid] = None

    def _ask_ready(self, session: Session, now: int, letters: Letters) -> bytes | None:
        """Ask what is ready of whom has room. Return a block that no peer has, if there is one."""
        stuck: bytes | None = None
        if self.held_bytes >= HELD_BYTES_MAX:
            return None
        usable = self._usable(session, now)
        banned = self.sources.banned(session.peers, now)
        for cid in list(session.ready):
            quest = self._quests[cid]
            if quest.source is not None:
                del session.ready[cid]
                continue
            if session.is_hopeless(quest, banned):
                if not session.is_open:
                    return cid
                stuck = stuck or cid
                del session.ready[cid]
                continue
            likely = [pair for pair in usable if session.is_likely(pair[0], quest)]
            if not likely:
                del session.ready[cid]
                self._query(cid, quest, usable, now, letters)
                continue
            peer, source = min(likely, key=lambda pair: (pair[1].stalls, pair[1].load))
            if source.has_room:
                del session.ready[cid]
                self._ask(cid, quest, peer, source, now, letters)
                self._query(cid, quest, self._idle_strangers(session, usable), now, letters)
            elif not any(each.has_room for _, each in usable):
                return stuck
        return stuck

    def _idle_strangers(
        self, session: Session, usable: list[tuple[NodeId, Source]]
    ) -> list[tuple[NodeId, Source]]:
        """Return peers that could share the work, if only it were known what they have."""
        return [
            (peer, source)
            for peer, source in usable
            if session.is_stranger(peer) and not source.is_waited_for
        ]

    def _usable(self, session: Session, now: int) -> list[tuple[NodeId, Source]]:
        return [
            (peer, source)
            for peer in session.peers
            if (source := self.sources.find(peer)) is not None and source.is_usable(now)
        ]

    def _ask(
        self,
        cid: bytes,
        quest: Quest,
        peer: NodeId,
        source: Source,
        now: int,
        letters: Letters,
    ) -> None:
        quest.source = peer
        quest.queried.pop(peer, None)
        source.ask(cid, now)
        letters.ask(peer, Want(cid, WantKind.BLOCK, send_dont_have=True))

    def _query(
        self,
        cid: bytes,
        quest: Quest,
        usable: list[tuple[NodeId, Source]],
        now: int,
        letters: Letters,
    ) -> None:
        for peer, source in usable:
            if len(quest.queried) >= QUERIES_MAX:
                return
            known = peer in quest.queried or peer in quest.lacking
            if not known and source.may_query:
                quest.queried[peer] = None
                source.query(cid, now)
                letters.ask(peer, Want(cid, WantKind.HAVE, send_dont_have=True))

    def _move_slow(self, session: Session, now: int, letters: Letters) -> None:
        """At the end of the work, let a fast peer do what a slow one has not done."""
        if session.ready or session.backlog:
            return
        usable = self._usable(session, now)
        for cid in session.quests:
            quest = self._quests[cid]
            if quest.source is None or quest.was_moved:
                continue
            age_ms = now - self.sources[quest.source].asked_at(cid)
            if age_ms < SLOW_MS:
                continue
            for peer, source in usable:
                is_faster = 0 < source.latency_ms * SLOW_FACTOR < age_ms
                is_able = source.has_room and session.is_likely(peer, quest)
                if peer != quest.source and is_faster and is_able:
                    quest.was_moved = True
                    self._take_back(cid, quest.source, letters)
                    self._ask(cid, quest, peer, source, now, letters)
                    break

    def _call_off(self, cid: bytes, quest: Quest, letters: Letters) -> None:
        """Take the want back from everybody who was asked and has not answered."""
        asked = dict(quest.queried)
        if quest.source is not None:
            asked[quest.source] = None
        for peer in asked:
            self._take_back(cid, peer, letters)

    def _take_back(self, cid: bytes, peer: NodeId, letters: Letters) -> None:
        self.sources[peer].settle(cid)
        letters.ask(peer, Want(cid, cancel=True))

    def _move_away(self, peer: NodeId, cids: Iterable[bytes], letters: Letters) -> None:
        for cid in cids:
            letters.ask(peer, Want(cid, cancel=True))
            self._unask(cid, peer)

    def _unask(self, cid: bytes, peer: NodeId) -> None:
        """The peer is not asked for the block any more; somebody else may be."""
        if quest := self._quests.get(cid):
            quest.queried.pop(peer, None)
            if quest.source == peer:
                quest.source = None
            self._make_ready(cid, quest)

    def _make_ready(self, cid: bytes, quest: Quest) -> None:
        if quest.source is None:
            for session_id in quest.sessions:
                self._sessions[session_id].ready[cid] = None

    def _credit(self, peer: NodeId, quest: Quest) -> None:
        for session_id in quest.sessions:
            self._sessions[session_id].credit(peer)

    def _fail(
        self, session_id: SessionId, cid: bytes, silence: str, now: int, letters: Letters
    ) -> None:
        session = self._sessions[session_id]
        quest = self._quests.get(cid) or Quest()
        why = silence + situation(session, quest, self.sources, now)
        self.stop(session_id, letters)
        letters.effects.append(Failed(session_id, cid, why))


def _seek(session_id: SessionId, session: Session, letters: Letters) -> None:
    if session.is_open and not session.is_seeking:
        session.is_seeking = True
        letters.effects.append(Seek(session_id))
