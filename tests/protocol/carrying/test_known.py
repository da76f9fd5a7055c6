"""Sets that nodes tell each other of: small, salted, and right but for one in a million."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.carrying.known import FALSE_ONE_IN, KNOWN_ITEMS_MAX, NOTHING, Known, encode
from commonfab.protocol.errors import Malformed

SALT, OTHER_SALT = b"a" * 16, b"b" * 16


def _items(first: int, count: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(first, first + count)]


@pytest.mark.rule("BUNDLE-8")
@given(
    items=st.sets(st.binary(min_size=1, max_size=40), max_size=50),
    salt=st.binary(min_size=16, max_size=16),
)
def test_every_item_of_a_set_is_in_it(items: set[bytes], salt: bytes) -> None:
    count, data = encode(items, salt)
    known = Known(salt, count, data)

    assert count == len(items)
    assert all(item in known for item in items)


@pytest.mark.rule("BUNDLE-8")
def test_an_item_takes_about_25_bits_and_strangers_hardly_ever_seem_to_be_in() -> None:
    count, data = encode(_items(0, 20_000), SALT)
    known = Known(SALT, count, data)

    assert len(data) / count < 3.3
    seeming = [item for item in _items(10**6, 50_000) if item in known]
    assert len(seeming) <= 2
    assert FALSE_ONE_IN == 1 << 20


def test_what_one_salt_hides_another_shows() -> None:
    few = _items(0, 3)
    told = [Known(salt, *encode(few, salt)) for salt in (SALT, OTHER_SALT)]

    assert encode(few, SALT)[1] != encode(few, OTHER_SALT)[1]
    assert all(item in known for item in few for known in told)


def test_nothing_is_known_of_somebody_who_never_spoke() -> None:
    assert b"" not in NOTHING
    assert _items(0, 1)[0] not in NOTHING
    assert "text" not in NOTHING


@pytest.mark.rule("BUNDLE-8")
@pytest.mark.parametrize(
    ("count", "data"),
    [
        (-1, b""),
        (KNOWN_ITEMS_MAX + 1, b""),
        (1, b"\x01\x01"),
        (2, b"\x01\x00"),
        (1, b"\x80"),
        (1, b"\xff\xff\xff\x7f"),
        (1, b"\x80" * 8 + b"\x01"),
        (0, b"\x01"),
    ],
)
def test_bytes_that_say_no_set_of_so_many_are_refused(count: int, data: bytes) -> None:
    with pytest.raises(Malformed):
        Known(SALT, count, data)


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed):
        Known(b"short", 0, b"")


@given(data=st.binary(max_size=60), count=st.integers(0, 30))
def test_whatever_the_bytes_are_it_is_a_set_or_malformed(data: bytes, count: int) -> None:
    try:
        known = Known(SALT, count, data)
    except Malformed:
        return
    assert isinstance(b"x" in known, bool)
