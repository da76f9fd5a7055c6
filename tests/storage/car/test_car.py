"""CAR files: what is written, what is read of them, and what no file can do to a reader."""

import io
import os
import resource
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from commonfab.storage.car.car import (
    HEADER_BYTES_MAX,
    ROOTS_MAX,
    Block,
    Damage,
    Item,
    Reader,
    Refused,
    encode_header,
    encode_section,
)
from commonfab.storage.cid import CID, DAG_PB, RAW
from tests.vectors import load

HELLO, HELLO_CID = b"hello", CID.of(b"hello", codec=RAW)
WORLD, WORLD_CID = b"world", CID.of(b"world", codec=RAW)
HEADER = encode_header([HELLO_CID])
SECTION = encode_section(HELLO_CID, HELLO)
PRAGMA = bytes.fromhex("0aa16776657273696f6e02")


def read(data: bytes) -> tuple[Reader, list[Item]]:
    reader = Reader(io.BytesIO(data), len(data))
    return reader, list(reader.items())


def items(*sections: bytes) -> list[Item]:
    return read(HEADER + b"".join(sections))[1]


def good(found: list[Item]) -> list[tuple[CID, bytes]]:
    return [(item.cid, item.data) for item in found if isinstance(item, Block)]


def section(cid: bytes, data: bytes) -> bytes:
    """Return a section with any bytes for a CID."""
    length = len(cid) + len(data)
    assert length < 1 << 14
    head = bytes((length,)) if length < 128 else bytes((length & 0x7F | 0x80, length >> 7))
    return head + cid + data


def version_2(inner: bytes, *, at: int = 51, size: int | None = None, after: bytes = b"") -> bytes:
    length = len(inner) if size is None else size
    numbers = (at, length, at + length)
    header = bytes(16) + b"".join(number.to_bytes(8, "little") for number in numbers)
    return PRAGMA + header + bytes(at - 51) + inner + after


@pytest.mark.rule("BUNDLE-1")
@pytest.mark.parametrize("case", load("bundle"), ids=lambda case: case["name"])
def test_a_vector_is_read_as_it_says(case: dict[str, object]) -> None:
    data = bytes.fromhex(str(case["file"]))
    if "refused_at_once" in case:
        with pytest.raises(Malformed, match=str(case["refused_at_once"])):
            read(data)
        return

    reader, found = read(data)

    assert [str(root) for root in reader.header.roots] == case["roots"]
    assert [str(item.cid) for item in found if isinstance(item, Block)] == case["blocks"]
    assert sum(isinstance(item, Refused) for item in found) == case["refused"]
    assert any(isinstance(item, Damage) for item in found) == case["damaged"]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 3))
def test_what_is_written_is_read_back(datas: list[bytes], roots: int) -> None:
    blocks = [(CID.of(data, codec=RAW), data) for data in datas]
    named = [cid for cid, _ in blocks][:roots]
    data = encode_header(named) + b"".join(encode_section(*block) for block in blocks)

    reader, found = read(data)

    assert reader.header.roots == tuple(named)
    assert good(found) == blocks
    assert len(found) == len(blocks)
    for item in found:
        assert isinstance(item, Block)
        assert data[item.at : item.at + len(item.data)] == item.data


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256, ROOTS_MAX])
def test_a_header_has_any_number_of_roots_up_to_the_bound(count: int) -> None:
    reader, _ = read(encode_header([HELLO_CID] * count))

    assert reader.header.roots == (HELLO_CID,) * count


def test_both_versions_of_a_cid_are_read() -> None:
    node = bytes.fromhex("0a020801")
    cid = CID.of(node, codec=DAG_PB, version=0)

    assert good(items(encode_section(cid, node), SECTION)) == [(cid, node), (HELLO_CID, HELLO)]


@pytest.mark.rule("BUNDLE-2")
def test_a_block_with_another_hash_is_refused_alone() -> None:
    found = items(encode_section(HELLO_CID, b"jello"), encode_section(WORLD_CID, WORLD))

    assert isinstance(found[0], Refused)
    assert "does not have the bytes that its name says" in found[0].why
    assert good(found) == [(WORLD_CID, WORLD)]


