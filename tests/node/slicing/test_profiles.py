"""A slicer's settings, as an estimate understands them."""

from commonfab.node.slicing.profiles import profile_of
from commonfab.scheduler.tracks import Profile

DRAFT = """bottom_solid_layers = 3
external_perimeter_extrusion_width = 0.6
extrusion_width = 0.5
fill_density = 20%
layer_height = 0.3
perimeters = 2
top_solid_layers = 4
"""


def test_settings_become_the_profile_that_they_mean() -> None:
    assert profile_of(DRAFT, supports=True) == Profile(
        layer_mm=0.3,
        line_mm=0.5,
        outer_mm=0.6,
        walls=2,
        top_mm=1.2,
        bottom_mm=0.9,
        infill=0.2,
        supports=True,
    )


def test_what_settings_do_not_say_or_leave_to_the_slicer_is_as_usual() -> None:
    odd = "layer_height = x\nextrusion_width = 0\nexternal_perimeter_extrusion_width = 105%\n"

    assert profile_of(odd, supports=False) == Profile()


def test_no_infill_and_no_closed_layers_are_taken_as_said() -> None:
    hollow = profile_of("fill_density = 0%\ntop_solid_layers = 0\n", supports=False)

    assert (hollow.infill, hollow.top_mm) == (0.0, 0.0)
