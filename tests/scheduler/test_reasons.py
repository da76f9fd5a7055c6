"""The sentences, with their numbers."""

import pytest

from commonfab.scheduler import reasons


def test_each_reason_says_what_is_there_and_what_is_needed() -> None:
    assert (
        reasons.process("laser-cutting", "fff-printing") == "does laser-cutting, not fff-printing"
    )
    assert reasons.volume((60_000, 120_000, 80_000), (100_000,) * 3) == (
        "needs 120 x 80 x 60 mm, has 100 x 100 x 100 mm"
    )
    assert reasons.material(["ABS", "PLA", "TPU"], "PETG") == "has ABS, PLA and TPU, not PETG"
    assert reasons.material([], "PETG") == "has no material, needs PETG"
    assert reasons.stock("PETG", 40_000, 112_000) == "has 40 g of PETG, needs 112 g"
    assert reasons.deadline(19_200_000, 7_800_000) == (
        "would bring it in 5 h 20 min, 2 h 10 min too late"
    )


def test_numbers_that_differ_are_told_apart() -> None:
    assert reasons.stock("PLA", 40_000, 40_001) == "has 40.000 g of PLA, needs 40.001 g"
    assert reasons.stock("PLA", 40_000, 40_400) == "has 40.0 g of PLA, needs 40.4 g"
    assert reasons.volume((1_001,) * 3, (1_000,) * 3) == (
        "needs 1.001 x 1.001 x 1.001 mm, has 1 x 1 x 1 mm"
    )
    assert reasons.hours(32_400_000, 32_401_000) == (
        "is open for at most 0.375000 d at a time, needs 0.375012 d"
    )
    assert reasons.trust(0.3, 0.301) == ("has standing 0.300, below the 0.301 that is asked for")
    assert reasons.distance(100_001, 100) == (
        "is 100.001 km away, beyond the 100.000 km that are allowed"
    )
    assert "31.01 d" in reasons.horizon(31 * 86_400_000 + 600_000, 31 * 86_400_000)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (1, "0.001 s"),
        (45_000, "45 s"),
        (59_999, "1 min 00 s"),
        (3_900_000, "1 h 05 min"),
        (86_400_000 + 7_200_000, "1 d 2 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(milliseconds: int, words: str) -> None:
    assert reasons.duration(milliseconds) == words