def test_a_cycle_can_be_claimed_and_not_made() -> None:
    """A node that links to itself would have to have its own hash in it."""
    link = bytes(HELLO_CID)[:1] + b"\x70" + bytes(HELLO_CID)[2:]
    node = b"\x12" + bytes((len(link) + 2,)) + b"\x0a" + bytes((len(link),)) + link

    found = items(section(link, node))

    assert [type(item) for item in found] == [Refused]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("01711220" + "00" * 32, "dag-cbor"),
        ("01551114" + "00" * 20, "sha1"),
        ("0155" + "122000", "sha2-256|CID"),
        ("0355" + "1220" + "00" * 32, "version 3"),
        ("018055" + "1220" + "00" * 32, "CID"),
        ("0155" + "12" + "ff" * 8, "CID|number"),
        ("0155", "CID of 105 bytes"),
    ],
)
def test_a_cid_of_another_kind_is_refused_alone(name: str, says: str) -> None:
    found = items(section(bytes.fromhex(name), HELLO), SECTION)

    assert isinstance(found[0], Refused)
    assert any(each in found[0].why for each in says.split("|")), found[0].why
    assert good(found) == [(HELLO_CID, HELLO)]


def test_a_block_that_is_in_its_own_name_is_passed_over_unless_it_lies() -> None:
    honest = section(b"\x01\x55\x00\x05hello", HELLO)
    lie = section(b"\x01\x55\x00\x05hello", WORLD)

    found = items(honest, lie, SECTION)

    assert [type(item) for item in found] == [Refused, Block]


def test_a_block_over_the_bound_is_skipped_unread() -> None:
    large = bytes(BLOCK_BYTES_MAX + 1000)
    found = items(encode_section(CID.of(large, codec=RAW), large), SECTION)

    assert isinstance(found[0], Refused)
    assert good(found) == [(HELLO_CID, HELLO)]
    whole = bytes(BLOCK_BYTES_MAX)
    assert len(good(items(encode_section(CID.of(whole, codec=RAW), whole)))) == 1


