"""The town of a run: its workshops, its orders, its troubles; and what must be true at the end."""

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from commonfab.protocol import events
from commonfab.protocol.ids import NodeId, OrderId
from commonfab.protocol.lease.attempts import Done, Dropped, OrderState, Waiting
from commonfab.protocol.lease.slots import Reported
from commonfab.protocol.records import (
    Design,
    Job,
    Machine,
    Order,
    Part,
    Place,
    Record,
    Stock,
    Workshop,
    sign,
)

from . import cuts
from .gossiping import LOOK_MS
from .trade import can_make

if TYPE_CHECKING:
    from .node import Node
    from .world import World

DESIGNS = 5
PRINTING, LASER = "fff-printing", "laser-cutting"
PLA, PLYWOOD = "PLA", "plywood"
"""Few can cut plywood, and they may be those that go silent."""


class Scale:
    """How many there are of each in a town of so many nodes, one in five of them a rogue."""

    def __init__(self, nodes: int) -> None:
        self.honest = nodes - nodes // 5
        self.workshops = min(nodes // 3, 20)
        self.buyers = min(nodes // 5, 12)
        self.orders = (self.buyers, 2 * self.buyers)
        """At least and at most."""


def machines(random: Random, scale: Scale) -> list[list[Machine]]:
    """Return the machines of each node; those that only buy have none."""
    cutters = random.sample(range(scale.workshops), 2)
    return [
        [
            _machine(random, f"m{number}", LASER if index in cutters and not number else PRINTING)
            for number in range(random.randint(1, 2) if index < scale.workshops else 0)
        ]
        for index in range(scale.honest)
    ]


def set_up(world: "World") -> None:
    """Start all nodes, and lay out all that will happen to them."""
    random, faults = world.random, world.faults
    for node in world.nodes:
        world.set_clock(node)
        node.start()
        world.after(random.randrange(5_000), partial(_introduce, world, node))
        if node.machines:
            world.every(world.publish_every_ms, partial(_publish, node))
    world.every(LOOK_MS, world.gossip.look)
    for party in world.parties:
        world.every(world.sync_every_ms, partial(world.sync_round, party))
    buyers = random.sample(world.nodes, world.scale.buyers)
    for number in range(random.randint(*world.scale.orders)):
        at_ms = random.randint(60_000, faults.until_ms)
        world.at(at_ms, partial(_order, world, random.choice(buyers), number))
    _lay_out_troubles(world)


def _lay_out_troubles(world: "World") -> None:
    random, faults = world.random, world.faults
    workshops = world.nodes[: world.scale.workshops]

    def sometime() -> int:
        return random.randrange(faults.until_ms)

    for _ in range(faults.crashes):
        world.at(sometime(), partial(world.kill, random.choice(world.nodes)))
    for _ in range(faults.clock_jumps):
        world.at(sometime(), partial(world.jump_clock, random.choice(world.nodes)))
    for node in random.sample(workshops, faults.silent):
        world.at(sometime(), partial(world.silence, node))
    for _ in range(faults.retired):
        node = random.choice(workshops)
        machine, at_ms = random.choice(node.machines).id, sometime()
        world.at(at_ms, partial(_take_off, node, machine, takes_jobs=False))
        world.at(
            at_ms + random.randrange(120_000), partial(_take_off, node, machine, takes_jobs=True)
        )
    for _ in range(faults.cuts):
        cut = cuts.draw(random, random.choice(cuts.SHAPES), len(world.parties))
        at_ms = sometime()
        world.at(at_ms, partial(world.cut, cut))
        world.at(at_ms + random.randrange(180_000), partial(world.heal, cut))
    if faults.finds:
        world.every(int(1000 / faults.finds), partial(_find, world))
    for _ in range(faults.equivocations):
        world.at(sometime(), world.equivocate)
    for _ in range(faults.floods):
        world.at(sometime(), world.flood)
    if faults.cheats:
        world.every(int(1000 / faults.cheats), world.cheat)
        world.every(30_000, world.advertise)


# What people do.


def _introduce(world: "World", node: "Node") -> None:
    if node.is_up and node.machines:
        place = _somewhere(world.random)
        head = node.author.head("workshop", node.now())
        node.keep(sign(Workshop(**head, name=f"workshop {node.index}", place=place), node.signer))
    if node.is_up and node.machines:
        node.publish_capacity()


def _publish(node: "Node") -> None:
    if node.is_up:
        node.publish_capacity()


def _take_off(node: "Node", machine: str, *, takes_jobs: bool) -> None:
    if node.is_up:
        node.take_off(machine, takes_jobs=takes_jobs)


def _order(world: "World", buyer: "Node", number: int) -> None:
    if buyer.is_silent:
        return
    if not buyer.is_up:
        world.after(10_000, partial(_order, world, buyer, number))
        return
    random = world.random
    guardians: tuple[NodeId, ...] = ()
    if random.random() < 0.4:
        others = random.sample([node.id for node in world.nodes if node is not buyer], 2)
        guardians = (buyer.id, *others)
    design = _design(random, buyer, number)
    if design is None:
        return
    assert isinstance(design.body, Design)
    part = design.body.parts[0]
    order = OrderId(random.randbytes(16))
    jobs = tuple(
        Job(part=part.name, pieces=random.randint(1, 6)) for _ in range(random.randint(1, 4))
    )
    record = sign(
        Order(
            **buyer.author.head(f"order/{number}", buyer.now()),
            order=order,
            design=design.id,
            quantity=sum(job.pieces for job in jobs),
            place=_somewhere(random),
            jobs=jobs,
            grace_ms=random.randint(5_000, 60_000),
            guardians=guardians,
        ),
        buyer.signer,
    )
    world.tell(f"{buyer.index:2} orders {order.hex()[:8]} in {len(jobs)} jobs")
    if buyer.place(record, design):
        world.orders.append((buyer, order))
        if random.random() < 0.1:
            world.after(random.randrange(300_000), partial(_cancel, world, buyer, order))


def _find(world: "World") -> None:
    """Let a buyer hear, rightly or not, of a better machine for one of its jobs."""
    if not world.is_bad or not world.orders:
        return
    node, order = world.random.choice(world.orders)
    for job in _state(node, order).jobs if node.is_up else ():
        if node.is_up:
            node.handle(events.MachineFound(order, job.index))


def _design(random: Random, buyer: "Node", number: int) -> Record | None:
    """Return a design that the buyer knows, or a new one; None if it died of keeping it."""
    known = [record for record in buyer.library.values() if isinstance(record.body, Design)]
    if len(known) >= DESIGNS:
        return random.choice(sorted(known, key=lambda record: record.id))
    design = sign(
        Design(
            **buyer.author.head(f"design/{number}", buyer.now()),
            name=f"design {number}",
            version="1",
            licence="CC0-1.0",
            licensor="everybody",
            function="is made",
            root=b"\x01\x55\x12\x20" + bytes(32),
            manifest="okh.toml",
            parts=(_part(random),),
            size_bytes=1,
        ),
        buyer.signer,
    )
    return design if buyer.keep(design) else None


def _cancel(world: "World", buyer: "Node", order: OrderId) -> None:
    if buyer.is_up:
        world.tell(f"{buyer.index:2} cancels {order.hex()[:8]}")
        buyer.cancel(order)


# What must be true at the end.


def unfinished(world: "World") -> list[str]:
    """Return what still goes on and should come to an end."""
    return [*_open_orders(world), *_open_wards(world), *_open_slots(world)]


def check_ended(world: "World") -> None:
    """Raise `AssertionError` unless all orders and slots are over and all pieces accounted for."""
    left = unfinished(world)
    assert not left, f"still open: {', '.join(left)}"
    for node, order in world.orders:
        if not node.is_silent:
            _check_pieces(world, node, order)


def _open_wards(world: "World") -> list[str]:
    """Return the orders that two of their guardians live to see, and that are not over."""
    left: list[str] = []
    for node in world.nodes:
        guardian = node.peer.guardian if node.is_up else None
        for ward in guardian.wards() if guardian else ():
            parts = {part.name: part for part in _body(ward.design).parts}
            may_be_made = any(_may_be_made(world, parts[job.part]) for job in ward.order.jobs)
            is_own = ward.record.author == node.id  # That is looked at as its order.
            may_start = may_be_granted(world, ward.order) and may_be_made
            if may_start and not is_own and not ward.is_over():
                left.append(f"{node.index} guards {ward.order.order.hex()[:8]}")
    return left


def _body(design: Record) -> Design:
    assert isinstance(design.body, Design)
    return design.body


def _open_orders(world: "World") -> list[str]:
    left: list[str] = []
    for node, order in world.orders:
        state = _state(node, order) if node.is_up else None
        if state is None:
            left += [] if node.is_silent else [f"{node.index} is down"]
            continue
        for job in state.jobs:
            is_over = isinstance(job.state, Done | Dropped)
            is_waiting = isinstance(job.state, Waiting)
            may_start = may_be_granted(world, state.order) and _may_be_made(world, job.part)
            if not is_over and (not is_waiting or may_start):
                left.append(f"{order.hex()[:8]}/{job.index} {type(job.state).__name__}")
    return left


def _state(buyer: "Node", order: OrderId) -> OrderState:
    return next(s for s in buyer.peer.buyer.orders() if s.order.order == order)


def may_be_granted(world: "World", order: Order) -> bool:
    """Tell whether a majority of an order's guardians live: without, no machine may start."""
    living = sum(world.answers(NodeId(each)) for each in order.guardians)
    return 2 * living > len(order.guardians) or not order.guardians


def _may_be_made(world: "World", part: Part) -> bool:
    return any(
        node.is_up and any(can_make(machine, part) for machine in node.machines)
        for node in world.nodes
    )


def _open_slots(world: "World") -> list[str]:
    left: list[str] = []
    for node in world.nodes:
        if not node.is_up:
            continue
        for slot in node.peer.owner.slots():
            if isinstance(slot.state, Reported) and not world.answers(slot.ordered_by):
                continue  # It will be told for a month, and holds no machine.
            left.append(f"a slot of {node.index} is {type(slot.state).__name__}")
        left += [f"{b.id} of {node.index} runs" for b in node.benches.values() if b.job]
    return left


def _check_pieces(world: "World", buyer: "Node", order: OrderId) -> None:
    state = _state(buyer, order)
    for job in state.jobs:
        receipts = {attempt.lease: attempt.receipt for attempt in job.attempts}
        for owner, lease, pieces in world.making.made(order, job.index):
            receipt = receipts.get(lease)
            if receipt is None:
                assert not world.answers(owner), f"{pieces} pieces without a receipt"
            else:
                assert receipt.pieces == pieces, f"a receipt for {receipt.pieces}, made: {pieces}"


# Things.


def _machine(random: Random, name: str, process: str) -> Machine:
    material = PLYWOOD if process == LASER else PLA
    return Machine(
        id=name,
        process=process,
        volume_um=(250_000, 210_000, 210_000),
        stock=(Stock(material=material, mass_mg=10_000_000, price_minor_per_kg=2_000),),
        speed_permille=random.randint(500, 3_000),
        setup_seconds=5,
        price_minor_per_hour=random.randint(50, 400),
        power_w=100,
        free_at=0,
    )


def _part(random: Random) -> Part:
    is_cut = random.random() < 0.1
    return Part(
        name="plate" if is_cut else "bracket",
        file="part.stl",
        process=LASER if is_cut else PRINTING,
        material=PLYWOOD if is_cut else PLA,
        bbox_um=(60_000, 40_000, 20_000),
        volume_mm3=20_000,
        area_mm2=9_000,
        watertight=True,
        seconds=random.randint(5, 40),
        mass_mg=25_000,
    )


def _somewhere(random: Random) -> Place:
    return Place(
        lat_udeg=random.randint(40_000_000, 55_000_000),
        lon_udeg=random.randint(-8_000_000, 20_000_000),
    )
