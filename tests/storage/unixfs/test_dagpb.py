"""dag-pb: one form for each node, and no bytes that break the reader."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.storage.cid import CID, RAW
from commonfab.storage.unixfs.dagpb import Link, Node, decode, encode, number, run

CHILD = CID.of(b"child", codec=RAW)
LINK = run(1, bytes(CHILD)) + run(2, b"arm.stl") + number(3, 5)

links = st.builds(
    Link,
    st.binary(max_size=4).map(lambda data: CID.of(data, codec=RAW)),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(0, 2**64 - 1),
)
nodes = st.builds(Node, st.lists(links, max_size=4).map(tuple), st.none() | st.binary(max_size=20))


@given(nodes)
def test_a_node_is_read_back_as_it_was_written(node: Node) -> None:
    assert decode(encode(node)) == node


@st.composite
def changed_nodes(draw: st.DrawFn) -> bytes:
    block = bytearray(draw(nodes.map(encode).filter(bool)))
    block[draw(st.integers(0, len(block) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(block)


@pytest.mark.rule("UNIXFS-4")
@given(changed_nodes() | st.binary(max_size=80))
@example(run(2, LINK))
@example(run(2, run(1, bytes(CHILD))))
def test_bytes_are_the_one_form_of_a_node_or_malformed(block: bytes) -> None:
    try:
        node = decode(block)
    except Malformed:
        return
    # Only a link's name and size may be left out; writing the node again puts them in.
    form = encode(node)
    assert decode(form) == node
    assert form == block or len(form) > len(block)


@pytest.mark.rule("UNIXFS-4")
@pytest.mark.parametrize(
    ("block", "why"),
    [
        (run(1, b"") + run(2, LINK), "out of order"),
        (run(1, b"a") + run(1, b"b"), "repeated"),
        (run(3, b""), "unknown"),
        (number(1, 7), "field 1"),
        (run(2, run(2, b"a")), "without a CID"),
        (run(2, LINK + number(3, 5)), "repeated or unsorted"),
        (run(2, run(2, b"a") + run(1, bytes(CHILD))), "repeated or unsorted"),
        (run(2, run(1, bytes(CHILD)) + run(3, b"5")), "not a number"),
        (run(2, run(1, bytes(CHILD)) + run(2, b"\xff")), "UTF-8"),
        (run(2, LINK + number(4, 1)), "unknown fields"),
        (run(2, run(1, b"\x01\x71\x12\x20" + bytes(32))), "dag-cbor"),
        (run(2, LINK)[:-1], "claims 1 more"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "claims"),
        (b"\x0a\x81\x00a", "shortest"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "too large"),
        (b"\x0a" + b"\xff" * 12, "64 bits"),
        (b"\x0a\x80", "middle of a number"),
        (b"\x0d\x00\x00\x00\x00", "wire type 5"),
    ],
)
def test_another_form_is_malformed(block: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        decode(block)
