"""Workshops as others tell them: what is read, and what becomes a machine of one's own."""

import json
from pathlib import Path

import pytest

from commonfab.node.importing.okw import Equipment, Facility, machines, read
from commonfab.protocol.errors import UsageError
from tests.real_data import real_data

PRINTER = {
    "equipment_type": "https://en.wikipedia.org/wiki/3D_printing",
    "manufacturing_process": "https://en.wikipedia.org/wiki/Fused_filament_fabrication",
    "make": "Prusa",
    "model": "MK4",
    "quantity": 2,
    "x_travel": 250,
    "y_travel": 210,
    "z_travel": "220",
    "nozzle_size": 0.4,
    "materials_worked": [{"material_type": "https://en.wikipedia.org/wiki/Polylactic_acid"}],
}
HARBOUR = {
    "name": "Harbour Makerspace",
    "facility_status": "Active",
    "location": {"city": "Lyon", "country": "FR", "gps_coordinates": "45.76, 4.84"},
    "manufacturing_processes": ["https://en.wikipedia.org/wiki/Laser_cutting"],
    "equipment": [PRINTER],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "okw.json"


def read_tree(file: Path, tree: object) -> list[Facility]:
    file.write_text(json.dumps(tree))
    return read(file)


def test_a_facility_with_its_equipment_is_read(file: Path) -> None:
    assert read_tree(file, HARBOUR) == [
        Facility(
            name="Harbour Makerspace",
            lat=45.76,
            lon=4.84,
            place="Lyon, FR",
            status="Active",
            processes=("laser-cutting",),
            equipment=(
                Equipment(
                    name="Prusa MK4",
                    process="fff-printing",
                    quantity=2,
                    volume_mm=(250.0, 210.0, 220.0),
                    nozzle_mm=0.4,
                    materials=("PLA",),
                ),
            ),
        )
    ]


@pytest.mark.parametrize("key", ["facilities", "results", "items"])
def test_a_list_of_facilities_is_read_also_inside_an_answer(file: Path, key: str) -> None:
    assert len(read_tree(file, [HARBOUR, HARBOUR])) == 2
    assert len(read_tree(file, {key: [HARBOUR]})) == 1


def test_the_list_of_the_internet_of_production_is_read(file: Path) -> None:
    entry = {
        "facility": {"name": "PiNG"},
        "geocoding": {"latitude": 47.2, "longitude": -1.55},
        "region": {"city_town": "Nantes", "country": "FR"},
    }
    lost = {"facility": {"name": "Lost"}, "geocoding": None, "region": None}

    assert read_tree(file, [entry, lost]) == [
        Facility(name="PiNG", lat=47.2, lon=-1.55, place="Nantes, FR"),
        Facility(name="Lost"),
    ]


def test_points_of_a_map_are_read(file: Path) -> None:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-1.55, 47.2]},
        "properties": {"name": "PiNG", "city": "Nantes"},
    }

    assert read_tree(file, {"type": "FeatureCollection", "features": [feature]}) == [
        Facility(name="PiNG", lat=47.2, lon=-1.55, place="Nantes")
    ]


@pytest.mark.parametrize(
    "location",
    [
        {"gps_coordinates": "north"},
        {"gps_coordinates": "91, 0"},
        {"gps_coordinates": "1, 2, 3"},
        {"gps_coordinates": "nan, 1"},
        {"coordinates": {"lat": True, "lon": 5}},
        ["x"],
        None,
    ],
)
def test_a_place_that_is_none_is_left_out(file: Path, location: object) -> None:
    (found,) = read_tree(file, {**HARBOUR, "location": location})

    assert (found.lat, found.lon) == (None, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "names no workshop"),
        ('{"name": 5}', "names no workshop"),
        ('[1, "a", null]', "names no workshop"),
        ('{"facility": {"name": ""}}', "names no workshop"),
    ],
)
def test_what_holds_no_workshop_is_refused(file: Path, content: str, said: str) -> None:
    file.write_text(content)

    with pytest.raises(UsageError, match=said):
        read(file)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(file)


@pytest.mark.rule("MANIFEST-5")
def test_equipment_becomes_machines_that_wait_for_material(file: Path) -> None:
    (found,) = read_tree(file, HARBOUR)

    made, left = machines(found)

    assert [machine.id for machine in made] == ["prusa-mk4", "prusa-mk4-2"]
    assert (made[0].process, made[0].volume_um) == ("fff-printing", (250_000, 210_000, 220_000))
    assert [(held.material, held.grams) for held in made[0].materials] == [("PLA", 0)]
    assert left == []


def test_equipment_of_which_too_little_is_said_is_left_out_with_the_reason(file: Path) -> None:
    saw = {"model": "Saw", "equipment_type": "Saw"}
    (found,) = read_tree(file, {**HARBOUR, "equipment": [saw, {"model": "Box"}, "no table"]})

    made, left = machines(found)

    assert made == []
    assert left[0].startswith("Saw: does not say its x_travel, y_travel and z_travel")
    assert left[1].startswith("Box: does not say its process")


@pytest.mark.parametrize("quantity", [10**9, "many", -3, None, float("inf")])
def test_a_number_of_machines_that_makes_no_sense_is_bounded(file: Path, quantity: object) -> None:
    (found,) = read_tree(file, {**HARBOUR, "equipment": [{**PRINTER, "quantity": quantity}]})

    assert 1 <= len(machines(found)[0]) <= 20


def test_the_real_list_of_fab_labs_is_read_whole() -> None:
    path = real_data("okw") / "fablabs_2237.json"
    if not path.exists():
        pytest.skip("no real fab labs: point COMMONFAB_DATA to a folder that holds okw/")

    found = read(path)

    assert len(found) == 2237
    assert sum(facility.lat is not None for facility in found) == 2036
