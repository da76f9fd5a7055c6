"""Where others meet: who is named to whom, and what no crowd can do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting import rendezvous
from commonfab.protocol.meeting.rendezvous import (
    NODES_PER_PLACE_MAX,
    PLACES_PER_NODE_MAX,
    RENDEZVOUS_BYTES_MAX,
    STAY_MS,
    STAYS_MAX,
    Others,
    Places,
    Wait,
    Waiting,
)

NOW = Timestamp(1_790_000_000_000)
PLACE, ELSEWHERE = b"p" * 32, b"e" * 32
THERE = ("/ip4/192.0.2.7/tcp/4411/p2p/x",)


def a_node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def after(ms: int) -> Timestamp:
    return Timestamp(NOW + ms)


@pytest.mark.rule("PAIRING-12")
def test_two_that_wait_at_one_place_are_named_to_each_other_and_to_nobody_else() -> None:
    places = Places()

    assert places.wait(a_node(1), PLACE, THERE, NOW) == ()
    assert places.wait(a_node(2), PLACE, (), NOW) == (Waiting(node=a_node(1), addresses=THERE),)
    assert places.wait(a_node(1), PLACE, THERE, NOW) == (Waiting(node=a_node(2), addresses=()),)
    assert places.wait(a_node(3), ELSEWHERE, (), NOW) == ()


@pytest.mark.rule("PAIRING-12")
def test_who_no_longer_says_that_he_waits_is_forgotten() -> None:
    places = Places()
    places.wait(a_node(1), PLACE, THERE, NOW)
    places.wait(a_node(2), PLACE, THERE, after(STAY_MS - 1))

    others = places.wait(a_node(3), PLACE, (), after(STAY_MS))

    assert [other.node for other in others] == [a_node(2)]


@pytest.mark.rule("PAIRING-12")
def test_a_crowd_at_a_place_does_not_push_out_who_came_first() -> None:
    places = Places()
    for number in range(100):
        places.wait(a_node(number), PLACE, (), NOW)

    named = [other.node for other in places.wait(a_node(999), PLACE, (), NOW)]

    assert named == [a_node(number) for number in range(NODES_PER_PLACE_MAX)]
    assert len(places) == NODES_PER_PLACE_MAX


@pytest.mark.rule("PAIRING-12")
def test_one_node_waits_at_a_few_places_only() -> None:
    places = Places()
    for number in range(100):
        places.wait(a_node(1), number.to_bytes(32, "big"), (), NOW)

    assert len(places) == PLACES_PER_NODE_MAX


@pytest.mark.rule("PAIRING-12")
def test_whoever_comes_what_is_remembered_is_bounded() -> None:
    places = Places()
    for number in range(STAYS_MAX + 50):
        places.wait(a_node(number), number.to_bytes(32, "big"), (), NOW)

    assert len(places) == STAYS_MAX


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([PLACE, ELSEWHERE]), st.integers(0, 90_000))
    )
)
@settings(max_examples=50)
def test_nobody_is_named_to_himself_nor_after_his_time(
    steps: list[tuple[int, bytes, int]],
) -> None:
    places = Places()
    last: dict[tuple[NodeId, bytes], int] = {}
    now = NOW
    for number, place, wait_ms in steps:
        now = Timestamp(now + wait_ms)
        for other in places.wait(a_node(number), place, (), now):
            assert other.node != a_node(number)
            assert now < last[NodeId(other.node), place] + STAY_MS
        last[a_node(number), place] = now


def test_a_full_answer_fits_its_bound_and_reads_back() -> None:
    node = Waiting(node=a_node(1), addresses=("a" * 256,) * 8)
    full = Others((node,) * NODES_PER_PLACE_MAX)

    data = rendezvous.encode(full)

    assert len(data) <= RENDEZVOUS_BYTES_MAX
    assert rendezvous.decode(data, Others) == full


@pytest.mark.rule("PAIRING-11")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(RENDEZVOUS_BYTES_MAX + 1),
        rendezvous.encode(Wait(b"short", ())),
        rendezvous.encode(Wait(PLACE, ("a",) * 9)),
        rendezvous.encode(Others(())),
        rendezvous.encode(Wait(PLACE, ("abc",))).replace(b"abc", b"\xff\xfe\xfd"),
    ],
)
def test_what_does_not_say_where_to_wait_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        rendezvous.decode(data, Wait)
