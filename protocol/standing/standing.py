"""How far a node is believed, and why: from vouches, own experience, proofs and offences.

    me --vouch--> a --vouch--> b          depth two, and no further
    met --------> c --vouch--> d          met: paired with in person

Of several ways to a node the best counts, never their sum, so a crowd that vouches for itself
adds nothing. What one voucher gives away in all is bounded, and shrinks with what those it
vouched for did badly here: its Sybils share one bounded weight. A node to whom no way leads is
a stranger, and ranks below all who are known: by its work it rises only among strangers.
Pure: the same facts give the same standing, in whatever order they came. Rules:
specs/standing.md.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import exp2
from typing import Literal

from ..ids import NodeId
from ..peer_id import peer_text
from ..records import Record
from ..statements import Vouch

KNOWN_MIN = 0.5
"""A node to whom a way leads is known as long as its score is not below this."""
STRANGER = 0.25
"""The score of a node of whom nobody has said or seen anything."""
DOUBTED_MAX = 0.2
"""Below this score a node ranks below strangers."""
CROWD = 0.1
"""The score of a stranger in a crowd."""
STRANGERS_PER_SUBNET_MAX = 16
"""Strangers of one subnet that rank as strangers; those that come later are a crowd."""
MET_WEIGHT = 0.8
"""Of a node that was met by pairing, where this node has not vouched for it."""
SECOND_HAND = 0.5
"""Of a vouch by a node that this one only knows, in its own vouch's place."""
GIVEN_MAX = 4.0
"""What one voucher other than this node can give away in all; beyond it each gets less."""
WEIGHT_MIN = 0.05
"""A way with less weight leads nowhere: at most 80 nodes are known by one voucher's word."""
EXPERIENCE = 4.0
"""Jobs that a first impression counts for."""
BAD_COUNTS = 4.0
"""A job that went wrong counts for as many good ones."""
OFFENCES_HALVE = 10.0
"""Offences of this weight halve a score."""

Tier = Literal["own", "met", "vouched", "proven", "stranger", "doubted", "not believed"]
_UNKNOWN = ("nobody who is known here has said anything of it",)


@dataclass(frozen=True, slots=True)
class Experience:
    """What this node's own jobs at another came to, by receipts and by their absence."""

    good: int = 0
    """Made, with a receipt that both have signed."""
    bad: int = 0
    """Failed, or nothing was heard."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A score from 0 to 1, what it makes of the node, and why, in words."""

    score: float
    tier: Tier
    rank: int
    """0: known; 1: a stranger; 2: worse than a stranger. The lowest that can do a job gets it."""
    why: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.tier} {self.score:.2f}"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that standing is computed from."""

    me: NodeId
    met: Collection[NodeId] = ()
    vouches: Iterable[Record] = ()
    """That hold now: the newest of each author for each subject counts."""
    experience: Mapping[NodeId, Experience] = field(default_factory=dict[NodeId, Experience])
    offences: Mapping[NodeId, float] = field(default_factory=dict[NodeId, float])
    """What is left of each peer's (offences.py)."""
    subnets: Mapping[NodeId, str] = field(default_factory=dict[NodeId, str])
    """Of the nodes that say where they are reached; who was heard of first comes first."""
    banned: Mapping[NodeId, str] = field(default_factory=dict[NodeId, str])
    """Proven liars, revoked keys and denied authors, each with the reason."""


@dataclass(frozen=True, slots=True)
class _Way:
    weight: float
    why: str


