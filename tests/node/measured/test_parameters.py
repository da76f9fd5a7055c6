"""What a buyer may choose: the part of JSON Schema that is read, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.node.measured.parameters import (
    Parameters,
    ParametersRefused,
    of_texts,
    to_texts,
)

SPECTACLES = Path(__file__).parents[3] / "node" / "demo" / "designs" / "spectacles"
PROPERTIES: dict[str, Any] = {
    "pd": {"type": "number", "default": 64, "minimum": 52, "maximum": 76, "multipleOf": 0.1},
    "holes": {"type": "integer", "default": 2, "minimum": 0, "unit": "pieces"},
    "side": {"type": "string", "default": "left", "enum": ["left", "right"]},
    "name": {"type": "string", "default": "", "maxLength": 5},
    "round": {"type": "boolean", "default": False},
}


def a_schema(**changes: Any) -> bytes:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": PROPERTIES,
        "checks": [{"holds": "holes < pd / 10", "says": "so many holes do not fit"}],
    }
    return json.dumps(schema | changes).encode()


@pytest.mark.rule("MEASURES-1")
def test_what_is_not_chosen_is_as_by_default_and_what_is_typed_gets_its_type() -> None:
    chosen = Parameters(a_schema()).read({"pd": "62.3", "round": "true", "name": "Åsa"})

    assert chosen == {"pd": 62.3, "holes": 2, "side": "left", "name": "Åsa", "round": True}
    assert of_texts(to_texts(chosen)) == chosen


@pytest.mark.rule("MEASURES-1")
@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"pd": "40"}, "pd is 40; choose 52 to 76"),
        ({"pd": "62.37"}, "pd is 62.37; choose 52 to 76"),
        ({"pd": "wide"}, "pd: 'wide' is none; choose 52 to 76"),
        ({"pd": "NaN"}, "pd: 'NaN' is none"),
        ({"pd": "true"}, "pd: 'true' is none"),
        ({"holes": "2.5"}, "holes is 2.5; choose 0 pieces or more"),
        ({"holes": "1" * 400}, "holes: '1+' is none"),
        ({"side": "up"}, 'side is "up"; choose "left" or "right"'),
        ({"name": "Alexandra"}, "at most 5 letters"),
        ({"name": "a\nb"}, "one line"),
        ({"round": "1"}, "round: '1' is none; choose true or false"),
        ({"nose": "1"}, "nose: no such parameter; there are pd, holes"),
        ({"holes": "7"}, r"so many holes do not fit \(holes < pd / 10\)"),
    ],
)
def test_what_may_not_be_chosen_is_refused_with_the_limits(typed: dict[str, str], why: str) -> None:
    with pytest.raises(ParametersRefused, match=why):
        Parameters(a_schema()).read(typed)


@pytest.mark.rule("MEASURES-1")
@pytest.mark.parametrize(
    "changes",
    [
        {"properties": {}},
        {"properties": {"a b": {"type": "number", "default": 1}}},
        {"properties": {"pd": {"type": "number"}}},
        {"properties": {"pd": {"type": "number", "default": 1, "maximum": 0}}},
        {"properties": {"pd": {"type": "string", "default": "a", "pattern": "(a+)+$"}}},
        {"properties": {"pd": {"$ref": "https://example.org/x"}}},
        {"properties": {f"p{n}": {"type": "number", "default": 1} for n in range(65)}},
        {"properties": {"pd": {"type": "array", "default": 1}}},
        {"properties": {"pd": {"type": "number", "default": 1, "multipleOf": 0}}},
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"$defs": {}},
        {"additionalProperties": True},
        {"checks": [{"holds": "pd > 1000", "says": "never"}]},
        {"checks": [{"holds": "exit()", "says": "harm"}]},
        {"title": "x" * 70_000},
    ],
)
def test_a_schema_outside_of_what_is_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ParametersRefused):
        Parameters(a_schema(**changes))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_schema_are_refused(data: bytes) -> None:
    with pytest.raises(ParametersRefused):
        Parameters(data)


@pytest.mark.rule("MEASURES-4")
@pytest.mark.parametrize("text", ["", "[", "[1]", "null", "{}", "[" * 5000])
def test_values_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParametersRefused):
        of_texts({"pd": text})


def test_the_spectacles_say_when_lenses_and_nose_do_not_fit_together() -> None:
    spectacles = Parameters((SPECTACLES / "parameters.json").read_bytes())

    with pytest.raises(ParametersRefused, match="less room than the bridge asks for"):
        spectacles.read({"pd": "58", "lens_width": "46"})
