"""How requests that wait for a person look."""

import pytest

from commonfab.node.answers.requests import RequestLine
from commonfab.node.cli.requests import print_requests

LINE = RequestLine(
    id="ab" * 32,
    buyer="12D3KooWAlice",
    buyer_name="Alice \x1b[2J",
    part="bracket",
    design="Shelf",
    material="PLA",
    pieces=12,
    seconds=7_200,
    by=0,
    at=1_900_000_000_000,
    until=1_900_100_000_000,
)


def test_a_request_is_one_line_with_all_that_a_decision_needs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_requests([LINE])

    said = capsys.readouterr().out
    assert "abababab" in said
    assert "bracket (Shelf)" in said
    assert "2 h" in said
    assert "\x1b" not in said
