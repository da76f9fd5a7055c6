"""What must be true of the whole world after every step, whatever went wrong.

They see what no node sees: what every node has said, made and kept, also before it crashed.
A breach raises `Breach`, which says what and where.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from commonfab.protocol.ids import NodeId, OrderId, RecordId, short
from commonfab.protocol.lease.attempts import Done, Dropped, JobState, OrderState
from commonfab.protocol.lease.buyer import Buyer
from commonfab.protocol.lease.guardian import papers_of
from commonfab.protocol.lease.owner import Owner
from commonfab.protocol.lease.windows import length_of, overlap
from commonfab.protocol.records import (
    Evidence,
    Grant,
    Job,
    Lease,
    Offer,
    Order,
    Receipt,
    Record,
    Release,
    Request,
)
from commonfab.protocol.standing import proofs

Key = tuple[bytes, int]
"""An order and one of its jobs."""


class Breach(AssertionError):
    """Something that must never be."""


@dataclass(frozen=True)
class _Promise:
    """A window on a machine that its owner has offered or leased, and not given up."""

    machine: tuple[NodeId, str]
    start: int
    end: int
    length_ms: int


class Checkers:
    """One for each run."""

    def __init__(self, honest: Iterable[NodeId], signed: set[RecordId]) -> None:
        self._honest = frozenset(honest)
        self._signed = signed
        self._promises: dict[RecordId, _Promise] = {}
        """By request."""
        self._promised: set[RecordId] = set()
        """The offers and leases that were said."""
        self._request_of: dict[RecordId, RecordId] = {}
        """By offer and by lease, also one that died with its node before it was said."""
        self._grants: dict[tuple[NodeId, Key], dict[int, Record]] = {}
        """By signer and job, then by epoch."""
        self._ends: set[tuple[NodeId, NodeId, RecordId]] = set()
        """Who has on its disk, by whose word, that a lease has ended."""
        self._clocks: dict[NodeId, int] = {}
        """The latest time that each node has signed: what it took for over stays over, also when
        its clock is set back."""
        self._asked: dict[tuple[NodeId, Key], tuple[int, dict[NodeId, RecordId]]] = {}
        self._runs: dict[tuple[Key, int], RecordId] = {}
        self._receipts: dict[RecordId, RecordId] = {}
        """By lease."""
        self._orders: dict[NodeId, dict[OrderId, tuple[Job, ...]]] = {}
        self._job_seen: dict[Key, tuple[int, int]] = {}
        self.lease_of: dict[Key, list[RecordId]] = {}
        """The leases that a machine has begun, by job."""

    # What nodes do.

    def accepted(self, record: Record) -> None:
        """A node believes a record."""
        if record.id not in self._signed and record.kind != "proof":
            raise Breach(f"a {record.kind} was accepted that {short(record.author)} never signed")

    def convicted(self, other: Record) -> None:
        """A node takes this and another record for proof against their author."""
        self.accepted(other)
        if other.author in self._honest:
            raise Breach(f"{short(other.author)} is honest and signed two records for one place")

    def acknowledged(self, buyer: NodeId, order: Order) -> None:
        """An order is on its buyer's disk, and the person was told so."""
        self._orders.setdefault(buyer, {})[OrderId(order.order)] = order.jobs

    def kept(self, node: NodeId, record: Record) -> None:
        """A record is on a node's disk, for good."""
        if record.kind == "proof" and proofs.accused(record) in self._honest:
            raise Breach(f"{short(proofs.accused(record))} is honest, and is proven not to be")
        if record.id not in self._signed and record.kind != "proof":
            raise Breach(f"a {record.kind} was kept that {short(record.author)} never signed")
        self._note_ends(node, record)
        self._note_clock(node, record)
        match record.body:
            case Offer(request=request) | Lease(request=request) if record.author == node:
                self._request_of[record.id] = RecordId(request)
            case Release(about=about) if record.author == node:
                self._give_up(node, RecordId(about))
            case Receipt(lease=lease, statement="made" | "failed") if record.author == node:
                if self._receipts.setdefault(RecordId(lease), record.id) != record.id:
                    raise Breach(f"{short(node)} signed two receipts for one lease")
                self._give_up(node, RecordId(lease))
            case _:
                pass

    def _note_ends(self, node: NodeId, record: Record) -> None:
        match record.body:
            case Release(about=lease) | Receipt(statement="made" | "failed", lease=lease):
                self._ends.add((node, record.author, RecordId(lease)))
            case Evidence():
                for paper in papers_of(record):
                    self._note_ends(node, paper)
            case _:
                pass

    def _note_clock(self, node: NodeId, record: Record) -> None:
        if record.author == node:
            self._clocks[node] = max(self._clocks.get(node, 0), record.body.at)

    def said(self, node: NodeId, record: Record) -> None:
        """A node has sent a letter of its own. What was said cannot be unsaid."""
        self._note_clock(node, record)
        match record.body:
            case Offer() as offer:
                window = _promise(node, offer)
                self._promise(record, RecordId(offer.request), window)
            case Lease() as lease:
                window = _promise(node, lease)
                self._promise(record, RecordId(lease.request), window)
            case Grant() as grant:
                self._granted(node, record, grant)
            case Request() as request:
                self._requested(node, record, request)
            case _:
                pass

    def began(self, lease: Record) -> None:
        """A machine begins what a lease says."""
        body = lease.body
        assert isinstance(body, Lease)
        key = (body.order, body.job)
        if self._runs.setdefault((key, body.epoch), lease.id) != lease.id:
            raise Breach(f"job {_name(key)} was begun twice in epoch {body.epoch}")
        leases = self.lease_of.setdefault(key, [])
        if lease.id not in leases:
            leases.append(lease.id)

    def stepped(self, node: NodeId, owner: Owner, buyer: Buyer) -> None:
        """A node has carried out all that one event asked for."""
        self._check_slots(owner)
        self._check_orders(node, buyer)

    # What must hold.

    def _promise(self, record: Record, request: RecordId, window: _Promise) -> None:
        if record.id in self._promised:
            return  # Said again; it may be over by now.
        self._promised.add(record.id)
        for other_request, other in self._promises.items():
            if other_request == request or other.machine != window.machine:
                continue
            if overlap(window, other):
                raise Breach(
                    f"{short(window.machine[0])} promised {window.machine[1]} twice for one time"
                )
        self._promises[request] = window

    def _give_up(self, owner: NodeId, about: RecordId) -> None:
        """Only the word of its owner ends a promise, not that of its buyer (LEASE-4)."""
        request = self._request_of.get(about)
        promise = self._promises.get(request) if request is not None else None
        if request is not None and promise is not None and promise.machine[0] == owner:
            del self._promises[request]

    def _granted(self, node: NodeId, record: Record, grant: Grant) -> None:
        key = (grant.order, grant.job)
        grants = self._grants.setdefault((node, key), {})
        if grants.setdefault(grant.epoch, record).id != record.id:
            raise Breach(f"two grants for job {_name(key)} in epoch {grant.epoch}")
        for epoch, earlier in grants.items():
            if epoch < grant.epoch and self._may_be_at_work(node, earlier):
                raise Breach(f"job {_name(key)} is granted while epoch {epoch} may be at work")

    def _may_be_at_work(self, node: NodeId, earlier: Record) -> bool:
        """Tell whether a node has neither its owner's word that a grant is over, nor by its own
        clock its end behind it. Nobody asks that of the grants to Mallory: it harms only her."""
        grant = earlier.body
        assert isinstance(grant, Grant)
        owner = NodeId(grant.to)
        has_ended = (node, owner, RecordId(grant.lease)) in self._ends
        is_over = has_ended or self._clocks[node] >= grant.until
        return owner in self._honest and not is_over

    def _requested(self, node: NodeId, record: Record, request: Request) -> None:
        key = (node, (request.order, request.job))
        epoch, asked = self._asked.get(key, (0, {}))
        if request.epoch > epoch:
            self._asked[key] = (request.epoch, {NodeId(request.to): record.id})
        elif request.epoch < epoch or asked.setdefault(NodeId(request.to), record.id) != record.id:
            raise Breach(f"epoch {request.epoch} of job {_name(key[1])} was asked for twice")

    def _check_slots(self, owner: Owner) -> None:
        alive = [slot.offered for slot in owner.slots() if slot.is_alive()]
        for one, other in combinations(alive, 2):
            if one.machine == other.machine and overlap(one, other):
                raise Breach(f"two slots on {one.machine} overlap")

    def _check_orders(self, node: NodeId, buyer: Buyer) -> None:
        known = {OrderId(state.order.order): state for state in buyer.orders()}
        for identifier, jobs in self._orders.get(node, {}).items():
            state = known.get(identifier)
            if state is None or len(state.jobs) != len(jobs):
                raise Breach(f"order {identifier.hex()[:8]} is forgotten")
            for job, wanted in zip(state.jobs, jobs, strict=True):
                self._check_job(identifier, job, wanted, state)

    def _check_job(self, order: OrderId, job: JobState, wanted: Job, state: OrderState) -> None:
        key = (order, job.index)
        epoch, made = self._job_seen.get(key, (0, 0))
        if job.epoch < epoch:
            raise Breach(f"job {_name(key)} fell back from epoch {epoch} to {job.epoch}")
        if job.made() < made:
            raise Breach(f"{made - job.made()} pieces of job {_name(key)} are lost")
        self._job_seen[key] = (job.epoch, job.made())
        told = [min(a.receipt.pieces, a.pieces) for a in job.attempts if a.receipt]
        if job.made() != sum(told):
            raise Breach(f"pieces of job {_name(key)} without a receipt")
        if isinstance(job.state, Done) and job.made() < wanted.pieces:
            raise Breach(f"job {_name(key)} is done with {job.made()} of {wanted.pieces} pieces")
        if isinstance(job.state, Dropped) and not state.is_cancelled:
            raise Breach(f"job {_name(key)} was dropped, and nobody cancelled the order")


def _promise(owner: NodeId, window: Offer | Lease) -> _Promise:
    return _Promise((owner, window.machine), window.start, window.end, length_of(window))


def _name(key: Key) -> str:
    return f"{key[0].hex()[:8]}/{key[1]}"
