"""Any history at all: letters lost, doubled, mixed up, made up; nodes that die; clocks set back."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.protocol import events
from commonfab.protocol.ids import OrderId
from tests.builders import ORDER
from tests.protocol.table import Table, play

# A seed and a length: shorter histories are tried first, and are what a failure shrinks to.
histories = st.tuples(st.integers(0, 2**32), st.integers(0, 100))
slow = settings(max_examples=150, deadline=None)


@pytest.mark.rule("LEASE-1")
@pytest.mark.rule("LEASE-11")
@pytest.mark.rule("LEASE-15")
@pytest.mark.rule("LEASE-17")
@slow
@given(histories)
def test_no_history_leads_to_overlaps_second_grants_or_pieces_from_nowhere(
    history: tuple[int, int],
) -> None:
    random, steps = Random(history[0]), history[1]
    table = Table()
    for _ in range(steps):
        play(table, random)
        table.check()


@pytest.mark.rule("LEASE-22")
@slow
@given(histories)
def test_at_any_moment_the_disks_give_back_what_matters(history: tuple[int, int]) -> None:
    random, steps = Random(history[0]), history[1]
    table = Table()
    table.check_restored()
    for _ in range(steps):
        play(table, random)
        table.check_restored()


@pytest.mark.rule("LEASE-15")
@pytest.mark.rule("LEASE-22")
@slow
@given(histories, st.booleans())
def test_every_history_comes_to_an_end_with_all_pieces_accounted_for(
    history: tuple[int, int], is_cancelled: bool
) -> None:
    random, steps = Random(history[0]), history[1]
    table = Table()
    for _ in range(steps):
        play(table, random)
    if is_cancelled:
        table.letters += table.alice.happen(events.Cancelled(OrderId(ORDER)))

    for which in range(3):
        table.restart(which)
    table.settle()

    table.check()
    table.check_ended()


OWNERS_WRITES = (
    "request",
    "offer",
    "acceptance",
    "window",
    "lease",
    "grant",
    "release",
    "receipt/mk",
    "receipt/confirmed",
)
BUYERS_WRITES = (
    "request",
    "offer",
    "acceptance",
    "lease",
    "grant",
    "release",
    "receipt/mk",
    "receipt/confirmed",
)


@pytest.mark.rule("LEASE-2")
@pytest.mark.parametrize("forgotten", OWNERS_WRITES)
def test_an_owner_that_forgets_one_kind_of_durable_write_is_caught(forgotten: str) -> None:
    assert any(is_caught(seed, "bob", forgotten) for seed in range(40))


@pytest.mark.rule("LEASE-2")
@pytest.mark.parametrize("forgotten", BUYERS_WRITES)
def test_a_buyer_that_forgets_one_kind_of_durable_write_is_caught(forgotten: str) -> None:
    assert any(is_caught(seed, "alice", forgotten) for seed in range(40))


def is_caught(seed: int, who: str, forgotten: str) -> bool:
    """Tell whether some history shows that a node did not keep what it should have kept."""
    random, table = Random(seed), Table()
    getattr(table, who).forgets = forgotten
    try:
        for _ in range(80):
            play(table, random)
            table.check_restored()
    except (AssertionError, KeyError):
        return True
    return False


def test_nobody_is_caught_who_forgets_nothing() -> None:
    assert not any(is_caught(seed, "bob", "nothing") for seed in range(10))
