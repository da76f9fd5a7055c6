"""The messages of a sync session, as bytes: each says one thing, and nothing else passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import ENVELOPE_BYTES_MAX, SYNC_IDS_MAX, SYNC_RECORDS_MAX
from commonfab.protocol.sync.index import KEY_BYTES
from commonfab.protocol.sync.subset import Subset
from commonfab.protocol.sync.sync_wire import (
    Ask,
    Differs,
    Hello,
    Message,
    Parts,
    Same,
    Split,
    Swap,
    Swapped,
    Told,
    cut_up,
    decode,
    encode,
    pack_bounds,
    pack_places,
    unpack_bounds,
    unpack_places,
)

SPLIT = Split([b"\x00", b"\x00\xff"], bytes(16))


@pytest.mark.rule("SYNC-1")
@pytest.mark.parametrize(
    "message",
    [
        Hello(bytes(32), bytes(32)),
        Hello(bytes(32), bytes(32), Subset(kinds=("design",), tags=("lamp",), bytes_max=9)),
        Same(),
        Differs(bytes(16)),
        Ask([SPLIT], bytes(16)),
        Told([None, bytes(8), Parts([b"\x00\x01"], bytes(32))]),
        Swap(b"\x05", [b"record"]),
        Swapped(1, [b"record"], [0]),
    ],
)
def test_a_message_is_read_as_it_was_said(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.rule("SYNC-1")
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_malformed(data: bytes) -> None:
    try:
        message = decode(data)
    except Malformed:
        return
    assert decode(encode(message)) == message


@pytest.mark.rule("SYNC-1")
@pytest.mark.parametrize(
    "message",
    [
        Hello(bytes(31), bytes(32)),
        Hello(bytes(32), bytes(32), Subset(since=-1)),
        Hello(bytes(32), bytes(32), Subset(areas=tuple(range(65)))),
        Differs(bytes(17)),
        Ask([SPLIT], bytes(15)),
        Ask([]),
        Ask([Split([b"\x00"], bytes(16))]),
        Ask([Split([b"\x00", bytes(KEY_BYTES + 2)], bytes(16))]),
        Told([]),
        Told([bytes(8 * SYNC_IDS_MAX + 8)]),
        Told([Parts([], bytes(16))]),
        Swap(bytes(SYNC_IDS_MAX // 8 + 1), []),
        Swap(b"", [bytes(ENVELOPE_BYTES_MAX + 1)]),
        Swapped(-1, []),
        Swapped(0, [], [SYNC_RECORDS_MAX]),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_out_of_bounds_is_malformed(message: Message) -> None:
    with pytest.raises(Malformed):
        decode(encode(message))


@pytest.mark.rule("SYNC-1")
@pytest.mark.parametrize(
    "data",
    [
        encode(Same()) + b"\x00",
        encode(Same())[:-1],
        b"\x81\xa4type\xa5hallo",
        b"\x82\xa4type\xa4same\xa4more\x01",
        b"\x91" * 3000,
    ],
)
def test_almost_a_message_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data)


@pytest.mark.rule("SYNC-2")
@given(st.lists(st.binary(max_size=KEY_BYTES)), st.binary(max_size=KEY_BYTES))
def test_bounds_are_read_as_they_were_said(bounds: list[bytes], previous: bytes) -> None:
    assert unpack_bounds(pack_bounds(bounds, previous), previous) == bounds


@pytest.mark.rule("SYNC-2")
def test_a_bound_says_only_what_differs_from_the_one_before() -> None:
    assert pack_bounds([b"abcd", b"abxy", b"q"]) == [b"\x00abcd", b"\x02xy", b"\x00q"]


@pytest.mark.rule("SYNC-2")
@pytest.mark.parametrize("packed", [[b"\x01a"], [b"\x00ab", b"\x03"], [b"\x00" + bytes(41)]])
def test_a_bound_that_shares_what_is_not_there_or_is_too_long_is_malformed(
    packed: list[bytes],
) -> None:
    with pytest.raises(Malformed):
        unpack_bounds(packed)


@pytest.mark.rule("SYNC-1")
def test_things_that_are_no_whole_number_are_malformed() -> None:
    assert cut_up(b"aabbcc", 2) == [b"aa", b"bb", b"cc"]
    with pytest.raises(Malformed):
        cut_up(b"aab", 2)


@pytest.mark.rule("SYNC-9")
@given(st.sets(st.integers(0, SYNC_IDS_MAX - 1)))
def test_places_are_read_as_they_were_said(places: set[int]) -> None:
    assert unpack_places(pack_places(places)) == sorted(places)


@pytest.mark.rule("SYNC-9")
def test_a_place_is_one_bit_the_lowest_of_a_byte_first() -> None:
    assert pack_places([0, 3, 8]) == b"\x09\x01"
    assert pack_places([]) == b""
