"""Whole nodes and a peer that plays false: what it can cost an honest one is bounded."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
from msgspec import structs

from commonfab.node import clock
from commonfab.node.api.orders import Ordered, OrdersApi, Wanted
from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol import envelope
from commonfab.protocol.ids import OrderId
from commonfab.protocol.lease.attempts import OrderState
from commonfab.protocol.limits import (
    GRACE_MS_MIN,
    GRAMS_PER_KWH_MAX,
    LENGTH_UM_MAX,
    MASS_MG_MAX,
    MINUTE_MS,
    PART_SECONDS_MAX,
    POWER_W_MAX,
    PRICE_MINOR_MAX,
    REQUEST_TERM_MS,
    SPEED_PERMILLE_MAX,
)
from commonfab.protocol.records import (
    Acceptance,
    Grant,
    Lease,
    Offer,
    Place,
    Record,
    Refusal,
    Release,
    Request,
    Stock,
)
from commonfab.scheduler.why.grounds import check
from tests.builders import (
    a_capacity,
    a_grant,
    a_lease,
    a_part,
    a_progress,
    a_receipt,
    a_request,
    a_workshop,
    an_acceptance,
    an_offer,
    body_of,
)
from tests.builders import a_machine as a_record_machine
from tests.node.hand_made import HandMade, hand_made, now
from tests.node.village import a_home, a_machine, eventually, living, write_block
from tests.protocol.signers import EVE

HERE = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def alice_bob_and_eve(folder: Path) -> AsyncGenerator[tuple[Node, Node, HandMade, Record]]:
    """Run a buyer, an honest workshop that is dear, and a liar; with the design of a block."""
    network = MemoryNetwork()
    dear = a_machine("dear", price_per_hour=50.0)
    async with (
        living(a_home(folder, "alice"), network) as alice,
        living(a_home(folder, "bob", dear), network) as bob,
        hand_made(EVE, network, alice, bob) as eve,
    ):
        await alice.transport.connect(bob.transport.addresses()[0])
        design = (
            await publishing.publish(alice, write_block(folder / "block"), say_nothing)
        ).record
        await eventually(lambda: len(alice.library.view) == 1)
        yield alice, bob, eve, design


def state(node: Node, order: OrderId) -> OrderState:
    return node.buyer.order(order)


def story(node: Node, order: OrderId) -> list[tuple[bytes, str]]:
    return [(each.owner, each.outcome) for each in state(node, order).jobs[0].attempts]


def offered(request: Record) -> Record:
    """Return Eve's offer to do it at once, and for nothing."""
    at = clock.now()
    return an_offer(request, EVE, at=at, window_ms=1_500, held_until=at + 3_000, price_minor=0)


async def test_an_owner_that_falls_silent_at_any_point_loses_the_job_to_another(
    tmp_path: Path,
) -> None:
    async with alice_bob_and_eve(tmp_path) as (alice, bob, eve, design):
        await eve.offer_cheaply(alice)
        await eventually(lambda: len(alice.library.view) == 2)

        orders = [await alice.ordering.place(design, 1, HERE, 0) for _ in range(3)]
        requests = [await eve.receive(Request) for _ in orders]
        offers = [offered(request) for request in requests]
        await eve.send(alice, *offers)
        taken = [await eve.receive(Acceptance) for _ in orders]
        by_offer = {body_of(each, Acceptance).offer: each for each in taken}
        acceptances = [by_offer[offer.id] for offer in offers]
        # Of the first she never says that her machine is free; of the second no more than that;
        # and the third she does not lease.
        leases = [
            a_lease(request, offer, acceptance, EVE, **now())
            for request, offer, acceptance in zip(requests[:2], offers, acceptances, strict=False)
        ]
        await eve.send(alice, *leases, a_progress(leases[1], EVE, **now()))
        await eve.receive(Grant)

        await eventually(lambda: all(state(alice, order).is_over() for order in orders))
        never_started, silent, never_leased = (
            story(alice, OrderId(body_of(request, Request).order)) for request in requests
        )
        assert never_started == [(EVE.node, "not started"), (bob.me, "made")]
        assert silent == [(EVE.node, "silent"), (bob.me, "made")]
        assert never_leased[-1] == (bob.me, "made")
        # What comes too late is an entry, and no piece is counted twice.
        was_silent = OrderId(body_of(requests[1], Request).order)
        await eve.send(alice, a_receipt(leases[1], EVE, pieces=1, **now()))
        await eventually(lambda: state(alice, was_silent).surplus())
        assert state(alice, was_silent).pieces_made() == 1


