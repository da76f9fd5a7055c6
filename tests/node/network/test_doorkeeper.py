"""Who may come in, without any door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.network.doorkeeper import Doorkeeper, DoorLimits
from commonfab.protocol.ids import NodeId

ALICE, BOB, EVE = NodeId(b"alice"), NodeId(b"bob"), NodeId(b"eve")
HOME, FAR = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def door() -> Doorkeeper:
    return Doorkeeper(
        DoorLimits(
            knocking_max=4,
            knocking_per_address_max=3,
            inside_max=5,
            inside_for_known=2,
            inside_per_address_max=3,
        )
    )


def peer(number: int) -> NodeId:
    return NodeId(b"peer%d" % number)


def test_one_address_may_knock_so_often_at_a_time(door: Doorkeeper) -> None:
    assert [door.knock(FAR) for _ in range(4)] == [True, True, True, False]

    door.knocked(FAR)

    assert door.knock(FAR)


def test_a_crowd_keeps_out_strangers_but_not_a_known_address(door: Doorkeeper) -> None:
    door.know(ALICE, HOME)
    for number in range(4):
        assert door.knock(f"203.0.113.{number}")

    assert not door.knock(FAR)
    assert door.knock(HOME)


def test_a_home_with_many_addresses_counts_as_one(door: Doorkeeper) -> None:
    knocks = [door.knock(f"2001:db8:1:2::{number}") for number in range(1, 5)]

    assert knocks == [True, True, True, False]
    assert door.knock("2001:db8:1:3::1")


def test_an_ipv4_address_is_the_same_one_in_ipv6_clothes(door: Doorkeeper) -> None:
    knocks = [door.knock(FAR), door.knock(f"::ffff:{FAR}"), door.knock(FAR), door.knock(FAR)]

    assert knocks == [True, True, True, False]


def test_some_places_inside_are_for_known_peers(door: Doorkeeper) -> None:
    door.know(ALICE, None)

    strangers = [door.enter(peer(number), f"203.0.113.{number}") for number in range(4)]

    assert strangers == [True, True, True, False]
    assert door.enter(ALICE, HOME)


def test_one_address_may_have_so_many_inside(door: Doorkeeper) -> None:
    door.know(ALICE, HOME)
    for number in range(3):
        assert door.enter(peer(number), HOME)

    assert not door.enter(ALICE, HOME)
    assert door.enter(ALICE, FAR)


def test_a_place_that_is_left_is_free_again(door: Doorkeeper) -> None:
    for number in range(100):
        assert door.enter(peer(number), HOME)
        door.leave(HOME)


addresses = st.sampled_from([HOME, FAR, "203.0.113.1", "2001:db8::1"])


@given(st.lists(st.tuples(addresses, st.booleans())))
def test_whoever_comes_and_goes_no_bound_is_passed(visits: list[tuple[str, bool]]) -> None:
    limits = DoorLimits(
        knocking_max=3, knocking_per_address_max=2, inside_max=3, inside_for_known=1
    )
    door = Doorkeeper(limits)
    knocking: list[str] = []

    for address, is_coming in visits:
        if is_coming and door.knock(address):
            knocking.append(address)
        elif not is_coming and address in knocking:
            knocking.remove(address)
            door.knocked(address)

        assert len(knocking) <= 3
        assert all(knocking.count(each) <= 2 for each in knocking)


def test_one_subnet_takes_only_its_share_of_the_handshakes() -> None:
    door = Doorkeeper(DoorLimits(knocking_per_subnet_max=2))
    door.know(ALICE, "203.0.113.7")

    assert [door.knock(f"203.0.113.{number}") for number in (1, 2, 3)] == [True, True, False]
    assert door.knock("203.0.113.7")
    assert door.knock(FAR)
    door.knocked("203.0.113.1")
    door.knocked("203.0.113.2")
    assert door.knock("203.0.113.3")


def test_one_subnet_takes_only_its_share_of_the_places() -> None:
    door = Doorkeeper(DoorLimits(inside_per_subnet_max=2))
    door.know(ALICE, None)

    entered = [door.enter(peer(n), f"2001:db8:1:{n}::1") for n in (1, 2, 3)]

    assert entered == [True, True, False]
    assert door.enter(ALICE, "2001:db8:1:4::1")
    assert door.enter(EVE, "2001:db8:2::1")
    for host in ("2001:db8:1:1::1", "2001:db8:1:2::1"):
        door.leave(host)
    assert door.enter(BOB, "2001:db8:1:5::1")
