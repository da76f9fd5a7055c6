"""Addresses from others: only those that can be dialled, and that their teller may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr  # type: ignore[import-untyped]  # it carries no types

from commonfab.node.finding.addresses import (
    ADDRESSES_MAX,
    TRIED_MAX,
    Reach,
    believable,
    believed,
    binary,
    reach_of,
    read_binary,
    tried_of,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

ALICE = NodeId(b"a" * 32)
BOB = NodeId(b"b" * 32)
EVE = NodeId(b"e" * 32)
A, B, C = map(peer_text, (ALICE, BOB, EVE))
PUBLIC, HOME, HERE = "/ip4/8.8.4.4/tcp/1", "/ip4/192.168.1.7/tcp/1", "/ip4/127.0.0.1/tcp/1"


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("/ip4/127.0.0.1/tcp/1", Reach.COMPUTER),
        ("/ip6/::1/tcp/1", Reach.COMPUTER),
        ("/ip4/192.168.1.7/tcp/4001", Reach.NEIGHBOURHOOD),
        ("/ip4/100.64.0.1/tcp/4001", Reach.NEIGHBOURHOOD),
        ("/ip6/fd00::1/tcp/4001", Reach.NEIGHBOURHOOD),
        ("/ip4/8.8.8.8/tcp/4001/p2p/x", Reach.INTERNET),
        ("/ip6/2a00:1450::1/tcp/4001", Reach.INTERNET),
    ],
)
def test_an_address_is_reached_from_so_far(address: str, reach: Reach) -> None:
    assert reach_of(address) is reach


@pytest.mark.parametrize(
    "address",
    [
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/0.1.2.3/tcp/1",
        "/ip6/::/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip6/ff02::1/tcp/1",
        "/ip4/255.255.255.255/tcp/1",
        "/ip4/240.0.0.1/tcp/1",
        "/ip4/169.254.0.1/tcp/1",
        "/ip6/fe80::1/tcp/1",
        "/ip6/::ffff:127.0.0.1/tcp/1",
        "/ip6/2002:7f00:1::/tcp/1",
        "/ip4/8.8.8.8/tcp/0",
        "/ip4/8.8.8.8/tcp/65536",
        "/ip4/8.8.8.8/tcp/99999999999999999999",
        "/ip4/8.8.8.8/tcp/x",
        "/ip4/8.8.8.8/udp/1",
        "/ip4/::1/tcp/1",
        "/ip4/host/tcp/1",
        "/dns4/example.org/tcp/1",
        "/ip4/8.8.8.8",
        "ip4/8.8.8.8/tcp/1",
        "",
    ],
)
def test_nobody_is_dialled_there(address: str) -> None:
    assert reach_of(address) is None


def test_a_teller_names_no_address_that_reaches_less_far_than_it_does_itself() -> None:
    addresses = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]
    full = [f"{address}/p2p/{peer_text(BOB)}" for address in addresses]

    assert believed(BOB, addresses, Reach.COMPUTER) == tuple(full)
    assert believed(BOB, full, Reach.NEIGHBOURHOOD) == tuple(full[1:])
    assert believed(BOB, addresses, Reach.INTERNET) == tuple(full[2:])


def test_addresses_of_another_peer_or_through_one_are_passed_over() -> None:
    place = "/ip4/8.8.8.8/tcp/1"
    addresses = [
        f"{place}/p2p/{peer_text(EVE)}",
        f"{place}/p2p/{peer_text(EVE)}/p2p-circuit/p2p/{peer_text(BOB)}",
        f"{place}/ws/p2p/{peer_text(BOB)}",
    ]

    assert believed(BOB, addresses, Reach.COMPUTER) == ()


def test_of_many_addresses_some_are_kept() -> None:
    addresses = (f"/ip4/8.8.8.8/tcp/{port}" for port in range(1, 1_000_000))

    assert len(believed(BOB, addresses, Reach.INTERNET)) == ADDRESSES_MAX


@pytest.mark.rule("PAIRING-12")
@pytest.mark.parametrize(
    ("address", "told_from", "is_believed"),
    [
        (f"{PUBLIC}/p2p/{A}", Reach.INTERNET, True),
        (f"{HOME}/p2p/{A}", Reach.INTERNET, False),
        (f"{HOME}/p2p/{A}", Reach.NEIGHBOURHOOD, True),
        (f"{HERE}/p2p/{A}", Reach.NEIGHBOURHOOD, False),
        (f"{PUBLIC}/p2p/{B}", Reach.INTERNET, False),
        (f"{PUBLIC}/p2p/{C}/p2p-circuit/p2p/{A}", Reach.INTERNET, True),
        (f"{PUBLIC}/p2p/{C}/p2p-circuit/p2p/{B}", Reach.INTERNET, False),
        (f"{HOME}/p2p/{C}/p2p-circuit/p2p/{A}", Reach.INTERNET, False),
        ("nonsense", Reach.COMPUTER, False),
    ],
)
def test_an_address_is_believed_if_it_leads_there_and_reaches_as_far_as_who_told_it(
    address: str, told_from: Reach, is_believed: bool
) -> None:
    assert believable(ALICE, [address], told_from) == ((address,) if is_believed else ())


def test_of_many_a_few_are_believed() -> None:
    direct = [f"/ip4/8.8.4.{n}/tcp/1/p2p/{A}" for n in range(20)]
    relayed = [f"/ip4/8.8.4.{n}/tcp/1/p2p/{C}/p2p-circuit/p2p/{A}" for n in range(20)]

    assert len(believable(ALICE, direct + relayed, Reach.INTERNET)) == 8
    assert len(believable(ALICE, relayed, Reach.INTERNET)) == 2


def test_a_node_behind_a_relay_is_tried_through_it_however_many_addresses_it_has() -> None:
    direct = [f"/ip4/192.168.{n}.7/tcp/1/p2p/{A}" for n in range(9)]
    through = [f"/ip4/8.8.4.{n}/tcp/1/p2p/{C}/p2p-circuit/p2p/{A}" for n in range(2)]
    of_another = f"{PUBLIC}/p2p/{B}"

    assert tried_of(ALICE, [of_another, *direct, *through]) == [through[0], *direct[:3]]
    assert tried_of(ALICE, direct) == direct[:TRIED_MAX]
    assert tried_of(ALICE, through) == through


@given(st.one_of(st.ip_addresses()), st.integers(1, 65535), st.booleans())
def test_a_binary_address_is_the_one_that_other_programs_write(
    ip: object, port: int, has_peer: bool
) -> None:
    kind = "ip6" if ":" in str(ip) else "ip4"
    address = f"/{kind}/{ip}/tcp/{port}"
    theirs = Multiaddr(address + (f"/p2p/{peer_text(BOB)}" if has_peer else "")).to_bytes()

    assert read_binary(theirs) == address
    assert theirs.startswith(binary(address))


@pytest.mark.parametrize(
    "address", ["/ip4/8.8.8.8/udp/1/quic-v1", "/dns4/example.org/tcp/1", "/ip4/8.8.8.8/tcp/1/ws"]
)
def test_other_binary_addresses_are_none(address: str) -> None:
    assert read_binary(Multiaddr(address).to_bytes()) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_an_address_or_none(data: bytes) -> None:
    address = read_binary(data)

    assert address is None or Multiaddr(address)
