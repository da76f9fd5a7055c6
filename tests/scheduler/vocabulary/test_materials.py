"""Materials by whatever name they were written, and what is known of them."""

import pytest

from commonfab.scheduler.vocabulary import materials
from commonfab.scheduler.vocabulary.materials import MATERIALS


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pla", "PLA"),
        ("PLA+", "PLA"),
        ("https://en.wikipedia.org/wiki/Polylactic_acid", "PLA"),
        ("Generic PETG", "PETG"),
        ("Generic FLEX", "TPU"),
        ("aluminum", "aluminium"),
        ("FR4", "FR-4"),
        ("Plexiglas", "acrylic"),
        ("unobtainium", "unobtainium"),
    ],
)
def test_a_material_is_found_by_the_names_that_others_give_it(word: str, expected: str) -> None:
    assert materials.id_of(word) == expected


def test_nothing_is_known_of_a_material_that_is_not_listed() -> None:
    assert materials.find("unobtainium") is None


def test_what_okw_is_told_is_understood_again() -> None:
    for material in MATERIALS:
        assert materials.id_of(materials.okw_of(material.id)) == material.id


def test_whatever_is_extruded_has_a_density_and_ranges_of_temperature() -> None:
    for material in MATERIALS:
        assert material.density >= 0
        if material.nozzle_c != (0, 0):
            assert material.density > 0
            assert 150 <= material.nozzle_c[0] < material.nozzle_c[1] <= 450
            assert 20 <= material.bed_c[0] < material.bed_c[1] <= 150
