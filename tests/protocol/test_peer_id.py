"""Peer ids, held against libp2p's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there

from commonfab.protocol.errors import Malformed, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import parse_peer, peer_bytes, peer_text, read_peer_bytes

seeds = st.binary(min_size=32, max_size=32)
nodes = seeds.map(NodeId)


@given(seeds)
def test_a_peer_id_is_the_one_that_libp2p_makes_of_the_key(seed: bytes) -> None:
    key = create_new_key_pair(seed).public_key
    node = NodeId(key.to_bytes())

    assert peer_text(node) == str(ID.from_pubkey(key))
    assert peer_bytes(node) == ID.from_pubkey(key).to_bytes()


@given(nodes)
def test_a_peer_id_is_read_back_as_the_key(node: NodeId) -> None:
    assert parse_peer(peer_text(node)) == node
    assert read_peer_bytes(peer_bytes(node)) == node


@given(nodes, st.integers(0, 51), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_other_text_is_read_as_the_same_key(node: NodeId, place: int, letter: str) -> None:
    text = peer_text(node)
    changed = text[:place] + letter + text[place + 1 :]

    try:
        found = parse_peer(changed)
    except UsageError:
        return
    assert (found == node) == (changed == text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH",
        "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5x",
        "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH0",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "z" * 52,
        "1" * 52,
        "x" * 100_000,
    ],
)
def test_what_is_no_peer_id_is_refused_and_named(text: str) -> None:
    with pytest.raises(UsageError, match="peer id"):
        parse_peer(text)


@pytest.mark.parametrize("data", [b"", bytes(38), peer_bytes(NodeId(bytes(32)))[:-1]])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_peer_bytes(data)
