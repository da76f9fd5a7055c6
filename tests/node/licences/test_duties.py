"""What licences ask, and when a design gives less than what it was made from lets it."""

import pytest

from commonfab.node.licences.duties import (
    Duties,
    choices,
    conflicts,
    duties_of,
    why_not_changed,
    why_not_paid,
)


@pytest.mark.parametrize(
    ("licence", "asks"),
    [
        ("CC0-1.0", Duties(attribution=False)),
        ("MIT", Duties()),
        ("CC-BY-3.0-US", Duties()),
        ("CC-BY-SA-4.0", Duties(sharing="whole")),
        ("CC-BY-NC-4.0", Duties(non_commercial=True)),
        ("CC-BY-NC-SA-2.5", Duties(non_commercial=True, sharing="whole")),
        ("CC-BY-ND-4.0", Duties(no_derivatives=True)),
        ("CC-BY-NC-ND-3.0", Duties(non_commercial=True, no_derivatives=True)),
        ("CERN-OHL-P-2.0", Duties()),
        ("CERN-OHL-W-2.0", Duties(sharing="files", hardware=True)),
        ("CERN-OHL-S-2.0", Duties(sharing="whole", hardware=True)),
        ("TAPR-OHL-1.0", Duties(sharing="whole", hardware=True)),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", Duties(sharing="whole")),
        ("LGPL-3.0-only", Duties(sharing="files")),
        ("LicenseRef-ours", Duties(is_known=False)),
    ],
)
def test_a_licence_has_the_duties_of_its_family(licence: str, asks: Duties) -> None:
    assert duties_of(licence) == asks


def test_of_several_licences_together_all_duties_hold() -> None:
    assert choices("CC-BY-NC-4.0 AND CERN-OHL-S-2.0 OR CC0-1.0") == [
        (
            "CC-BY-NC-4.0 AND CERN-OHL-S-2.0",
            Duties(non_commercial=True, sharing="whole", hardware=True),
        ),
        ("CC0-1.0", Duties(attribution=False)),
    ]


def test_of_two_ways_to_share_alike_the_wider_one_holds() -> None:
    [(_, asks)] = choices("CERN-OHL-W-2.0 AND GPL-3.0-only")

    assert asks.sharing == "whole"


@pytest.mark.parametrize(
    ("licence", "may_be_paid", "may_be_changed"),
    [
        ("CC-BY-NC-4.0", False, True),
        ("CC-BY-NC-ND-4.0", False, False),
        ("CC-BY-ND-4.0 AND MIT", True, False),
        ("CC-BY-NC-ND-4.0 OR MIT", True, True),
        ("LicenseRef-ours", True, True),
        ("NOASSERTION", True, True),
    ],
)
def test_a_licence_forbids_only_what_each_way_to_take_it_forbids(
    licence: str, may_be_paid: bool, may_be_changed: bool
) -> None:
    assert (why_not_paid(licence) == "") is may_be_paid
    assert (why_not_changed(licence) == "") is may_be_changed


@pytest.mark.parametrize(
    ("design", "ancestor"),
    [
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0"),
        ("GPL-3.0-or-later", "CC-BY-SA-4.0"),
        ("CERN-OHL-S-2.0", "CERN-OHL-1.2"),
        ("GPL-3.0-only", "GPL-2.0-or-later"),
        ("CC-BY-NC-4.0", "MIT"),
        ("CC-BY-SA-4.0 AND CERN-OHL-S-2.0", "CC-BY-SA-4.0"),
        ("MIT", "MIT OR GPL-3.0-only"),
        ("MIT", "LicenseRef-ours"),
        ("LicenseRef-ours", "CC-BY-SA-4.0"),
        ("NOASSERTION", "CC-BY-SA-4.0"),
    ],
)
def test_a_design_that_keeps_what_its_ancestor_asks_is_not_flagged(
    design: str, ancestor: str
) -> None:
    assert conflicts(design, ancestor) == []


@pytest.mark.parametrize(
    ("design", "ancestor", "why"),
    [
        ("MIT", "CC-BY-SA-4.0", "stays under it, and MIT is another"),
        ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "stays under it"),
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "stays under it"),
        ("GPL-2.0-or-later", "GPL-2.0-only", "stays under it"),
        ("MIT OR CC-BY-SA-4.0", "CC-BY-SA-4.0", "stays under it"),
        ("CC0-1.0", "CC-BY-4.0", "asks to name its author"),
        ("MIT", "CC-BY-NC-4.0", "is for non-commercial use only, and MIT is not"),
        ("CC-BY-4.0", "CC-BY-ND-4.0", "lets nobody pass on what is made from it"),
    ],
)
def test_a_design_that_gives_away_what_was_not_its_own_is_flagged(
    design: str, ancestor: str, why: str
) -> None:
    assert len(conflicts(design, ancestor)) == 1
    assert why in conflicts(design, ancestor)[0]
