"""Licences as manifests spell them, and as SPDX does."""

import pytest

from commonfab.node.designs.licence import repair


@pytest.mark.parametrize(
    ("given", "spdx"),
    [
        ("LicenseRef-CC-BY-SA-3.0", "CC-BY-SA-3.0"),
        ("LicenseRef-CC BY-SA-4.0", "CC-BY-SA-4.0"),
        ("CC-BY-SA v4.0", "CC-BY-SA-4.0"),
        ("LicenseRef-CC-BY license 4.0", "CC-BY-4.0"),
        ("LicenseRef-CC BY 3.0 US", "CC-BY-3.0-US"),
        (
            "LicenseRef-Creative Commons Attribution-ShareAlike 4.0 International License",
            "CC-BY-SA-4.0",
        ),
        ("LicenseRef-CERN OHL v1.2", "CERN-OHL-1.2"),
        ("cern-ohl-s-2.0", "CERN-OHL-S-2.0"),
        ("mit", "MIT"),
    ],
)
def test_what_can_only_mean_one_licence_gets_its_identifier(given: str, spdx: str) -> None:
    assert repair(given) == (spdx, f"licence {given!r} is read as {spdx}")


@pytest.mark.parametrize("given", ["CERN-OHL-P-2.0", "CC0-1.0", "MIT OR Apache-2.0"])
def test_an_spdx_text_stays_without_remark(given: str) -> None:
    assert repair(given) == (given, None)


@pytest.mark.parametrize(
    "given", ["LicenseRef-CERN", "CERN OHL", "LicenseRef-CC-BY-SA-4.0, CC-BY-NC-SA-4.0", "free"]
)
def test_what_may_mean_several_stays_as_given_and_is_to_be_asked(given: str) -> None:
    spdx, remark = repair(given)

    assert spdx == given
    assert remark == f"licence {given!r} is not known here: ask the licensor which one is meant"


@pytest.mark.parametrize("given", ["CC-BY-NC-SA-4.0", "CC BY-ND 4.0", "CC-BY-NC-4.0"])
def test_a_licence_that_restricts_use_is_remarked(given: str) -> None:
    _, remark = repair(given)

    assert remark is not None
    assert "not open hardware" in remark
