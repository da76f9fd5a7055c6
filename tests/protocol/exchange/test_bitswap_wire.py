"""The Bitswap codec: round trips, an independent reading of the same bytes, and hostile input."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.bitswap.pb import bitswap_pb2 as reference

from commonfab.protocol.errors import Malformed
from commonfab.protocol.exchange.bitswap_wire import (
    Framer,
    HashedBlock,
    Message,
    Presence,
    Want,
    WantKind,
    decode,
    encode,
    is_leaf,
    prefix_of,
)
from commonfab.protocol.limits import (
    BITSWAP_ITEMS_MAX,
    BLOCK_BYTES_MAX,
    CID_BYTES_MAX,
    FRAME_BYTES_MAX,
)
from commonfab.protocol.multihash import HASHES, Hash
from tests import vectors
from tests.protocol.vectors_bitswap import as_json

RAW = bytes([1, 0x55, 0x12, 0x20])
DAG_PB = bytes([1, 0x70, 0x12, 0x20])
DAG_JSON = bytes([1, 0xA9, 0x02, 0x12, 0x20])
V0 = bytes([0, 0x70, 0x12, 0x20])

CASES = vectors.load("bitswap")

cids = st.binary(min_size=1, max_size=CID_BYTES_MAX)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
wants = st.builds(
    Want,
    cids,
    st.sampled_from(WantKind),
    int32s,
    cancel=st.booleans(),
    send_dont_have=st.booleans(),
)
blocks = st.builds(
    HashedBlock, st.sampled_from([RAW, DAG_PB, DAG_JSON, V0]), st.binary(max_size=64)
)
messages = st.builds(
    Message,
    wants=st.lists(wants, max_size=5).map(tuple),
    full=st.booleans(),
    blocks=st.lists(blocks, max_size=3).map(tuple),
    presences=st.lists(st.builds(Presence, cids, st.booleans()), max_size=5).map(tuple),
    pending_bytes=int32s,
)


def unframed(data: bytes) -> bytes:
    (frame,) = Framer().feed(data)
    return frame


def as_read_by_the_reference(message: reference.Message) -> Message:
    return Message(
        wants=tuple(
            Want(e.block, WantKind(e.wantType), e.priority, e.cancel, e.sendDontHave)
            for e in message.wantlist.entries
        ),
        full=message.wantlist.full,
        blocks=tuple(HashedBlock(b.prefix, b.data) for b in message.payload),
        presences=tuple(
            Presence(p.cid, p.type == reference.Message.Have) for p in message.blockPresences
        ),
        pending_bytes=message.pendingBytes,
    )


def in_the_reference(message: Message) -> reference.Message:
    out = reference.Message()
    out.wantlist.full = message.full
    for want in message.wants:
        out.wantlist.entries.add(
            block=want.cid,
            priority=want.priority,
            cancel=want.cancel,
            wantType=reference.Message.Wantlist.WantType.ValueType(want.kind),
            sendDontHave=want.send_dont_have,
        )
    for block in message.blocks:
        out.payload.add(prefix=prefix_of(block.cid) or b"", data=block.data)
    for presence in message.presences:
        kind = reference.Message.Have if presence.has else reference.Message.DontHave
        out.blockPresences.add(cid=presence.cid, type=kind)
    out.pendingBytes = message.pending_bytes
    return out


@pytest.mark.rule("EXCHANGE-1")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_vector_is_read_and_written_as_it_says(case: vectors.Case) -> None:
    (frame,) = Framer().feed(bytes.fromhex(case["hex"]))
    if case["verdict"] == "refuse":
        with pytest.raises(Malformed):
            decode(frame)
        return

    message = decode(frame)

    assert as_json(message) == case["message"]
    if case["verdict"] == "write":
        assert encode(message).hex() == case["hex"]


@given(messages)
def test_a_message_reads_back_as_it_was_written(message: Message) -> None:
    assert decode(unframed(encode(message))) == message


@given(messages)
def test_the_reference_reads_what_is_written_here(message: Message) -> None:
    theirs = reference.Message.FromString(unframed(encode(message)))

    assert as_read_by_the_reference(theirs) == message


@given(messages)
def test_what_the_reference_writes_is_read_here(message: Message) -> None:
    assert decode(in_the_reference(message).SerializeToString()) == message


@given(messages.map(lambda m: unframed(encode(m))), st.data())
def test_bytes_that_were_tampered_with_are_malformed_or_read_as_the_reference_does(
    data: bytes, draw: st.DataObject
) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        position = draw.draw(st.integers(0, len(changed)))
        changed[position : position + draw.draw(st.integers(0, 2))] = draw.draw(
            st.binary(max_size=2)
        )

    try:
        message = decode(bytes(changed))
    except Malformed:
        return
    assert as_read_by_the_reference(reference.Message.FromString(bytes(changed))) == message


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_or_a_message(data: bytes) -> None:
    try:
        decode(data)
    except Malformed:
        return


@pytest.mark.rule("EXCHANGE-2")
@given(st.sampled_from([RAW, DAG_PB, DAG_JSON, V0]), st.binary(max_size=64))
def test_a_block_has_the_cid_of_its_bytes_whatever_its_sender_says(
    prefix: bytes, data: bytes
) -> None:
    block = HashedBlock(prefix, data)

    assert block.cid == (prefix[2:] if prefix == V0 else prefix) + sha256(data).digest()
    assert prefix_of(block.cid) == prefix


@pytest.mark.rule("EXCHANGE-2")
@pytest.mark.parametrize("known", HASHES, ids=lambda known: known.name)
def test_a_block_of_each_known_hash_has_the_cid_of_its_bytes(known: Hash) -> None:
    prefix = bytes([1, 0x55]) + known.prefix

    block = HashedBlock(prefix, b"hello")

    assert block.cid == prefix + known.digest(b"hello")
    assert prefix_of(block.cid) == prefix
    assert prefix_of(block.cid + b"!") is None
    assert prefix_of(block.cid[:-1]) is None


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param(b"", id="none"),
        pytest.param(bytes([1, 0x55, 0x11, 0x14]), id="sha1"),
        pytest.param(bytes([1, 0x55, 0x00, 0x05]), id="identity"),
        pytest.param(bytes([0, 0x70, 0x13, 0x40]), id="version 0 with sha2-512"),
        pytest.param(bytes([1, 0x55, 0x12, 0x14]), id="cut to 20 bytes"),
        pytest.param(bytes([2, 0x55, 0x12, 0x20]), id="version 2"),
        pytest.param(bytes([0, 0x55, 0x12, 0x20]), id="version 0 but raw"),
        pytest.param(bytes([1, 0x12, 0x20]), id="no codec"),
        pytest.param(bytes([1, 0x55, 0x55, 0x12, 0x20]), id="two codecs"),
        pytest.param(bytes([1, 0xD5, 0x00, 0x12, 0x20]), id="a codec in a long form"),
        pytest.param(bytes([1, *[0x80] * 12, 1, 0x12, 0x20]), id="an endless codec"),
        pytest.param(bytes([1]) + b"\x55" * 40, id="far too long"),
    ],
)
def test_a_block__malformed__its_prefix_is_of_no_known_hash(prefix: bytes) -> None:
    with pytest.raises(Malformed):
        HashedBlock(prefix, b"bytes")


def test_only_raw_cids_are_leaves() -> None:
    assert is_leaf(RAW + bytes(32))
    assert not is_leaf(DAG_PB + bytes(32))
    assert not is_leaf(V0[2:] + bytes(32))


def test_an_empty_block_can_be_sent() -> None:
    empty = HashedBlock(RAW, b"")

    assert decode(unframed(encode(Message(blocks=(empty,))))).blocks == (empty,)


def test_fields_of_a_later_version_are_stepped_over() -> None:
    want = encode(Message(wants=(Want(b"cid"),)))[1:]
    later = b"\x32\x03abc" + b"\x38\x01" + b"\x41" + bytes(8) + b"\x4d" + bytes(4)

    assert decode(want + later) == Message(wants=(Want(b"cid"),))


WANT = b"\x0a\x03cid"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x0a\x00\x0a\x00", "two wantlists"),
        (b"\x12\x03abc", "Bitswap 1.0"),
        (b"\x0a\x04\x0a\x02\x10\x01", "want without a CID"),
        (b"\x0a\x04\x0a\x02\x0a\x00", "CID of 0 bytes"),
        (b"\x0a\x0c\x0a\x0a" + WANT * 2, "twice"),
        (b"\x0a\x09\x0a\x07" + WANT + b"\x20\x02", "neither 0 nor 1"),
        (b"\x0a\x02\x10\x02", "neither 0 nor 1"),
        (b"\x22\x02\x10\x01", "answer without a CID"),
        (b"\x28\x80\x00", "shortest form"),
        (b"\x28" + b"\xff" * 9 + b"\x02", "shortest form"),
        (b"\x28\x80", "without an end"),
        (b"\x28\xff\xff\xff\xff\x0f", "32 bits"),
        (b"\x2a\x01x", "bytes where a number"),
        (b"\x08\x01", "number where"),
        (b"\x0d\x00\x00\x00\x00", "number where"),
        (b"\x1a\x05abc", "ends after its message"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "no field 0"),
    ],
)
def test_bytes__malformed__with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        decode(data)


@pytest.mark.rule("EXCHANGE-3")
def test_a_message__malformed__too_much_of_anything() -> None:
    data = b"\x12" + _varint(BLOCK_BYTES_MAX + 1) + bytes(BLOCK_BYTES_MAX + 1)
    block = b"\x0a\x04" + RAW + data
    too_many = BITSWAP_ITEMS_MAX + 1

    with pytest.raises(Malformed, match="a block of"):
        decode(b"\x1a" + _varint(len(block)) + block)
    with pytest.raises(Malformed, match="wants"):
        decode(encode(Message(wants=(Want(b"c"),) * too_many))[3:])
    with pytest.raises(Malformed, match="answers"):
        decode(encode(Message(presences=(Presence(b"c", has=True),) * too_many))[3:])
    with pytest.raises(Malformed, match="CID of 129"):
        decode(unframed(encode(Message(wants=(Want(bytes(CID_BYTES_MAX + 1)),)))))
    with pytest.raises(Malformed, match="message of"):
        decode(bytes(FRAME_BYTES_MAX + 1))


def test_the_largest_block_fits_a_message() -> None:
    block = HashedBlock(RAW, bytes(BLOCK_BYTES_MAX))

    assert decode(unframed(encode(Message(blocks=(block,))))).blocks == (block,)


@given(st.lists(messages, max_size=4), st.integers(1, 7))
def test_a_stream_cut_anywhere_gives_the_same_messages(sent: list[Message], step: int) -> None:
    stream = b"".join(map(encode, sent))
    framer = Framer()

    received = [
        decode(frame)
        for start in range(0, len(stream), step)
        for frame in framer.feed(stream[start : start + step])
    ]

    assert received == sent
    assert framer.unfinished_bytes == 0


def test_a_message_in_the_making_is_seen() -> None:
    framer = Framer()
    data = encode(Message(wants=(Want(b"cid"),)))
    framer.feed(data[:-1])

    assert framer.unfinished_bytes == len(data) - 1


@pytest.mark.parametrize("data", [b"\x81\x80\x80\x02", b"\xff\xff\xff\xff\x01", b"\x80\x00"])
def test_a_length__malformed__too_large_or_not_shortest(data: bytes) -> None:
    with pytest.raises(Malformed):
        Framer().feed(data)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
