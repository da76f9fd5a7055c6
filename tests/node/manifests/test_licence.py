"""Licences as manifests spell them, and as SPDX does."""

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from commonfab.node.manifests.licence import NOT_SAID, is_spdx, repair


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
        ("GPLv3", "GPL-3.0-only"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("LicenseRef-CERN-OHL-P", "CERN-OHL-P-2.0"),
        ("MIT or (gpl-3.0-or-later)", "MIT OR GPL-3.0-or-later"),
    ],
)
def test_what_can_only_mean_one_licence_gets_its_identifier(given: str, spdx: str) -> None:
    assert repair(given) == (spdx, f"licence {given!r} is read as {spdx}")


@pytest.mark.parametrize(
    "given", ["CERN-OHL-P-2.0", "CC0-1.0", "MIT OR Apache-2.0", "LicenseRef-ours OR MIT"]
)
def test_an_spdx_text_stays_without_remark(given: str) -> None:
    assert repair(given) == (given, None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("LicenseRef-CERN", "LicenseRef-CERN"),
        ("CERN OHL", "LicenseRef-CERN-OHL"),
        ("LicenseRef-CC-BY-SA-4.0, CC-BY-4.0", "LicenseRef-CC-BY-SA-4.0-CC-BY-4.0"),
        ("free", "LicenseRef-free"),
        ("MIT AND (", "LicenseRef-MIT-AND"),
        ("©", "LicenseRef-unnamed"),
    ],
)
def test_what_may_mean_several_is_kept_under_a_name_of_its_own_and_is_to_be_asked(
    given: str, kept: str
) -> None:
    spdx, remark = repair(given)

    assert spdx == kept
    assert remark is not None
    assert remark.startswith(f"licence {given!r} is not known here")
    assert remark.endswith(": ask the licensor which one is meant")


@pytest.mark.parametrize("given", ["", "  ", "NOASSERTION", "NONE"])
def test_a_missing_licence_is_asked_for(given: str) -> None:
    assert repair(given) == (
        NOT_SAID,
        "names no licence: nobody may make or change it before its licensor does",
    )


@given_any(st.text(max_size=400))
def test_whatever_is_written_the_text_is_valid_or_missing_and_a_change_is_remarked(
    given: str,
) -> None:
    spdx, remark = repair(given)

    assert is_spdx(spdx) or spdx == NOT_SAID
    assert remark is not None or spdx == " ".join(given.split())


@pytest.mark.parametrize("given", ["CC-BY-NC-SA-4.0", "CC BY-ND 4.0", "CC-BY-NC-4.0"])
def test_a_licence_that_restricts_use_is_remarked(given: str) -> None:
    _, remark = repair(given)

    assert remark is not None
    assert "not open hardware" in remark
