"""Fields of protobuf: read as they were written, and refused when they are cut or bent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.errors import Malformed
from commonfab.protocol.protobuf import body_of, field, fields, number_of, once, read_varint, varint


@given(st.integers(0, (1 << 64) - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    data = varint(number)

    assert read_varint(memoryview(data), 0) == (number, len(data))


@given(st.lists(st.tuples(st.integers(1, 15), st.binary(max_size=40)), max_size=8))
def test_fields_are_read_as_they_were_written(written: list[tuple[int, bytes]]) -> None:
    data = b"".join(field(number, body) for number, body in written)

    assert [(number, bytes(body_of(value))) for number, value in fields(memoryview(data))] == [
        *written
    ]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        list(fields(memoryview(data)))
    except Malformed:
        return


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x02a", b"\x80\x00\x01", b"\x0b", b"\x02\x00"])
def test_what_is_cut_or_bent_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(fields(memoryview(data)))


def test_a_value_of_another_kind_or_a_second_one_is_malformed() -> None:
    with pytest.raises(Malformed, match="number where"):
        body_of(1)
    with pytest.raises(Malformed, match="bytes where"):
        number_of(memoryview(b""))
    with pytest.raises(Malformed, match="twice"):
        once(1, 2)
