"""Who may come in, without any door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.network.doorkeeper import Doorkeeper, DoorLimits
from commonfab.protocol.ids import NodeId

ALICE, BOB, EVE = NodeId(b"alice"), NodeId(b"bob"), NodeId(b"eve")
HOME, FAR = "192.0.2.1", "198.51.100.7"
NOON = 43_200.0


@pytest.fixture
def door() -> Doorkeeper:
    return Doorkeeper(
        DoorLimits(
            knocking_max=4,
            knocking_per_address_max=3,
            inside_max=5,
            inside_for_known=2,
            inside_per_address_max=3,
            offences_max=2,
            offence_window_s=60,
            shunned_for_s=600,
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

    strangers = [door.enter(peer(number), f"203.0.113.{number}", NOON) for number in range(4)]

    assert strangers == [True, True, True, False]
    assert door.enter(ALICE, HOME, NOON)


def test_one_address_may_have_so_many_inside(door: Doorkeeper) -> None:
    door.know(ALICE, HOME)
    for number in range(3):
        assert door.enter(peer(number), HOME, NOON)

    assert not door.enter(ALICE, HOME, NOON)
    assert door.enter(ALICE, FAR, NOON)


def test_a_place_that_is_left_is_free_again(door: Doorkeeper) -> None:
    for number in range(100):
        assert door.enter(peer(number), HOME, NOON)
        door.leave(HOME)


def test_one_offence_too_many_shuts_a_peer_out_for_a_while(door: Doorkeeper) -> None:
    assert [door.offend(EVE, NOON + second) for second in range(3)] == [False, False, True]

    assert not door.enter(EVE, FAR, NOON + 3)
    assert door.is_shunned(EVE, NOON + 601)
    assert door.enter(EVE, FAR, NOON + 603)
    assert not door.is_shunned(BOB, NOON)


def test_offences_long_past_are_forgotten(door: Doorkeeper) -> None:
    assert not any(door.offend(EVE, NOON + minute * 60) for minute in range(100))


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
