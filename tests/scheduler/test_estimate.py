"""Estimates against what a slicer says, and against common sense."""

import dataclasses

import pytest

from commonfab.scheduler.estimate import (
    Estimate,
    NoEstimate,
    Profile,
    estimate,
)
from commonfab.scheduler.geometry import MeshFacts, measure
from tests.scheduler.solids import Solid, box, cone, cylinder, moved, pyramid, sphere, together

ORDINARY = Profile()
FINE = Profile(layer_mm=0.15, bottom_mm=0.75, infill=0.40)
COARSE = Profile(layer_mm=0.30, line_mm=0.5, outer_mm=0.6, bottom_mm=0.9, infill=0.10)
SUPPORTED = Profile(supports=True)

CUBE = box(25, 25, 25)
SPHERE = sphere(31)

SLICED = [
    # PrusaSlicer 2.5.0 with the profiles named in paces.py: seconds and grams.
    (CUBE, ORDINARY, 2322, 6.56),
    (CUBE, FINE, 4714, 10.01),
    (CUBE, COARSE, 1556, 6.24),
    (cylinder(28.2, 25), ORDINARY, 2300, 6.26),
    (cylinder(28.2, 25), FINE, 4833, 9.96),
    (cylinder(28.2, 25), COARSE, 1537, 5.97),
    (cone(28.2, 25), ORDINARY, 1691, 3.16),
    (cone(28.2, 25), FINE, 2690, 4.16),
    (cone(28.2, 25), COARSE, 1104, 3.12),
    (pyramid(25, 25), ORDINARY, 1753, 3.25),
    (pyramid(25, 25), FINE, 2704, 4.21),
    (pyramid(25, 25), COARSE, 956, 2.68),
    (SPHERE, ORDINARY, 2714, 6.21),
    (SPHERE, FINE, 5523, 9.91),
    (SPHERE, COARSE, 1692, 5.77),
    (SPHERE, SUPPORTED, 3113, 7.10),
]


def facts_of(solid: Solid) -> MeshFacts:
    return measure(solid.vertices, solid.faces)


def print_in_pla(facts: MeshFacts, profile: Profile) -> Estimate:
    return estimate(facts, process="fff-printing", material="PLA", profile=profile)


@pytest.mark.parametrize(("solid", "profile", "seconds", "grams"), SLICED)
def test_estimates_are_near_what_a_slicer_says(
    solid: Solid, profile: Profile, seconds: int, grams: float
) -> None:
    guess = print_in_pla(facts_of(solid), profile)

    assert guess.seconds == pytest.approx(seconds, rel=0.13)
    assert guess.mass_mg / 1000 == pytest.approx(grams, rel=0.22)
    assert guess.seconds_range[0] < guess.seconds < guess.seconds_range[1]
    assert guess.mass_range[0] < guess.mass_mg < guess.mass_range[1]


def test_mass_follows_the_density_and_time_does_not() -> None:
    facts = facts_of(CUBE)

    for material, density in (("ABS", 1.04), ("pet-g", 1.27), ("TPU", 1.22)):
        guess = estimate(facts, process="fff-printing", material=material, profile=ORDINARY)
        in_pla = print_in_pla(facts, ORDINARY)
        assert guess.mass_mg == pytest.approx(in_pla.mass_mg * density / 1.24, abs=1)
        assert guess.seconds == in_pla.seconds


def test_nothing_is_estimated_heavier_than_solid_material_would_allow() -> None:
    facts = facts_of(box(100, 100, 100))

    solid = print_in_pla(facts, dataclasses.replace(ORDINARY, infill=1.0))

    assert solid.mass_mg <= 1.05 * facts.volume_mm3 * 1.24


def test_more_walls_more_infill_and_thinner_layers_take_longer() -> None:
    facts = facts_of(CUBE)
    ordinary = print_in_pla(facts, ORDINARY).seconds

    for slower in ({"walls": 4}, {"infill": 0.5}, {"layer_mm": 0.15}):
        assert print_in_pla(facts, dataclasses.replace(ORDINARY, **slower)).seconds > ordinary


def test_supports_cost_only_where_something_hangs_over() -> None:
    table = facts_of(together(moved(box(40, 30, 5), (0, 0, 20)), moved(box(9, 9, 20), (15, 10, 0))))

    assert print_in_pla(facts_of(CUBE), SUPPORTED) == print_in_pla(facts_of(CUBE), ORDINARY)
    assert print_in_pla(table, SUPPORTED).mass_mg > print_in_pla(table, ORDINARY).mass_mg + 1000


def test_a_process_without_a_model_is_refused_with_the_way_out() -> None:
    with pytest.raises(NoEstimate, match="no estimate for cnc-milling yet: give seconds"):
        estimate(facts_of(CUBE), process="cnc-milling", material="PLA", profile=ORDINARY)


def test_a_material_that_is_no_known_filament_is_refused_with_the_way_out() -> None:
    with pytest.raises(NoEstimate, match=r"'cheese'.*PLA.*give seconds and mass"):
        estimate(facts_of(CUBE), process="fff-printing", material="cheese", profile=ORDINARY)


def test_an_open_mesh_is_refused_because_its_volume_is_unknown() -> None:
    open_box = measure(CUBE.vertices, CUBE.faces[1:])

    with pytest.raises(NoEstimate, match="not watertight"):
        print_in_pla(open_box, ORDINARY)
