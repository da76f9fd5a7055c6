"""Frames of gossip: what passes, and what is refused before anything is made of it."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.gossip import broadcast_wire as wire
from commonfab.protocol.gossip.areas import WORLD
from commonfab.protocol.gossip.broadcast_wire import (
    Graft,
    Have,
    Item,
    Prune,
    Push,
    Wants,
    decode,
    encode,
    size_of,
)
from commonfab.protocol.limits import BODY_BYTES_MAX, ENVELOPE_BYTES_MAX
from tests.simulation.broadcast_world import LYON_AREA, a_record

topics = st.sampled_from([WORLD, LYON_AREA])
ids = st.lists(st.binary(min_size=8, max_size=8), max_size=10).map(tuple)
items: st.SearchStrategy[Item] = (
    st.builds(Wants, st.lists(topics, max_size=8).map(tuple))
    | st.builds(Push, topics, st.binary(max_size=300))
    | st.builds(Have, topics, ids)
    | st.builds(Graft, topics, ids)
    | st.builds(Prune, topics)
)


@given(st.lists(items, max_size=20))
def test_what_is_written_is_read_and_is_no_longer_than_was_reckoned(said: list[Item]) -> None:
    data = encode(said)

    assert decode(data) == said
    assert len(data) <= 5 + sum(map(size_of, said))


def test_the_longest_record_passes() -> None:
    longest = a_record(1, size=BODY_BYTES_MAX)

    assert decode(encode([Push(LYON_AREA, longest.data)])) == [Push(LYON_AREA, longest.data)]


REFUSED: list[object] = [
    {},
    [[9, 0]],
    [[4]],
    [[4, 0, 0]],
    [[4, -1]],
    [[4, 1]],
    [[4, 0x851F90FFFFFFFFF]],
    [[0, [0] * (wire.TOPICS_MAX + 1)]],
    [[1, 0, bytes(ENVELOPE_BYTES_MAX + 1)]],
    [[1, 0, "text"]],
    [[2, 0, [bytes(7)]]],
    [[2, 0, [bytes(9)]]],
    [[3, 0, [bytes(8)] * (wire.IDS_MAX + 1)]],
    [[4, 0]] * (wire.ITEMS_MAX + 1),
]


@pytest.mark.rule("GOSSIP-1")
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: str(value)[:30])
def test_a_frame_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        decode(msgspec.msgpack.encode(value))


@pytest.mark.rule("GOSSIP-1")
@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_malformed(data: bytes) -> None:
    with suppress(Malformed):
        decode(data)
