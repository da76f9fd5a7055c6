"""The bounds: each has a reason and a use, and they allow each other."""

import ast
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from commonfab.protocol import encoding, limits
from commonfab.protocol.records import KINDS
from tests.protocol.record_forms import MOST, fields_of

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "protocol" / "limits.py"
NAMES = [name for name in vars(limits) if name.isupper()]
FOLDERS = ("protocol", "storage", "scheduler", "node")
UNITS = {"KIB", "MIB", "SECOND_MS", "MINUTE_MS", "HOUR_MS", "DAY_MS"}


def depth_of(value: encoding.Value) -> int:
    """Return how deep maps and arrays are nested."""
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case _:
            return 0


@pytest.mark.parametrize("name", NAMES)
def test_a_bound_is_a_positive_integer_whose_name_says_its_unit(name: str) -> None:
    value = getattr(limits, name)

    assert type(value) is int
    assert value > 0
    assert name in UNITS or any(
        unit in name.split("_")
        for unit in ("BYTES", "MS", "MAX")  # a count needs no more than its noun and MAX
    )


@pytest.mark.rule("LIMITS-1")
@pytest.mark.parametrize("name", sorted(set(NAMES) - UNITS))
def test_a_bound_is_used_by_the_code(name: str) -> None:
    """Which code, and that it refuses what is beyond, is for the tests of that code."""
    assert name in names_in_the_code()


@cache
def names_in_the_code() -> set[str]:
    paths = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    nodes = (ast.walk(ast.parse(path.read_text())) for path in paths if path != SOURCE)
    return {node.id for node in chain.from_iterable(nodes) if isinstance(node, ast.Name)}


@pytest.mark.rule("LIMITS-2")
def test_every_record_is_well_within_the_bounds_of_the_encoding() -> None:
    deepest = max(depth_of(MOST.body(struct)) for struct in KINDS.values())
    widest = max(len(fields_of(struct)) for struct in KINDS.values())

    assert (deepest, widest) == (5, 19), "specs/limits.md gives these numbers"
    assert deepest < limits.DEPTH_MAX
    assert widest < limits.MAP_KEYS_MAX


@pytest.mark.rule("LIMITS-2")
def test_messages_hold_what_they_are_for() -> None:
    assert limits.BODY_BYTES_MAX + 171 <= limits.HALF_BYTES_MAX
    assert limits.PROOF_BYTES_MAX + 171 <= limits.ENVELOPE_BYTES_MAX
    assert limits.ENVELOPE_BYTES_MAX < limits.FRAME_BYTES_MAX
    assert limits.BLOCK_BYTES_MAX < limits.FRAME_BYTES_MAX
    assert limits.BITSWAP_WANTS_MAX <= limits.BITSWAP_ITEMS_MAX
    assert limits.SYNC_IDS_MAX * 8 < limits.SYNC_MESSAGE_BYTES_MAX < limits.FRAME_BYTES_MAX


@pytest.mark.rule("LIMITS-2")
def test_times_follow_one_another() -> None:
    assert limits.CLOCK_SKEW_MS_MAX < limits.REQUEST_TERM_MS < limits.CAPACITY_TERM_MS_MAX
    assert limits.HOLD_MS_MAX < limits.REQUEST_TERM_MS
    assert limits.GRACE_MS_MIN < limits.GRACE_MS_MAX < limits.LEASE_TERM_MS_MAX
