"""Allowances: so much at once, so much a second, and a bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.gossip.allowance import Allowances


def test_what_is_used_up_comes_back_with_time() -> None:
    allowances = Allowances[str](per_s=2, burst=3, users_max=10)

    assert [allowances.take("bob", 1, 0) for _ in range(4)] == [True, True, True, False]
    assert not allowances.take("bob", 1, 499)
    assert [allowances.may("bob", 1, at) for at in (499, 500, 500)] == [False, True, True]
    assert allowances.take("bob", 1, 500)
    assert allowances.take("carol", 3, 500)


def test_the_one_who_was_here_least_recently_is_forgotten() -> None:
    allowances = Allowances[int](per_s=0, burst=1, users_max=2)
    for user in (1, 2, 3):
        allowances.take(user, 1, 0)

    assert not allowances.take(3, 1, 0)
    assert allowances.take(1, 1, 0)


@given(st.lists(st.tuples(st.integers(0, 2000), st.floats(0, 5)), max_size=50))
def test_nobody_gets_more_than_the_burst_and_what_came_since(
    asked: list[tuple[int, float]],
) -> None:
    allowances = Allowances[str](per_s=2, burst=3, users_max=10)
    now, got = 0, 0.0
    for wait_ms, cost in asked:
        now += wait_ms
        got += cost if allowances.take("eve", cost, now) else 0

    assert got <= 3 + 2 * now / 1000 + 1e-6
