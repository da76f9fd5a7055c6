"""What `transport.py` itself does: reading an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.network.transport import split_address
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text

BOB = NodeId(bytes(range(32)))


def test_an_address_is_a_place_and_a_peer() -> None:
    assert split_address(f"/ip4/192.0.2.7/tcp/4001/p2p/{peer_text(BOB)}") == (
        "/ip4/192.0.2.7/tcp/4001",
        BOB,
    )


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("", "is not an address"),
        ("192.0.2.7:4001", "is not an address"),
        ("/ip4/192.0.2.7/tcp/4001", "no peer in it"),
        (f"/p2p/{peer_text(BOB)}", "no peer in it"),
        ("/ip4/192.0.2.7/tcp/4001/p2p/bob", "is not a peer id"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        split_address(address)


@given(st.text())
def test_no_text_fails_in_another_way(text: str) -> None:
    with pytest.raises(UsageError):
        split_address(text)
