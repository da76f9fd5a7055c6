"""The answer that names peers: bounded, and refused where it is anything else."""

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.protocol.meeting import introductions
from commonfab.protocol.meeting.introductions import (
    INTRODUCED_ADDRESSES_MAX,
    INTRODUCED_MAX,
    INTRODUCTION_BYTES_MAX,
    Introduced,
    Known,
)

ONE = Introduced(node=b"n" * 32, addresses=("/ip4/192.0.2.7/tcp/4411",))


@pytest.mark.rule("INTRODUCTIONS-1")
def test_a_full_answer_fits_its_bound_and_reads_back() -> None:
    full = Introduced(node=b"n" * 32, addresses=("a" * 256,) * INTRODUCED_ADDRESSES_MAX)
    known = Known((full,) * INTRODUCED_MAX)

    data = introductions.encode(known)

    assert len(data) <= INTRODUCTION_BYTES_MAX
    assert introductions.decode(data) == known


@pytest.mark.rule("INTRODUCTIONS-1")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(INTRODUCTION_BYTES_MAX + 1),
        introductions.encode(Known((ONE,) * (INTRODUCED_MAX + 1))),
        introductions.encode(Known((Introduced(node=b"n", addresses=("a",)),))),
        introductions.encode(Known((Introduced(node=b"n" * 32, addresses=()),))),
        introductions.encode(Known((Introduced(node=b"n" * 32, addresses=("a",) * 3),))),
        b"\x82\xa5nodes\x90\xa1x\x01",
        introductions.encode(Known((ONE,))).replace(b"4411", b"\xff\xfe\xfd\xfc"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        introductions.decode(data)