async def test_a_buyer_that_reserves_and_never_accepts_or_grants_delays_others_by_a_hold(
    tmp_path: Path,
) -> None:
    async with alice_bob_and_eve(tmp_path) as (alice, bob, eve, design):
        until = clock.now() + REQUEST_TERM_MS
        part = a_part(mass_mg=1)
        requests = [
            a_request(
                EVE, to=bob.me, job=job, until=until, part=part, grace_ms=GRACE_MS_MIN, **now()
            )
            for job in range(12)
        ]
        await eve.send(bob, *requests)
        offer = await eve.receive(Offer)
        await eve.send(bob, an_acceptance(offer, EVE, **now()))
        lease = await eve.receive(Lease)
        await eventually(lambda: len(bob.owner.slots()) == len(requests))

        order = await alice.ordering.place(design, 1, HERE, 0)

        await eve.receive(Release)
        await eventually(lambda: state(alice, order).is_over())
        assert story(alice, order) == [(bob.me, "made")]
        await eventually(lambda: not bob.owner.slots())
        await eve.send(bob, a_grant(lease, EVE, **now()))
        await eve.receive(Release)
        assert not bob.owner.slots()


async def test_letters_of_others_change_nothing_in_a_running_order(tmp_path: Path) -> None:
    async with alice_bob_and_eve(tmp_path) as (alice, bob, eve, design):
        order = await alice.ordering.place(design, 3, HERE, 0)
        await eventually(lambda: bob.owner.slots() and bob.owner.slots()[0].lease)
        (slot,) = bob.owner.slots()
        lease = slot.lease
        assert lease is not None

        await eve.send(bob, an_acceptance(slot.offer, EVE, **now()))
        await eve.receive(Refusal)
        await eve.send(bob, a_grant(lease, EVE, **now()))
        await eve.receive(Refusal)
        await eve.send(alice, a_receipt(lease, EVE, to=alice.me, pieces=3, **now()))
        await eve.send(alice, a_progress(lease, EVE, to=alice.me, **now()))

        await eventually(lambda: state(alice, order).is_over())
        assert story(alice, order) == [(bob.me, "made")]
        assert state(alice, order).pieces_made() == 3
        assert alice.journal.rejected(EVE.node) == bob.journal.rejected(EVE.node) == 0


def with_number(record: Record, number: object) -> bytes:
    """Seal a capacity record whose first machine has this for its price, whatever it is."""
    body = msgspec.msgpack.decode(envelope.parse(record.data).body)
    body["machines"][0]["price_minor_per_hour"] = number
    return envelope.seal("capacity", msgspec.msgpack.encode(body), EVE).data


async def test_numbers_that_are_none_are_refused_and_those_at_every_bound_harm_nobody(
    tmp_path: Path,
) -> None:
    most = a_record_machine(
        id="most",
        volume_um=(LENGTH_UM_MAX,) * 3,
        stock=(Stock(material="PLA", mass_mg=MASS_MG_MAX, price_minor_per_kg=0),),
        speed_permille=SPEED_PERMILLE_MAX,
        price_minor_per_hour=0,
        power_w=0,
        free_at=0,
    )
    dearest = structs.replace(
        most,
        id="dearest",
        stock=(Stock(material="PLA", mass_mg=0, price_minor_per_kg=PRICE_MINOR_MAX),),
        speed_permille=1,
        price_minor_per_hour=PRICE_MINOR_MAX,
        setup_seconds=PART_SECONDS_MAX,
        power_w=POWER_W_MAX,
        free_at=2**53,
    )
    async with alice_bob_and_eve(tmp_path) as (alice, bob, eve, _design):
        until = clock.now() + MINUTE_MS
        claims = a_capacity(
            EVE, machines=(most, dearest), until=until, grid_g_per_kwh=GRAMS_PER_KWH_MAX, **now()
        )
        pole = Place(lat_udeg=90_000_000, lon_udeg=180_000_000)
        nonsense: tuple[object, ...] = (
            float("nan"),
            float("inf"),
            0.5,
            -1,
            2**53,
            2**64 - 1,
            "1",
            True,
            None,
            [],
        )
        for number in nonsense:
            await eve.send(alice, with_number(claims, number))
        await eventually(lambda: alice.journal.rejected(EVE.node) == len(nonsense))
        assert len(alice.library.view) == 1

        await eve.send(alice, a_workshop(EVE, place=pole, **now()), claims)
        await eventually(lambda: len(alice.library.view) == 3)
        api = OrdersApi(alice, alice.library.designs.find)
        wanted = {"design": "block", "quantity": 1, "lat": 45.7, "lon": 4.8}
        ways = await api.plan(Wanted(**wanted), say_nothing)  # type: ignore[arg-type]  # as declared
        await api.order(Ordered(**wanted), say_nothing)  # type: ignore[arg-type]  # as declared
        (order,) = alice.buyer.orders()
        (told,) = alice.explaining.told(order.order)

        assert {each.machine for way in ways.ways for each in way.makings} <= {"most", "dear"}
        assert told.machines == 3
        assert [found.fault for found in check(alice.explaining.grounds(order.order))] == [""]
        await eventually(order.is_over)
        assert order.jobs[0].attempts[-1].owner == bob.me
