"""Whom to serve: the half of the block exchange that answers other peers' wants.

    asked --Find--> "have" / "have not"
    asked --Load--> the block, or "have not" --Acquired--> asked again

Each peer has its own list of wants, its own bound on what is on the way to it, and its turn in
a ring: a peer that asks for much, or reads slowly, waits for itself and for nobody else.
Rules: specs/exchange.md.
"""

from collections import deque
from dataclasses import dataclass, field

from ..ids import NodeId
from ..limits import BITSWAP_WANTS_MAX, MIB
from .bitswap_wire import Block, Presence, Want, WantKind
from .events import Effect, Find, Letters, Load, Rest

TURN_BYTES = 2 * MIB
"""What is read for one peer before the next has its turn; one more block may exceed it."""
TURN_BLOCKS_MAX = 64
OUTBOUND_BYTES_MAX = 8 * MIB
"""A peer that has so much on the way to it gets no further turn."""
OUTBOUND_BYTES_MAX_ALL = 64 * MIB
"""The same for all peers together; a peer with nothing on the way has its turn all the same."""
LOADS_MAX = 8
"""Readings from disk at the same time."""
LOADS_PER_PEER_MAX = 2
WANTS_PER_SECOND = 8192
"""Lines of wantlists that one peer may send; a fetch of small blocks needs about 5,000."""
WANTS_BURST = 16384


@dataclass(slots=True)
class _Customer:
    wants: dict[bytes, Want] = field(default_factory=dict[bytes, Want])
    """All that is remembered. Each is also in exactly one of the five below."""
    blocks: dict[bytes, None] = field(default_factory=dict[bytes, None])
    loading: dict[bytes, None] = field(default_factory=dict[bytes, None])
    questions: dict[bytes, None] = field(default_factory=dict[bytes, None])
    finding: dict[bytes, None] = field(default_factory=dict[bytes, None])
    waiting: dict[bytes, None] = field(default_factory=dict[bytes, None])
    """Not here; answered as soon as it is."""
    in_ring: bool = False
    is_finding: bool = False
    loads: int = 0
    outbound_bytes: int = 0
    allowance: float = WANTS_BURST
    allowance_at: int = 0

    def forget(self, cid: bytes) -> None:
        del self.wants[cid]
        for place in (self.blocks, self.loading, self.questions, self.finding, self.waiting):
            place.pop(cid, None)


