"""What a relay gives, and where it ends."""

from commonfab.node.network.relay_desk import Circuit, RelayDesk, RelayLimits
from commonfab.protocol.ids import NodeId
from commonfab.protocol.links.relay_wire import Status

ALICE, BOB, CAROL, EVE = (NodeId(letter * 32) for letter in (b"A", b"B", b"C", b"E"))
HOME, ELSEWHERE = "198.51.100.7", "203.0.113.5"


def a_circuit(desk: RelayDesk, source: NodeId, target: NodeId, now: float = 0) -> Circuit:
    circuit = desk.open(source, target, now)
    assert isinstance(circuit, Circuit)
    return circuit


def test_only_who_has_reserved_is_reached() -> None:
    desk = RelayDesk(RelayLimits())

    assert desk.open(ALICE, BOB, 0) == Status.NO_RESERVATION
    assert desk.reserve(BOB, HOME, 0) == Status.OK
    a_circuit(desk, ALICE, BOB)


def test_a_reservation_ends_and_can_be_renewed() -> None:
    desk = RelayDesk(RelayLimits(reservation_s=60))
    desk.reserve(BOB, HOME, 0)
    desk.reserve(BOB, HOME, 40)

    a_circuit(desk, ALICE, BOB, 99)
    assert desk.open(CAROL, BOB, 100) == Status.NO_RESERVATION


def test_with_the_link_goes_the_reservation() -> None:
    desk = RelayDesk(RelayLimits())
    desk.reserve(BOB, HOME, 0)

    desk.drop(BOB)

    assert desk.open(ALICE, BOB, 0) == Status.NO_RESERVATION


def test_one_address_takes_only_its_share_of_reservations() -> None:
    desk = RelayDesk(RelayLimits(reservations_per_address_max=1, reservations_max=2))

    assert desk.reserve(BOB, "2001:db8::1", 0) == Status.OK
    assert desk.reserve(EVE, "2001:db8::2", 0) == Status.RESERVATION_REFUSED
    assert desk.reserve(BOB, "2001:db8::3", 0) == Status.OK
    assert desk.reserve(ALICE, HOME, 0) == Status.OK
    assert desk.reserve(CAROL, ELSEWHERE, 0) == Status.RESERVATION_REFUSED
    assert desk.reservations_count(0) == 2


def test_one_peer_takes_only_its_share_of_circuits() -> None:
    desk = RelayDesk(RelayLimits(circuits_per_peer_max=1))
    desk.reserve(BOB, HOME, 0)
    desk.reserve(CAROL, ELSEWHERE, 0)
    first = a_circuit(desk, ALICE, BOB)

    assert desk.open(ALICE, CAROL, 0) == Status.RESOURCE_LIMIT_EXCEEDED
    assert desk.open(EVE, BOB, 0) == Status.RESOURCE_LIMIT_EXCEEDED
    desk.close(first)
    a_circuit(desk, EVE, BOB)


def test_all_circuits_together_are_counted() -> None:
    desk = RelayDesk(RelayLimits(circuits_max=1))
    desk.reserve(BOB, HOME, 0)
    a_circuit(desk, ALICE, BOB)

    assert desk.open(CAROL, BOB, 0) == Status.RESOURCE_LIMIT_EXCEEDED


def test_an_hour_has_its_bytes_and_the_next_hour_has_others() -> None:
    desk = RelayDesk(RelayLimits(hour_bytes_max=100))
    desk.reserve(BOB, HOME, 0)

    assert desk.may_carry(100, 0)
    assert not desk.may_carry(1, 3599)
    assert desk.open(ALICE, BOB, 3599) == Status.RESOURCE_LIMIT_EXCEEDED
    assert desk.may_carry(60, 3600)
    assert desk.bytes_carried == 160
