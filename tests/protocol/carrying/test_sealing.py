"""Sealed files: only the addressee opens them, whole, unchanged, and in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult, crypto_sign_ed25519_sk_to_curve25519
from nacl.signing import SigningKey

from commonfab.protocol.carrying.sealing import (
    addressee,
    chunks_in_file,
    chunks_of,
    content_length,
    key_of,
    open_chunk,
    padded,
    room_for_content,
    seal_chunk,
    seal_for,
    sealed_length,
    start_of_text,
    text_length,
)
from commonfab.protocol.errors import Malformed, UsageError
from commonfab.protocol.ids import NodeId

ONE_TIME = b"\x07" * 32


def _agree(seed: bytes, public: bytes) -> bytes:
    signing = SigningKey(seed)
    secret = crypto_sign_ed25519_sk_to_curve25519(bytes(signing) + bytes(signing.verify_key))
    return crypto_scalarmult(secret, public)


def _node(seed: bytes) -> NodeId:
    return NodeId(bytes(SigningKey(seed).verify_key))


BOB, EVE = b"b" * 32, b"e" * 32


@pytest.mark.rule("BUNDLE-10")
def test_the_addressee_has_the_key_and_nobody_else() -> None:
    head, key = seal_for(_node(BOB), ONE_TIME)

    assert addressee(head) == _node(BOB)
    assert key_of(head, lambda public: _agree(BOB, public)) == key
    assert key_of(head, lambda public: _agree(EVE, public)) != key


@pytest.mark.rule("BUNDLE-10")
def test_a_file_that_names_another_addressee_has_another_key() -> None:
    head, key = seal_for(_node(BOB), ONE_TIME)
    other = head[:8] + _node(EVE) + head[40:]

    assert key_of(other, lambda public: _agree(BOB, public)) != key


@pytest.mark.rule("BUNDLE-10")
def test_a_chunk_opens_only_in_its_place_and_only_unchanged() -> None:
    _, key = seal_for(_node(BOB), ONE_TIME)
    sealed = seal_chunk(key, 3, b"text", is_last=False)

    assert open_chunk(key, 3, sealed, is_last=False) == b"text"
    for index, data, is_last in (
        (2, sealed, False),
        (3, sealed, True),
        (3, sealed[:-1], False),
        (3, bytes([sealed[0] ^ 1]) + sealed[1:], False),
        (3, b"", False),
    ):
        with pytest.raises(Malformed):
            open_chunk(key, index, data, is_last=is_last)


@pytest.mark.parametrize("head", [b"", b"CFSEAL1\n", b"x" * 72])
def test_what_is_no_sealed_file_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed, match="not a sealed file"):
        addressee(head)


def test_a_key_that_is_none_is_refused_on_both_sides() -> None:
    with pytest.raises(UsageError):
        seal_for(NodeId(bytes(32)), ONE_TIME)
    head, _ = seal_for(_node(BOB), ONE_TIME)
    with pytest.raises(Malformed):
        key_of(head[:40] + bytes(32), lambda public: _agree(BOB, public))


@pytest.mark.rule("BUNDLE-11")
@given(st.integers(0, 1 << 42))
def test_a_padded_length_hides_the_last_digits_and_adds_an_eighth_at_most(length: int) -> None:
    found = padded(length)

    assert length <= found <= length + max(0, length // 8) + 1
    assert padded(found) == found
    assert bin(found).rstrip("0").count("1") <= max(1, length.bit_length().bit_length() + 2)


@pytest.mark.rule("BUNDLE-11")
@given(st.integers(0, 1 << 34))
def test_the_sizes_of_a_sealed_file_agree(content: int) -> None:
    size = sealed_length(content)

    assert chunks_in_file(size) == chunks_of(text_length(content))
    assert content <= room_for_content(size)
    assert sealed_length(room_for_content(size)) <= size
    assert room_for_content(size - 1) < content or sealed_length(content) < size


def test_the_text_says_how_long_the_content_is() -> None:
    assert content_length(start_of_text(500) + b"content") == 500
    for start in (start_of_text(1 << 62), b"\0\0"):
        with pytest.raises(Malformed):
            content_length(start)
