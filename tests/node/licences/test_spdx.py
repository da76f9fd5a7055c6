"""SPDX expressions, as the library reads them and as hostile texts would have them."""

import pytest

from commonfab.node.licences.spdx import ALTERNATIVES_MAX, alternatives, is_spdx, normal


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("mit", "MIT"),
        ("MIT  or\nISC", "MIT OR ISC"),
        ("(((MIT)))", "MIT"),
        ("LicenseRef-a.b-c AND MIT", "LicenseRef-a.b-c AND MIT"),
        (
            "gpl-2.0-or-later with classpath-exception-2.0",
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
        ),
    ],
)
def test_an_expression_is_spelled_as_spdx_does(written: str, read: str) -> None:
    assert normal(written) == read


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "NOASSERTION", "NONE", "nonsense", "MIT AND", "AND", "(MIT", "MIT)", "MIT ISC"),
        *("MIT ()", "LicenseRef-a b", "LicenseRef-", "MIT WITH Apache-2.0", "\0", "MIT OR OR ISC"),
        *("(" * 240 + "MIT", " AND ".join(["MIT"] * 200)),
    ],
)
def test_what_is_no_expression_is_told_apart(written: str) -> None:
    assert not is_spdx(written)


def test_alternatives_are_the_sets_of_licences_that_one_may_choose() -> None:
    assert alternatives("(MIT OR ISC) AND CC-BY-4.0") == (
        frozenset({"MIT", "CC-BY-4.0"}),
        frozenset({"ISC", "CC-BY-4.0"}),
    )
    assert alternatives("any words") == (frozenset({"any words"}),)
    assert alternatives("") == ()


def test_an_expression_of_very_many_choices_is_cut() -> None:
    many = " AND ".join(f"(LicenseRef-{n} OR LicenseRef-{n}x)" for n in range(10))

    assert len(alternatives(many)) == ALTERNATIVES_MAX