@pytest.mark.rule("BUNDLE-2")
@pytest.mark.parametrize(
    ("end", "says"),
    [
        (b"\x00" + SECTION, "no bytes"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x10" + SECTION, "claims 1152921504606846976 bytes"),
        (b"\xff" * 10 + SECTION, "63 bits"),
        (b"\xa9\x00" + SECTION[1:], "shortest form"),
        (b"\xa9", "early"),
        (b"\x29\x01\x55", "claims 41 bytes, and 2 are left"),
        (SECTION[:-1], "claims 41 bytes, and 40 are left"),
    ],
)
def test_a_wrong_length_ends_the_reading_and_what_came_before_counts(end: bytes, says: str) -> None:
    found = items(SECTION, end)

    assert good(found) == [(HELLO_CID, HELLO)]
    last = found[-1]
    assert isinstance(last, Damage)
    assert says in last.why
    assert last.at == len(HEADER) + len(SECTION)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "ends"),
        (HEADER[:20], "ends"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x10" + bytes(100), "a header of 1152921504606846976"),
        (b"\xff\xff\x7f" + bytes(3_000_000), f"at most {HEADER_BYTES_MAX}"),
        (b"\x05hello", "its header"),
        (HEADER[:-1] + b"\x03", "its header"),
        (HEADER.replace(b"version", b"versiom"), "its header"),
        (b"\x00", "its header"),
        (b"PK\x03\x04" + bytes(200), "its header|ends"),
    ],
)
def test_what_is_no_car_is_refused_at_once(data: bytes, says: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(data)

    assert any(each in str(refused.value) for each in says.split("|"))


def test_a_header_bomb_is_refused_before_it_is_built() -> None:
    body = b"\xa2\x65roots\x9b" + b"\xff" * 8 + b"\x67version\x01"
    nested = b"\xa2\x65roots" + b"\x81" * 10_000 + b"\x67version\x01"
    many = encode_header([HELLO_CID] * ROOTS_MAX).replace(b"\x99\x03\xe8", b"\x99\x03\xe9")

    for data in (bytes((len(body),)) + body, b"\x9f\x4e" + nested, many):
        with pytest.raises(Malformed):
            read(data)


def test_a_root_of_another_kind_is_told_and_the_others_count() -> None:
    strange = encode_header([HELLO_CID]).replace(b"\x01\x55\x12\x20", b"\x01\x71\x12\x20")

    reader, _ = read(strange + SECTION)

    assert reader.header.roots == ()
    assert "dag-cbor" in reader.header.strange[0]


def test_version_2_is_read_for_the_version_1_inside_it() -> None:
    data = version_2(HEADER + SECTION, at=80, after=b"an index" * 100)

    reader, found = read(data)

    assert (reader.header.version, reader.header.roots) == (2, (HELLO_CID,))
    assert good(found) == [(HELLO_CID, HELLO)]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (PRAGMA, "ends"),
        (version_2(HEADER, size=0), "never finished"),
        (version_2(HEADER, at=60)[:11] + bytes(16) + b"\x32" + bytes(7) + b"\xff" * 20, "begin"),
        (version_2(PRAGMA + SECTION), "its header"),
    ],
)
def test_a_wrong_version_2_is_refused_at_once(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        read(data)


def test_version_2_that_ends_early_says_so_though_its_last_block_is_whole() -> None:
    data = version_2(HEADER + SECTION, size=len(HEADER + SECTION) * 2)

    _, found = read(data)

    assert good(found) == [(HELLO_CID, HELLO)]
    assert isinstance(found[-1], Damage)
    assert "early" in found[-1].why


def test_a_disk_that_stops_giving_ends_the_reading() -> None:
    class Pulled(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= len(HEADER) + len(SECTION):
                raise OSError(5, "Input/output error")
            return super().read(size)

    data = HEADER + SECTION * 2
    found = list(Reader(Pulled(data), len(data)).items())

    assert good(found) == [(HELLO_CID, HELLO)]
    assert isinstance(found[-1], Damage)
    assert "Input/output error" in found[-1].why


def test_a_file_that_shrinks_while_it_is_read_ends_the_reading() -> None:
    data = HEADER + SECTION * 2
    found = list(Reader(io.BytesIO(data[:-3]), len(data)).items())

    assert good(found) == [(HELLO_CID, HELLO)]
    assert isinstance(found[-1], Damage)


SAMPLE = HEADER + SECTION + encode_section(WORLD_CID, WORLD) + encode_section(HELLO_CID, HELLO)
SAMPLES = (SAMPLE, version_2(SAMPLE, after=b"index"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.integers(0, 2**32), st.integers(1, 4))
def test_no_change_of_a_file_gives_a_wrong_block_or_another_error(
    data: bytes, seed: int, changes: int
) -> None:
    random = Random(seed)
    mutant = bytearray(data)
    for _ in range(changes):
        at = random.randrange(len(mutant))
        match random.randrange(4):
            case 0:
                mutant[at] ^= 1 << random.randrange(8)
            case 1:
                del mutant[at : at + random.randrange(1, 30)]
                mutant += b"\x00"
            case 2:
                mutant[at:at] = random.randbytes(random.randrange(1, 12))
            case _:
                mutant[at:at] = mutant[: random.randrange(len(mutant))]
    try:
        _, found = read(bytes(mutant))
    except Malformed:
        return

    for cid, block in good(found):
        assert cid.names(block)
    assert not any(isinstance(item, Damage) for item in found[:-1])


@given(st.integers(0, len(SAMPLE)))
def test_a_file_cut_anywhere_gives_what_was_whole(cut: int) -> None:
    if cut < len(HEADER):
        with pytest.raises(Malformed):
            read(SAMPLE[:cut])
        return

    _, found = read(SAMPLE[:cut])

    whole = (cut - len(HEADER)) // len(SECTION)
    assert len(good(found)) == whole
    is_between = (cut - len(HEADER)) % len(SECTION) == 0
    assert any(isinstance(item, Damage) for item in found) != is_between


def test_endless_tiny_sections_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "tiny.car"
    count = 60_000
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(count // 1000):
            file.write(SECTION * 500 + section(b"\x01\x71\x00\x00", b"") * 500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with path.open("rb") as file:
        reader = Reader(file, os.path.getsize(path))
        kinds = [0, 0]
        for item in reader.items():
            kinds[isinstance(item, Block)] += 1

    assert kinds == [count // 2, count // 2]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16_000