class Standings:
    """The standing of every node, by one set of facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._given = _newest(facts.vouches)
        self._mine = self._given.get(facts.me, {})
        self._ways = self._find_ways()
        self._crowds = self._find_crowds()

    def of(self, node: NodeId) -> Standing:
        facts = self._facts
        banned = facts.banned.get(node)
        if banned is not None:
            return Standing(0.0, "not believed", 2, (banned,))
        if node == facts.me:
            # Who knows nobody treats its own machines and those of strangers alike.
            return Standing(1.0, "own", 0 if self._ways else 1, ("this node",))
        way = self._ways.get(node)
        seen = facts.experience.get(node, Experience())
        why = [way.why] if way else []
        first = KNOWN_MIN + (1.0 - KNOWN_MIN) * way.weight if way else STRANGER
        score = _after(first, seen)
        if node in self._crowds:
            score = min(score, CROWD)
            why.append(f"one of many strangers at {self._crowds[node]}")
        if seen.good or seen.bad:
            why.append(f"{seen.good} jobs made here, {seen.bad} gone wrong")
        offences = facts.offences.get(node, 0.0)
        if offences >= 0.5:
            score *= exp2(-offences / OFFENCES_HALVE)
            why.append(f"broke rules lately (weight {offences:.0f})")
        rank = 2 if score < DOUBTED_MAX else 0 if way and score >= KNOWN_MIN else 1
        return Standing(score, self._tier(node, rank, seen), rank, tuple(why) or _UNKNOWN)

    def _tier(self, node: NodeId, rank: int, seen: Experience) -> Tier:
        if rank == 0:
            return "met" if node in self._facts.met else "vouched"
        return "doubted" if rank == 2 else "proven" if seen.good else "stranger"

    def _find_ways(self) -> dict[NodeId, _Way]:
        roots = {node: _Way(MET_WEIGHT, "met by pairing") for node in self._facts.met}
        # This node's own word counts before the pairing, also where it says less.
        for subject, weight in self._mine.items():
            roots[subject] = _Way(weight, f"vouched for by this node ({weight:.2f})")
        roots = {node: way for node, way in roots.items() if self._counts(node, way.weight)}
        best: dict[NodeId, _Way] = {}
        for node in sorted(roots.keys() & set(self._facts.met)):
            _keep_best(best, self._from(node, roots[node].weight))
        for node, way in sorted({**best, **roots}.items(), key=lambda each: each[0]):
            _keep_best(best, self._from(node, way.weight * SECOND_HAND))
        return {**best, **roots}

    def _find_crowds(self) -> dict[NodeId, str]:
        facts = self._facts
        counts: Counter[str] = Counter()
        crowds: dict[NodeId, str] = {}
        for node, subnet in facts.subnets.items():
            if node in self._ways or facts.experience.get(node, Experience()).good:
                continue
            counts[subnet] += 1
            if counts[subnet] > STRANGERS_PER_SUBNET_MAX:
                crowds[node] = subnet
        return crowds

    def _from(self, voucher: NodeId, trust: float) -> dict[NodeId, _Way]:
        """Return whom a voucher's word leads to, but for those of whom this node has its own."""
        given = self._given.get(voucher, {})
        total = sum(given.values())
        if voucher in self._facts.banned or not total:
            return {}
        scale = trust * min(1.0, GIVEN_MAX / total) * self._word(given)
        text = peer_text(voucher)[-8:]
        return {
            subject: _Way(weight * scale, f"vouched for by …{text} ({weight:.2f})")
            for subject, weight in given.items()
            if subject not in self._mine and self._counts(subject, weight * scale)
        }

    def _word(self, given: Mapping[NodeId, float]) -> float:
        """Return what a voucher's word is worth, by what became of those it vouched for."""
        seen = [self._facts.experience.get(subject, Experience()) for subject in sorted(given)]
        return _after(1.0, Experience(sum(e.good for e in seen), sum(e.bad for e in seen)))

    def _counts(self, node: NodeId, weight: float) -> bool:
        facts = self._facts
        return weight >= WEIGHT_MIN and node != facts.me and node not in facts.banned


def _after(first: float, seen: Experience) -> float:
    """Return a score that begins at `first` and follows experience."""
    return (EXPERIENCE * first + seen.good) / (EXPERIENCE + seen.good + BAD_COUNTS * seen.bad)


def _newest(vouches: Iterable[Record]) -> dict[NodeId, dict[NodeId, float]]:
    """Return the weights by author and subject."""
    newest: dict[tuple[NodeId, NodeId], Vouch] = {}
    for record in vouches:
        body = record.body
        assert isinstance(body, Vouch)
        key = (record.author, NodeId(body.subject))
        if key not in newest or newest[key].seq < body.seq:
            newest[key] = body
    given: dict[NodeId, dict[NodeId, float]] = {}
    for (author, subject), body in sorted(newest.items()):
        given.setdefault(author, {})[subject] = body.weight_permille / 1000
    return given


def _keep_best(ways: dict[NodeId, _Way], more: Mapping[NodeId, _Way]) -> None:
    for node, way in more.items():
        if node not in ways or ways[node].weight < way.weight:
            ways[node] = way
