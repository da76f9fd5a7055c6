"""CIDs: one text and one binary form each, and everything unknown refused by name."""

import hashlib
from base64 import b32encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.multihash import HASHES
from commonfab.storage.cid import CID, DAG_PB, INLINE_BYTES_MAX, RAW, Version

HELLO = b"hello world"
HELLO_V1 = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
SHA2_512 = (
    "bafkrgqbqt3gerhas23vuzrapkdeqf4vu2dwxp3srdj6hvg6nhsug2tgyn6mj3u23yx7utftq3i2ckw2fwdh5qmhid5qf"
    "3t35yvkc5e5ottlw6"
)
BLAKE3 = "bafkr4igxjga67jykbseaxdmmdgc5a5o3zp3htom2l6mrjznk7fvyggu6eq"
BLAKE2B = "bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba"
FOLDER_V0 = "QmWSgS32xQEcXMeqd3YPJLrNBLSdsfYCep2U7CFkyrjXwY"
DIGEST = hashlib.sha256(HELLO).digest()


def text_of(data: bytes) -> str:
    return "b" + b32encode(data).decode().lower().rstrip("=")


def varint(value: int) -> bytes:
    return bytes((value & 0x7F | 0x80, value >> 7)) if value > 0x7F else bytes((value,))


def named(data: bytes, version: Version) -> CID:
    return CID.of(data, codec=DAG_PB, version=version)


cids = st.builds(CID.of, st.binary(max_size=40), codec=st.just(RAW)) | st.builds(
    named, st.binary(max_size=40), st.sampled_from((0, 1))
)


@pytest.mark.rule("UNIXFS-2")
def test_a_raw_block_has_the_name_that_kubo_gives_it() -> None:
    cid = CID.of(HELLO, codec=RAW)

    assert str(cid) == HELLO_V1
    assert CID.parse(HELLO_V1) == cid
    assert cid.names(HELLO)
    assert not cid.names(HELLO + b"!")


@given(cids)
def test_both_forms_of_a_cid_lead_back_to_it(cid: CID) -> None:
    assert CID.parse(str(cid)) == cid
    assert CID.from_bytes(bytes(cid)) == cid


def test_version_0_is_base58_and_names_the_same_block_as_its_version_1() -> None:
    cid = CID.parse(FOLDER_V0)

    assert (cid.version, cid.codec, str(cid)) == (0, DAG_PB, FOLDER_V0)
    assert cid.as_v1() == CID(1, DAG_PB, cid.multihash)
    assert str(cid.as_v1()).startswith("bafybei")


def test_only_what_version_0_can_say_has_both_versions() -> None:
    old = CID.parse(FOLDER_V0)
    raw = CID.of(b"", codec=RAW)
    long = CID(1, DAG_PB, HASHES[1].prefix + HASHES[1].digest(b""))

    assert old.versions() == old.as_v1().versions() == (old.as_v1(), old)
    assert (raw.versions(), long.versions()) == ((raw,), (long,))


@pytest.mark.rule("UNIXFS-2")
@pytest.mark.parametrize(
    ("codec", "name"),
    [(0x71, r"dag-cbor \(0x71\)"), (0x72, "libp2p-key"), (0x0129, "dag-json"), (0x51, "cbor")],
)
def test_an_unknown_codec_is_refused_by_name(codec: int, name: str) -> None:
    data = b"\x01" + varint(codec) + b"\x12\x20" + DIGEST

    with pytest.raises(Malformed, match=name):
        CID.from_bytes(data)
    with pytest.raises(Malformed, match=name):
        CID.parse(text_of(data))


@pytest.mark.rule("UNIXFS-2")
@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        (b"\x11\x14", r"hash sha1 \(0x11\); sha2-256, sha2-512, blake3, blake2b-256 are read"),
        (b"\x16\x20", "sha3-256"),
        (b"\x77\x20", "0x77"),
        (b"\xc0\xe4\x02\x40", "blake2b-512"),
        (b"\x13\x40", "a cut sha2-512; a whole one has 64 bytes"),
        (b"\x1e\x10", "a cut blake3; a whole one has 32 bytes"),
    ],
)
def test_an_unknown_hash_is_refused_by_name(prefix: bytes, name: str) -> None:
    data = b"\x01\x55" + prefix + DIGEST

    with pytest.raises(Malformed, match=name):
        CID.from_bytes(data)


@pytest.mark.rule("UNIXFS-2")
@pytest.mark.parametrize(
    "text",
    [
        # `ipfs add --hash=… --raw-leaves` of "hello world", by Kubo 0.42.0.
        HELLO_V1,
        SHA2_512,
        BLAKE3,
        BLAKE2B,
    ],
)
def test_a_cid_of_each_known_hash_names_its_block_and_no_other(text: str) -> None:
    cid = CID.parse(text)

    assert str(cid) == text
    assert CID.from_bytes(bytes(cid)) == cid
    assert cid.inline is None
    assert cid.names(HELLO)
    assert not cid.names(HELLO + b"!")


@pytest.mark.rule("UNIXFS-10")
@given(st.binary(max_size=INLINE_BYTES_MAX))
def test_a_cid_can_have_its_block_in_it(data: bytes) -> None:
    cid = CID.from_bytes(b"\x01\x55\x00" + varint(len(data)) + data)

    assert cid.inline == data
    assert cid.names(data)
    assert not cid.names(data + b"!")
    assert CID.parse(str(cid)) == cid


@pytest.mark.rule("UNIXFS-10")
@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (b"\x00" + varint(129) + bytes(129), "with 129 bytes in it; at most 128 are read"),
        (b"\x00\x05" + bytes(4), "with 4 bytes in it that claims 5"),
        (b"\x00\x05" + bytes(6), "with 6 bytes in it that claims 5"),
        (b"\x00\x85\x00" + bytes(5), "not in its shortest form"),
        (b"\x00", "not a CID"),
        (b"\x00\xff\xff\xff\xff\xff", "not a CID"),
    ],
)
def test_a_cid_that_lies_about_what_is_in_it_is_malformed(tail: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        CID.from_bytes(b"\x01\x55" + tail)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "hello",
        HELLO_V1.upper(),
        HELLO_V1[:-1],
        HELLO_V1 + "a",
        HELLO_V1[:-1] + "f",  # the same 36 bytes, with other padding bits
        "z" + HELLO_V1,
        HELLO_V1 + "=",
        "b" + HELLO_V1,
        FOLDER_V0[:-1],
        FOLDER_V0[:-1] + "0",
        FOLDER_V0[:-1] + "é",
        "b" * 100_000,
        text_of(b"\x12\x20" + DIGEST),  # a version 0 in the clothes of version 1
        text_of(b"\x02\x55\x12\x20" + DIGEST),
        text_of(b"\x01\x55\x12\x1f" + DIGEST[:-1]),
        text_of(b"\x01\xd5\x00\x12\x20" + DIGEST),  # raw, written longer than need be
    ],
)
def test_a_text_that_is_not_one_cid_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        CID.parse(text)


@given(st.text(max_size=80) | st.binary(max_size=40).map(text_of))
def test_whatever_is_read_as_a_cid_prints_as_it_was(text: str) -> None:
    try:
        cid = CID.parse(text)
    except Malformed:
        return
    assert str(cid) == text


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\x01\x55" + tail))
def test_bytes_are_one_cid_or_malformed(data: bytes) -> None:
    try:
        cid = CID.from_bytes(data)
    except Malformed:
        return
    assert bytes(cid) == data
