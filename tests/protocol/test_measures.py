"""What a buyer chose, sealed to a key that is used once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult
from nacl.signing import SigningKey

from commonfab.protocol.carrying import sealing
from commonfab.protocol.encoding import encode
from commonfab.protocol.errors import Malformed, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import MEASURES_BYTES_MAX
from commonfab.protocol.measures import MEASURES_MAX, TEXT_STEP_BYTES, seal, unseal

KEY, OTHER_KEY = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
PUBLIC = bytes(KEY.verify_key)
ONCE = b"1" * 32


def agree_of(key: SigningKey) -> sealing.Agree:
    return lambda public: crypto_scalarmult(bytes(key.to_curve25519_private_key()), public)


def sealed_text(text: bytes) -> bytes:
    head, secret = sealing.seal_for(NodeId(PUBLIC), ONCE)
    return head + sealing.seal_chunk(secret, 0, text, is_last=True)


names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
values = st.from_regex(r"[0-9]{1,4}(\.[0-9])?", fullmatch=True)


@pytest.mark.rule("MEASURES-3")
@given(st.dictionaries(names, values, max_size=MEASURES_MAX))
def test_the_holder_of_the_key_reads_what_was_sealed(chosen: dict[str, str]) -> None:
    sealed = seal(chosen, PUBLIC, ONCE)

    assert unseal(sealed, agree_of(KEY)) == chosen
    assert len(sealed) <= MEASURES_BYTES_MAX


@pytest.mark.rule("MEASURES-3")
def test_nobody_else_reads_it() -> None:
    with pytest.raises(Malformed, match="was changed"):
        unseal(seal({"pd": "64"}, PUBLIC, ONCE), agree_of(OTHER_KEY))


@pytest.mark.rule("MEASURES-3")
def test_its_length_tells_nothing_of_the_values() -> None:
    short, long = seal({"pd": "6"}, PUBLIC, ONCE), seal({"pd": "64.125"}, PUBLIC, ONCE)

    assert len(short) == len(long) == 72 + TEXT_STEP_BYTES + 16


def test_two_seals_of_the_same_values_have_nothing_in_common() -> None:
    assert seal({"pd": "64"}, PUBLIC, ONCE)[72:] != seal({"pd": "64"}, PUBLIC, b"2" * 32)[72:]


@pytest.mark.rule("MEASURES-4")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "claims more"),
        (b"\0" * 7, "claims more"),
        (b"\xff" * 8, "claims more"),
        ((9).to_bytes(8, "big") + b"\x80", "end too early"),
        ((1).to_bytes(8, "big") + b"\x80\0\0x", "go on after"),
        ((1).to_bytes(8, "big") + b"\x90", "not a map"),
        ((3).to_bytes(8, "big") + encode({"a": 1})[:3], "not|text"),
        (
            len(encode({"a": 1})).to_bytes(8, "big") + encode({"a": 1}),
            "a measure that is no text",
        ),
    ],
)
def test_a_text_that_is_no_measures_is_malformed(text: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        unseal(sealed_text(text), agree_of(KEY))


@pytest.mark.rule("MEASURES-4")
@given(st.binary(max_size=300))
def test_bytes_that_nobody_sealed_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        unseal(data, agree_of(KEY))


@pytest.mark.rule("MEASURES-4")
def test_more_than_a_text_holds_is_not_sealed() -> None:
    with pytest.raises(Malformed):
        seal({f"name{n}": "1" * 60 for n in range(60)}, PUBLIC, ONCE)


def test_nothing_is_sealed_to_a_key_that_is_none() -> None:
    with pytest.raises(UsageError, match="none of a node"):
        seal({"pd": "64"}, bytes(32), ONCE)
