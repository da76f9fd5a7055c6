"""Passes records on: along a tree where it can, by asking where the tree is torn (Plumtree).

Each peer is eager or lazy for each topic. A record goes at once to the eager ones and as a short
id, a little later, to the lazy ones:

            new record from it                    Graft from it, or this node grafts it
    eager --------------------> eager      lazy ----------------------------------------> eager
            a record from it that is known, or Prune from it
    eager --------------------------------------------------> lazy

So the links that bring records twice fall away, and those that stay are a tree. Who has a record
offered and has not got it a moment later asks for it (Graft), the peer that offered it first
before the others: the link that is asked is part of the tree from then on. What nobody gives is
left to sync. The same tree serves all who publish.

A topic is one that the receiver of a record wants: the record's area, or else the world. Pure:
the caller brings the time, in milliseconds of any steady clock, and judges. Rules: specs/gossip.md.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from .. import envelope
from ..envelope import Envelope
from ..errors import Malformed
from ..ids import NodeId
from ..limits import KIB, MIB, MINUTE_MS, SECOND_MS
from .allowance import Allowances
from .areas import WORLD, WORLDWIDE, Topic
from .broadcast_events import (
    Arrived,
    Effect,
    Event,
    Hear,
    Judged,
    Learned,
    LinkDown,
    LinkUp,
    Offend,
    Repair,
    Send,
    Tick,
    WakeAt,
)
from .broadcast_wire import IDS_MAX, Graft, Have, Item, Prune, Push, Wants, shorten, size_of

OFFER_EVERY_MS = 100
"""Short ids for lazy peers wait so long, and go together."""
GRAFT_AFTER_MS = 600
"""From the first offer of a record until it is asked for, on average: the tree may be slower.
Chance spreads it by half, so that where the tree is torn one asks, and not all at once."""
GRAFT_AGAIN_MS = SECOND_MS
"""Until the next of those that offered it is asked."""
LATE_FACTOR = 4
"""A node that wakes up late gives the others so many times as long in addition: the whole machine
may be slow, and who then asks for what is on its way makes it slower."""
LATE_MS_MAX = 10 * SECOND_MS
"""Of what it woke up late itself, no more counts: a long halt is over when it is noticed."""
PRUNE_EVERY_MS = 250
"""One peer is pruned at a time: if all that share a loop cut it at once, it falls apart."""
PRUNES_MAX = 3
"""A peer that pushes on beyond so many is to blame: once, a Graft may have crossed a Prune."""
ASKS_MAX = 6
"""Times that one record is asked for, of one peer after the other; then sync is left to find it."""
EAGER_MAX = 12
"""Peers that are eager for a topic from the start; one that links later begins lazy."""
OFFERERS_MAX = 8
"""Peers that are remembered to have offered a record."""
SEEN_MAX = 32_768
SEEN_MS = 10 * MINUTE_MS
"""What was passed on is known again for so long; then only admission knows it."""
CACHE_BYTES_MAX = 4 * MIB
CACHE_MS = MINUTE_MS
"""A record is given to who asks for so long after it was passed on."""
MISSING_MAX = 4096
MISSING_PER_PEER_MAX = 512
"""Records that were offered and have not come."""
MISSING_RESERVED = 16
"""Of them each peer may have so many when a crowd has filled up the rest; twice `MISSING_MAX` in
all is the end."""
GIVEN_BYTES_PER_S = 256 * KIB
GIVEN_BYTES_BURST = 4 * MIB
"""Records that one peer gets for asking."""
WORLD_BYTES_PER_S = 8
WORLD_BYTES_BURST = 64 * KIB
"""What a node passes on of the world beyond its peers' areas; the rest is found by sync."""
BLAME_EVERY_MS = 10 * SECOND_MS
"""A peer that is only slow or broken is blamed no more often for what it does not keep to."""
WANTED_STILL_MS = MINUTE_MS
"""Peers may not have heard yet that a topic is wanted no more."""

Judge = Callable[[NodeId, Topic, Envelope], Judged]
"""Judges a record, given the peer that pushed it and the area that it named."""


@dataclass(slots=True)
class _Link:
    """What is known of a peer."""

    wants: frozenset[Topic] = frozenset()
    lazy: set[Topic] = field(default_factory=set[Topic])
    pruned: dict[Topic, tuple[int, int]] = field(default_factory=dict[Topic, tuple[int, int]])
    """How often in a row it was pruned though it is lazy, and when last."""
    offers: dict[Topic, list[bytes]] = field(default_factory=dict[Topic, list[bytes]])
    """Short ids that it is yet to be told."""
    owes: int = 0
    """Of the missing records, those that it offered first."""
    blamed_at: int = -BLAME_EVERY_MS

    def make_eager(self, topic: Topic) -> None:
        self.lazy.discard(topic)
        self.pruned.pop(topic, None)


