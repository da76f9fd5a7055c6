"""Invitations as text: what survives a person's hands, and what is refused in which words."""

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.encoding import encode
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting.invitation import (
    INVITATION_ADDRESSES_MAX,
    INVITATION_LETTERS_MAX,
    SCHEME,
    Invitation,
    is_invitation,
    read,
)
from tests.vectors import load

INVITATION = Invitation(
    host=NodeId(b"H" * 32),
    addresses=("/ip4/192.0.2.7/tcp/4411",),
    secret=b"s" * 16,
    until=Timestamp(1_790_000_000_000),
)


@pytest.mark.rule("PAIRING-14")
@pytest.mark.parametrize("case", [c for c in load("pairing") if c["what"] == "invitation"])
def test_an_invitation_is_the_text_of_the_vectors(case: dict[str, Any]) -> None:
    invitation = Invitation(
        host=NodeId(bytes.fromhex(case["host"])),
        addresses=tuple(case["addresses"]),
        secret=bytes.fromhex(case["secret"]),
        until=Timestamp(case["until"]),
        psk=bytes.fromhex(case["psk"]),
    )

    assert invitation.text() == case["text"]
    assert read(case["text"]) == invitation


@pytest.mark.rule("PAIRING-14")
def test_capitals_and_line_breaks_do_no_harm() -> None:
    text = INVITATION.text()

    assert read(text.upper()) == INVITATION
    assert read(f"  {text[:40]}\n {text[40:]}\r\n") == INVITATION
    assert is_invitation(" COMMONFAB:abc")
    assert not is_invitation("army van defense carry jealous true")


@pytest.mark.rule("PAIRING-14")
@given(st.data())
@settings(max_examples=100)
def test_one_wrong_letter_is_noticed(data: st.DataObject) -> None:
    text = INVITATION.text()
    place = data.draw(st.integers(len(SCHEME), len(text) - 2))
    letter = data.draw(st.sampled_from([c for c in "abcdefghij234567" if c != text[place]]))

    with pytest.raises(UsageError, match=r"damaged|another version"):
        read(text[:place] + letter + text[place + 1 :])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "is not an invitation; one begins with commonfab:"),
        (SCHEME, "damaged"),
        (f"{SCHEME}1!", "damaged"),
        (SCHEME + "\u00e9" * 8, "damaged"),
        (INVITATION.text()[:-5], "damaged"),
        (SCHEME + "a" * INVITATION_LETTERS_MAX, "at most"),
    ],
)
def test_what_is_no_invitation_is_told_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(text)


FIELDS: dict[str, Any] = {
    "addresses": [],
    "host": b"H" * 32,
    "psk": b"",
    "secret": b"s" * 16,
    "until": 1,
}


@pytest.mark.rule("PAIRING-14")
@pytest.mark.parametrize(
    "changed",
    [
        {"host": b"H" * 31},
        {"psk": b"P"},
        {"secret": b"s" * 10},
        {"until": -1},
        {"until": 1 << 53},
        {"addresses": ["a"] * (INVITATION_ADDRESSES_MAX + 1)},
        {"addresses": ["a" * 257]},
        {"more": 1},
    ],
)
def test_what_is_out_of_bounds_is_refused_though_its_check_is_right(
    changed: dict[str, Any],
) -> None:
    data = encode(FIELDS | changed)
    check = hashlib.sha256(SCHEME.encode() + data).digest()[:4]

    with pytest.raises(UsageError, match="another version"):
        read(SCHEME + base64.b32encode(data + check).decode())
