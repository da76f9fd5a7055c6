"""Tariffs: what an owner asks besides time and material."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from commonfab.scheduler.terms import PLAIN, Step, Tariff

SHOP = Tariff(setup_minor=200, minimum_minor=500, steps=(Step(10, 15), Step(100, 30)))


def test_a_plain_tariff_asks_for_time_and_material_alone_rounded_up() -> None:
    assert PLAIN.price_minor(Fraction(1001, 10), 3) == 101


def test_the_largest_step_that_is_reached_counts_and_not_for_the_set_up() -> None:
    assert SHOP.price_minor(Fraction(1000), 9) == 1200
    assert SHOP.price_minor(Fraction(1000), 10) == 1050
    assert SHOP.price_minor(Fraction(1000), 250) == 900


def test_nothing_is_made_below_the_minimum_but_as_a_gift() -> None:
    assert SHOP.price_minor(Fraction(1), 1) == 500
    assert Tariff(minimum_minor=500, gift=True).price_minor(Fraction(9), 1) == 0


@given(minor=st.fractions(0, 10**9), pieces=st.integers(1, 10**4), more=st.fractions(0, 10**6))
def test_more_time_and_material_never_cost_less(
    minor: Fraction, pieces: int, more: Fraction
) -> None:
    assert SHOP.price_minor(minor + more, pieces) >= SHOP.price_minor(minor, pieces)