@dataclass(slots=True)
class _Missing:
    """A record that was offered and has not come."""

    topic: Topic
    offerers: list[NodeId]
    first: NodeId
    asked: NodeId | None = None
    asks: int = 0


class Broadcast:
    """One node's part in it."""

    def __init__(self, judge: Judge, topics: frozenset[Topic], chance: Callable[[], float]) -> None:
        """`chance` returns a number from 0 to 1, another each time."""
        self._judge = judge
        self._chance = chance
        self._topics = topics
        self._left: dict[Topic, int] = {}
        """Topics that are wanted no more, and until when they may still come."""
        self._links: dict[NodeId, _Link] = {}
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self._cache: OrderedDict[bytes, tuple[Push, int]] = OrderedDict()
        self._cache_bytes = 0
        self._missing: dict[bytes, _Missing] = {}
        self._dues: list[tuple[int, bytes]] = []
        """A heap: when a missing record is asked for, or again."""
        self._offers_at: int | None = None
        self._prunes_at: dict[Topic, int] = {}
        """When the next peer may be pruned."""
        self._wake_at: int | None = None
        self._late_ms = 0
        """How late this node woke up lately; halved by each time that it was in time."""
        self._given = Allowances[NodeId](
            per_s=GIVEN_BYTES_PER_S, burst=GIVEN_BYTES_BURST, users_max=1024
        )
        self._world = Allowances[None](
            per_s=WORLD_BYTES_PER_S, burst=WORLD_BYTES_BURST, users_max=1
        )

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Return what must now be done, in order."""
        out: list[Effect] = []
        match event:
            case LinkUp(peer):
                self._links[peer] = _Link()
                out.append(Send(peer, self.wants()))
            case LinkDown(peer):
                self._links.pop(peer, None)
            case Arrived(peer, items):
                for item in items:
                    if peer in self._links:
                        self._take(peer, self._links[peer], item, now, out)
            case Learned(area, data):
                self._learn(area, envelope.parse(data), now, out)
            case Hear(topics):
                self._hear(topics, now, out)
            case Tick():
                self._note_lateness(now)
                self._wake_at = None
                self._offer(now, out)
                self._ask(now, out)
            case _:
                assert_never(event)
        self._wake(now, out)
        return out

    def eager_peers(self, topic: Topic) -> list[NodeId]:
        """Return those to whom a record of this topic goes at once."""
        return [peer for peer, link in self._links.items() if _is_eager(link, topic)]

    def wants(self) -> Wants:
        """Return what every stream to a peer begins with."""
        return Wants(tuple(sorted(self._topics)))

    @property
    def kept_bytes(self) -> int:
        """Return what the records take that are kept to be given to who asks."""
        return self._cache_bytes

    # What peers say.

    def _take(self, peer: NodeId, link: _Link, item: Item, now: int, out: list[Effect]) -> None:
        match item:
            case Wants(topics):
                self._note_wants(link, frozenset(map(Topic, topics)))
            case Push():
                self._take_push(peer, link, item, now, out)
            case Have(topic, ids):
                if self._is_wanted(Topic(topic), now):
                    self._note_offers(peer, link, Topic(topic), ids, now)
                else:
                    out.append(Offend(peer, "offers of a topic that nobody here wants"))
            case Graft(topic, ids):
                if topic in link.wants:
                    link.make_eager(Topic(topic))
                    self._give(peer, ids, now, out)
                else:
                    out.append(Offend(peer, "asks for a topic that it does not want"))
            case Prune(topic):
                link.lazy.add(Topic(topic))
                link.lazy &= link.wants | self._topics

    def _note_wants(self, link: _Link, wants: frozenset[Topic]) -> None:
        for topic in wants - link.wants:
            if len(self.eager_peers(topic)) >= EAGER_MAX:
                link.lazy.add(topic)
        link.wants = wants
        link.lazy &= wants | self._topics
        link.offers = {topic: ids for topic, ids in link.offers.items() if topic in wants}

    def _take_push(
        self, peer: NodeId, link: _Link, push: Push, now: int, out: list[Effect]
    ) -> None:
        try:
            sealed = envelope.parse(push.sealed)
        except Malformed as error:
            out.append(Offend(peer, str(error)))
            return
        area = Topic(push.area)
        topic = area if self._is_wanted(area, now) else WORLD
        if topic == WORLD and not (sealed.kind in WORLDWIDE and self._is_wanted(WORLD, now)):
            out.append(Offend(peer, f"a {sealed.kind} of an area that nobody here wants"))
            return
        short = shorten(sealed.id)
        if short in self._seen:
            self._prune(peer, link, topic, now, out)
            return
        judged = self._judge(peer, area, sealed)
        if judged.verdict == "reject":
            # Not marked as seen: whoever forged it could keep out the true one of that id.
            out.append(Offend(peer, judged.reason))
            return
        self._forget_missing(short)
        if judged.verdict == "ignore":
            self._note_seen(short, now)
            return
        link.make_eager(topic)
        self._pass_on(judged.area, sealed, now, out, but=peer)

    def _prune(self, peer: NodeId, link: _Link, topic: Topic, now: int, out: list[Effect]) -> None:
        """Ask a peer that pushed what is known to push no more of that topic."""
        times, last = link.pruned.get(topic, (0, now - GRAFT_AGAIN_MS))
        if topic in link.lazy:
            if now < last + GRAFT_AGAIN_MS:
                return  # It was on its way.
            if times > PRUNES_MAX:
                self._blame(peer, link, "pushes though it was pruned", now, out)
        elif now < self._prunes_at.get(topic, now):
            return
        self._prunes_at[topic] = now + int(PRUNE_EVERY_MS * (0.5 + self._chance()))
        link.lazy.add(topic)
        link.pruned[topic] = times + 1, now
        out.append(Send(peer, Prune(topic)))

    def _note_offers(
        self, peer: NodeId, link: _Link, topic: Topic, ids: tuple[bytes, ...], now: int
    ) -> None:
        for short in ids:
            if short in self._seen:
                continue
            missing = self._missing.get(short)
            if missing is not None:
                if peer not in missing.offerers and len(missing.offerers) < OFFERERS_MAX:
                    missing.offerers.append(peer)
            elif self._has_room(link):
                link.owes += 1
                self._missing[short] = _Missing(topic, [peer], peer)
                wait_ms = int(self._patience(GRAFT_AFTER_MS) * (0.5 + self._chance()))
                heapq.heappush(self._dues, (now + wait_ms, short))

    def _has_room(self, link: _Link) -> bool:
        """Tell whether one more record that a peer offers is remembered as missing."""
        if len(self._missing) < MISSING_MAX:
            return link.owes < MISSING_PER_PEER_MAX
        return link.owes < MISSING_RESERVED and len(self._missing) < 2 * MISSING_MAX

    def _give(self, peer: NodeId, ids: tuple[bytes, ...], now: int, out: list[Effect]) -> None:
        for short in dict.fromkeys(ids):
            found = self._cache.get(short)
            if found is not None and self._given.take(peer, size_of(found[0]), now):
                out.append(Send(peer, found[0]))

    # What this node says.

    def _learn(self, area: Topic, sealed: Envelope, now: int, out: list[Effect]) -> None:
        short = shorten(sealed.id)
        if short not in self._seen:
            self._forget_missing(short)
            self._pass_on(area, sealed, now, out)

    def _pass_on(
        self,
        area: Topic,
        sealed: Envelope,
        now: int,
        out: list[Effect],
        but: NodeId | None = None,
    ) -> None:
        push, short = Push(area, sealed.data), shorten(sealed.id)
        self._note_seen(short, now)
        self._keep(short, push, now)
        to = [
            (peer, link, topic)
            for peer, link in self._links.items()
            if peer != but and (topic := _topic_for(link, area, sealed.kind)) is not None
        ]
        if any(topic == WORLD for *_, topic in to):
            cost = min(size_of(push), WORLD_BYTES_BURST)
            if not self._world.take(None, cost, now):
                to = [each for each in to if each[2] != WORLD]
        for peer, link, topic in to:
            if topic in link.lazy:
                self._offer_later(link, topic, short, now)
            else:
                out.append(Send(peer, push))

    def _offer_later(self, link: _Link, topic: Topic, short: bytes, now: int) -> None:
        offers = link.offers.setdefault(topic, [])
        if len(offers) < IDS_MAX:
            offers.append(short)
        if self._offers_at is None:
            self._offers_at = now + OFFER_EVERY_MS

    def _offer(self, now: int, out: list[Effect]) -> None:
        if self._offers_at is None or now < self._offers_at:
            return
        self._offers_at = None
        for peer, link in self._links.items():
            for topic, ids in link.offers.items():
                out.append(Send(peer, Have(topic, tuple(ids))))
            link.offers.clear()

    def _ask(self, now: int, out: list[Effect]) -> None:
        """Ask for the records that were offered and have not come in time."""
        asked: dict[tuple[NodeId, Topic], list[bytes]] = {}
        repaired: dict[NodeId, None] = {}
        while self._dues and self._dues[0][0] <= now:
            _, short = heapq.heappop(self._dues)
            missing = self._missing.get(short)
            if missing is None:
                continue
            before = missing.asked
            if before is not None and before in self._links:
                self._blame(before, self._links[before], "keeps what it offered", now, out)
            missing.asked = self._next_offerer(missing)
            if missing.asked is None:
                self._forget_missing(short)
                if before is not None and before in self._links:
                    repaired[before] = None
                continue
            asked.setdefault((missing.asked, missing.topic), []).append(short)
            heapq.heappush(self._dues, (now + self._patience(GRAFT_AGAIN_MS), short))
        for (peer, topic), ids in asked.items():
            self._links[peer].make_eager(topic)
            for start in range(0, len(ids), IDS_MAX):
                out.append(Send(peer, Graft(topic, tuple(ids[start : start + IDS_MAX]))))
        out.extend(map(Repair, repaired))

    def _next_offerer(self, missing: _Missing) -> NodeId | None:
        missing.offerers = [peer for peer in missing.offerers if peer in self._links]
        if not missing.offerers or missing.asks == ASKS_MAX:
            return None
        peer = missing.offerers.pop(0)
        missing.offerers.append(peer)
        missing.asks += 1
        return peer

    def _hear(self, topics: frozenset[Topic], now: int, out: list[Effect]) -> None:
        for topic in self._topics - topics:
            self._left[topic] = now + WANTED_STILL_MS
        self._left = {t: until for t, until in self._left.items() if until > now}
        self._topics = topics
        out.extend(Send(peer, self.wants()) for peer in self._links)

    # What is remembered.

    def _is_wanted(self, topic: Topic, now: int) -> bool:
        return topic in self._topics or self._left.get(topic, now) > now

    def _blame(self, peer: NodeId, link: _Link, why: str, now: int, out: list[Effect]) -> None:
        if now >= link.blamed_at + BLAME_EVERY_MS:
            link.blamed_at = now
            out.append(Offend(peer, why))

    def _forget_missing(self, short: bytes) -> None:
        missing = self._missing.pop(short, None)
        if missing is not None and missing.first in self._links:
            link = self._links[missing.first]
            link.owes = max(0, link.owes - 1)

    def _note_seen(self, short: bytes, now: int) -> None:
        self._seen[short] = now
        while len(self._seen) > SEEN_MAX or next(iter(self._seen.values())) < now - SEEN_MS:
            self._seen.popitem(last=False)

    def _keep(self, short: bytes, push: Push, now: int) -> None:
        self._cache[short] = (push, now)
        self._cache_bytes += len(push.sealed)
        while self._cache_bytes > CACHE_BYTES_MAX or _oldest(self._cache) < now - CACHE_MS:
            _, (old, _) = self._cache.popitem(last=False)
            self._cache_bytes -= len(old.sealed)

    def _note_lateness(self, now: int) -> None:
        if self._wake_at is not None:
            self._late_ms = min(max(now - self._wake_at, self._late_ms // 2), LATE_MS_MAX)

    def _patience(self, wait_ms: int) -> int:
        return wait_ms + LATE_FACTOR * self._late_ms

    def _wake(self, now: int, out: list[Effect]) -> None:
        while self._dues and self._dues[0][1] not in self._missing:
            heapq.heappop(self._dues)  # It came in time: nobody need wake up for it.
        dues = [at for at in (self._offers_at, self._dues[0][0] if self._dues else None) if at]
        if dues and (self._wake_at is None or min(dues) < self._wake_at):
            self._wake_at = max(now + 1, min(dues))
            out.append(WakeAt(self._wake_at))


def _is_eager(link: _Link, topic: Topic) -> bool:
    return topic in link.wants and topic not in link.lazy


def _topic_for(link: _Link, area: Topic, kind: str) -> Topic | None:
    """Return the topic by which a peer hears of a record, or None if it does not."""
    if area in link.wants:
        return area
    return WORLD if kind in WORLDWIDE and WORLD in link.wants else None


def _oldest(cache: OrderedDict[bytes, tuple[Push, int]]) -> int:
    return next(iter(cache.values()))[1]