class Serving:
    """Answers wants, in turn, from blocks that somebody else reads."""

    def __init__(self) -> None:
        self.wants_refused = 0
        self._customers: dict[NodeId, _Customer] = {}
        self._waiting: dict[bytes, dict[NodeId, None]] = {}
        self._ring: deque[NodeId] = deque()
        self._loads = 0
        self._outbound_bytes = 0

    @property
    def wants_count(self) -> int:
        """How many wants of all peers are remembered."""
        return sum(len(customer.wants) for customer in self._customers.values())

    def on_connected(self, peer: NodeId, now: int) -> None:
        self._customers.setdefault(peer, _Customer(allowance_at=now))

    def on_gone(self, peer: NodeId) -> None:
        if customer := self._customers.pop(peer, None):
            for cid in customer.waiting:
                self._stop_waiting(peer, cid)
            self._loads -= customer.loads
            self._outbound_bytes -= customer.outbound_bytes
            if customer.in_ring:
                self._ring.remove(peer)

    def on_wants(
        self, peer: NodeId, wants: tuple[Want, ...], now: int, letters: Letters, *, full: bool
    ) -> None:
        customer = self._customers[peer]
        if full:
            for cid in list(customer.wants):
                self._drop(peer, customer, cid)
        is_stuck = customer.outbound_bytes >= 2 * OUTBOUND_BYTES_MAX
        for want in wants:
            if want.cancel:
                self._drop(peer, customer, want.cid)
            elif is_stuck:
                self.wants_refused += 1
            else:
                self._remember(peer, customer, want, letters)
        self._pay(peer, customer, len(wants), now, letters)
        self._work(peer, customer, letters)

    def on_found(
        self, peer: NodeId, asked: tuple[bytes, ...], here: tuple[bytes, ...], letters: Letters
    ) -> None:
        customer = self._customers.get(peer)
        if customer is None:
            return
        customer.is_finding = False
        present = frozenset(here)
        for cid in asked:
            if cid not in customer.finding:
                continue
            if cid in present:
                customer.forget(cid)
                letters.answer(peer, Presence(cid, has=True))
            else:
                self._lack(peer, customer, cid, letters)
        customer.questions = customer.finding | customer.questions
        customer.finding = {}
        self._work(peer, customer, letters)

    def on_loaded(
        self,
        peer: NodeId,
        asked: tuple[bytes, ...],
        blocks: tuple[Block, ...],
        missing: tuple[bytes, ...],
        letters: Letters,
    ) -> None:
        customer = self._customers.get(peer)
        if customer is None:
            return
        if customer.loads:  # None are out if the peer has left and come back since.
            customer.loads -= 1
            self._loads -= 1
        wanted = [block for block in blocks if block.cid in customer.loading]
        letters.give(peer, wanted)
        for block in wanted:
            customer.forget(block.cid)
        for cid in missing:
            if cid in customer.loading:
                self._lack(peer, customer, cid, letters)
        unread = {cid: None for cid in asked if cid in customer.loading}
        for cid in unread:
            del customer.loading[cid]
        customer.blocks = unread | customer.blocks
        self._work(peer, customer, letters)

    def on_sending(self, peer: NodeId, bytes_count: int) -> None:
        if customer := self._customers.get(peer):
            customer.outbound_bytes += bytes_count
            self._outbound_bytes += bytes_count

    def on_sent(self, peer: NodeId, bytes_count: int) -> None:
        if customer := self._customers.get(peer):
            freed = min(bytes_count, customer.outbound_bytes)
            customer.outbound_bytes -= freed
            self._outbound_bytes -= freed

    def on_acquired(self, cids: tuple[bytes, ...], letters: Letters) -> None:
        for cid in cids:
            for peer in self._waiting.pop(cid, {}):
                customer = self._customers[peer]
                del customer.waiting[cid]
                self._place(customer, customer.wants[cid])
                self._work(peer, customer, letters)

    def _remember(self, peer: NodeId, customer: _Customer, want: Want, letters: Letters) -> None:
        known = customer.wants.get(want.cid)
        if known and want.cid not in customer.waiting and known.kind <= want.kind:
            return
        if known:
            self._drop(peer, customer, want.cid)
        elif len(customer.wants) >= BITSWAP_WANTS_MAX:
            if not customer.waiting:
                self.wants_refused += 1
                if want.send_dont_have:
                    letters.answer(peer, Presence(want.cid, has=False))
                return
            self._drop(peer, customer, next(iter(customer.waiting)))
        customer.wants[want.cid] = want
        self._place(customer, want)

    def _place(self, customer: _Customer, want: Want) -> None:
        place = customer.blocks if want.kind is WantKind.BLOCK else customer.questions
        place[want.cid] = None

    def _drop(self, peer: NodeId, customer: _Customer, cid: bytes) -> None:
        if cid in customer.wants:
            if cid in customer.waiting:
                self._stop_waiting(peer, cid)
            customer.forget(cid)

    def _lack(self, peer: NodeId, customer: _Customer, cid: bytes, letters: Letters) -> None:
        customer.loading.pop(cid, None)
        customer.finding.pop(cid, None)
        customer.waiting[cid] = None
        self._waiting.setdefault(cid, {})[peer] = None
        if customer.wants[cid].send_dont_have:
            letters.answer(peer, Presence(cid, has=False))

    def _stop_waiting(self, peer: NodeId, cid: bytes) -> None:
        peers = self._waiting[cid]
        del peers[peer]
        if not peers:
            del self._waiting[cid]

    def _pay(
        self, peer: NodeId, customer: _Customer, count: int, now: int, letters: Letters
    ) -> None:
        earned = (now - customer.allowance_at) * WANTS_PER_SECOND / 1000
        customer.allowance = min(WANTS_BURST, customer.allowance + earned) - count
        customer.allowance_at = now
        if customer.allowance < 0:
            wait_ms = -customer.allowance * 1000 / WANTS_PER_SECOND
            letters.effects.append(Rest(peer, now + int(wait_ms) + 1))

    def _work(self, peer: NodeId, customer: _Customer, letters: Letters) -> None:
        if customer.questions and not customer.is_finding:
            customer.is_finding = True
            customer.finding, customer.questions = customer.questions, {}
            letters.effects.append(Find(peer, tuple(customer.finding)))
        if customer.blocks and not customer.in_ring:
            customer.in_ring = True
            self._ring.append(peer)

    def take_turns(self) -> list[Effect]:
        """Go round the ring until a whole round has found nothing that may be read.

        Called once at the end of each step, when all that is on its way is known.
        """
        loads: list[Effect] = []
        idle_turns = 0
        while self._ring and idle_turns < len(self._ring) and self._loads < LOADS_MAX:
            peer = self._ring.popleft()
            customer = self._customers[peer]
            if not customer.blocks:
                customer.in_ring = False
                continue
            self._ring.append(peer)
            if self._may_load(customer):
                loads.append(self._load(peer, customer))
                idle_turns = 0
            else:
                idle_turns += 1
        return loads

    def _may_load(self, customer: _Customer) -> bool:
        if customer.loads >= LOADS_PER_PEER_MAX or customer.outbound_bytes >= OUTBOUND_BYTES_MAX:
            return False
        is_idle = not customer.outbound_bytes and not customer.loads
        return is_idle or self._outbound_bytes < OUTBOUND_BYTES_MAX_ALL

    def _load(self, peer: NodeId, customer: _Customer) -> Load:
        cids = tuple(customer.blocks)[:TURN_BLOCKS_MAX]
        for cid in cids:
            del customer.blocks[cid]
            customer.loading[cid] = None
        customer.loads += 1
        self._loads += 1
        return Load(peer, cids, TURN_BYTES)
