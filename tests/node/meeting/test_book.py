"""The address book: what is kept, what is dialled first, and what no crowd can push out."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.node.meeting.book import (
    ADDRESSES_PER_NODE_MAX,
    FORGOTTEN_MS,
    HEARD_FAILURES_MAX,
    HEARD_MAX,
    HEARD_PER_SUBNET_MAX,
    HEARD_PER_TELLER_MAX,
    NODES_MAX,
    AddressBook,
    backoff_ms,
    subnet_of,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import MINUTE_MS
from commonfab.protocol.peer_id import peer_text

NOW = 1_790_000_000_000
EVE = NodeId(b"E" * 32)


def a_node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def an_address(number: int, *, per_subnet: int = 1) -> str:
    """Return an address of a node's, so many in one subnet."""
    subnet, host = divmod(number, per_subnet)
    ip = IPv4Address(int(IPv4Address("11.0.0.1")) + 256 * subnet + host)
    return f"/ip4/{ip}/tcp/4411/p2p/{peer_text(a_node(number))}"


@pytest.mark.rule("INTRODUCTIONS-7")
def test_one_peer_cannot_fill_the_book() -> None:
    book = AddressBook()

    taken = [book.hear(a_node(n), an_address(n), NOW, teller=EVE) for n in range(1000)]

    assert sum(taken) == HEARD_PER_TELLER_MAX == len(book)
    assert book.hear(a_node(2000), an_address(2000), NOW, teller=a_node(7))


@pytest.mark.rule("INTRODUCTIONS-7")
def test_many_peers_cannot_fill_it_with_one_subnet() -> None:
    book = AddressBook()
    for n in range(200):
        book.hear(a_node(n), an_address(n, per_subnet=200), NOW, teller=a_node(1000 + n))

    assert len(book) == HEARD_PER_SUBNET_MAX


def test_a_crowd_of_tellers_and_subnets_fills_only_the_place_of_hints() -> None:
    book = AddressBook()
    book.reached(a_node(5000), an_address(5000), NOW)
    for n in range(HEARD_MAX + 100):
        book.hear(a_node(n), an_address(n), NOW, teller=a_node(1000 + n))

    assert len(book) == HEARD_MAX + 1
    assert next(book.to_dial(NOW)) == (a_node(5000), an_address(5000))


@pytest.mark.rule("INTRODUCTIONS-6")
def test_a_hint_does_not_take_the_place_of_a_proven_address() -> None:
    book = AddressBook()
    book.reached(a_node(1), an_address(1), NOW)
    for n in range(2, 20):
        place = an_address(n).rpartition("/p2p/")[0]
        book.hear(a_node(1), f"{place}/p2p/{peer_text(a_node(1))}", NOW + n, teller=EVE)

    (contact,) = book.contacts()
    assert len(contact.places) == ADDRESSES_PER_NODE_MAX
    assert book.addresses_of(a_node(1))[0] == an_address(1)
    assert book.has_proven(a_node(1), 0) == [an_address(1)]


def test_a_hint_that_fails_is_forgotten_and_a_proven_address_is_not() -> None:
    book = AddressBook()
    book.hear(a_node(1), an_address(1), NOW, teller=EVE)
    book.reached(a_node(2), an_address(2), NOW)
    for _ in range(HEARD_FAILURES_MAX):
        book.failed(a_node(1), an_address(1), NOW)
        book.failed(a_node(2), an_address(2), NOW)

    book.forget(NOW)

    assert book.addresses_of(a_node(1)) == []
    assert book.addresses_of(a_node(2)) == [an_address(2)]


def test_what_was_not_reached_for_long_is_forgotten_unless_it_is_a_friends() -> None:
    book = AddressBook()
    book.reached(a_node(1), an_address(1), NOW)
    book.reached(a_node(2), an_address(2), NOW)

    book.forget(NOW + FORGOTTEN_MS + 1, keep=[a_node(2)])

    assert [NodeId(contact.node) for contact in book.contacts()] == [a_node(2)]


def test_an_address_that_failed_rests_twice_as_long_each_time() -> None:
    book = AddressBook()
    book.reached(a_node(1), an_address(1), NOW)
    for failures in range(1, 5):
        book.failed(a_node(1), an_address(1), NOW)
        rests_ms = backoff_ms(failures)
        assert list(book.to_dial(NOW + rests_ms - 1)) == []
        assert len(list(book.to_dial(NOW + rests_ms))) == 1

    assert backoff_ms(4) == 8 * MINUTE_MS
    assert backoff_ms(10_000) == backoff_ms(100)


def test_reaching_it_again_ends_the_rest() -> None:
    book = AddressBook()
    book.reached(a_node(1), an_address(1), NOW)
    book.failed(a_node(1), an_address(1), NOW)

    book.reached(a_node(1), an_address(1), NOW + 1)

    assert list(book.to_dial(NOW + 1)) == [(a_node(1), an_address(1))]


def test_who_was_reached_last_is_dialled_first_and_hints_last() -> None:
    book = AddressBook()
    book.hear(a_node(3), an_address(3), NOW + 9, teller=EVE)
    book.reached(a_node(1), an_address(1), NOW)
    book.reached(a_node(2), an_address(2), NOW + 5)

    assert [node for node, _ in book.to_dial(NOW + 10)] == [a_node(2), a_node(1), a_node(3)]


@pytest.mark.parametrize(
    ("address", "subnet"),
    [
        ("/ip4/192.0.2.7/tcp/1", "192.0.2.0/24"),
        ("/ip6/2001:db8:1:2::7/tcp/1", "2001:db8:1::/48"),
        ("/memory/7", "7"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_subnet_is_what_one_owner_can_have_a_lot_of(address: str, subnet: str) -> None:
    assert subnet_of(address) == subnet


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hear", "reached", "failed", "seen", "forget"]),
            st.integers(0, 40),
            st.integers(0, 40),
            st.integers(0, FORGOTTEN_MS // 20),
        ),
        max_size=80,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_the_book_is_bounded_and_proven_means_reached(
    steps: list[tuple[str, int, int, int]],
) -> None:
    book, now, reached = AddressBook(), NOW, set[str]()
    for what, number, teller, wait_ms in steps:
        now += wait_ms
        node, address = a_node(number), an_address(number)
        match what:
            case "hear":
                book.hear(node, address, now, teller=a_node(teller))
            case "reached":
                book.reached(node, address, now)
                reached.add(address)
            case "failed":
                book.failed(node, address, now)
            case "seen":
                book.seen(node, now)
            case _:
                book.forget(now)
        proven = {each for n in range(41) for each in book.has_proven(a_node(n), 0)}
        assert proven <= reached
        assert len(book) <= NODES_MAX
