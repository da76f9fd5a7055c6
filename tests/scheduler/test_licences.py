"""Which designs a maker with a list of licences makes."""

import pytest

from commonfab.scheduler.licences import allows

LISTED = ("MIT", "CERN-OHL-S-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-my own")


@pytest.mark.rule("SCHED-22")
@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "mit",
        "MIT OR GPL-3.0-only",
        "GPL-3.0-only OR MIT",
        "MIT AND CERN-OHL-S-2.0",
        "(GPL-3.0-only OR MIT) AND CERN-OHL-S-2.0",
        "GPL-3.0-only AND ISC OR MIT",
        "MIT WITH Some-exception",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "LicenseRef-my  own",
    ],
)
def test_a_design_under_what_is_listed_is_made(expression: str) -> None:
    assert allows(LISTED, expression)


@pytest.mark.rule("SCHED-22")
@pytest.mark.parametrize(
    "expression",
    [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT AND (ISC OR GPL-3.0-only)",
        "GPL-2.0-only",
        "GPL-2.0-only WITH Another-exception",
        "NONE",
        "MIT OR",
        "(MIT",
        "MIT)",
        "MIT ISC",
        "()",
    ],
)
def test_a_design_under_something_else_is_not(expression: str) -> None:
    assert not allows(LISTED, expression)


@pytest.mark.rule("SCHED-2")
def test_what_is_not_said_rules_nothing_out() -> None:
    assert allows((), "GPL-3.0-only")
    assert allows(LISTED, "")
    assert allows(LISTED, "NOASSERTION")


def test_brackets_without_end_are_read_in_time() -> None:
    assert not allows(LISTED, "(" * 120)
