"""What OKH manifests of either kind say, once their trees are read."""

from decimal import Decimal

import pytest

from commonfab.node.manifests.findings import KeyRefused, Tree
from commonfab.node.manifests.okh import Manifest, ManifestPart, from_okh

HEAD: Tree = {
    "okhv": "2.4",
    "name": "Clip",
    "repo": "https://example.org/clip",
    "version": "1.2.0",
    "license": "CERN-OHL-S-2.0",
    "licensor": "A. Maker <a@example.org>",
    "function": "Holds a visor.",
}
CLIP: Tree = {
    "name": "clip",
    "tsdc": "3DP",
    "source": "clip.scad",
    "export": ["clip.pdf", "clip.stl"],
    "material": "PETG",
    "printing-process": "FDM",
    "resolution-mm": Decimal("0.2"),
    "infill": 30,
    "shell-thickness": Decimal("1.2"),
    "supports": True,
    "mass": Decimal("12.4"),
    "raft-brim": False,
}


def with_part(**changes: object) -> Tree:
    part = {**CLIP, **{key.replace("_", "-"): value for key, value in changes.items()}}
    return {**HEAD, "part": [{key: value for key, value in part.items() if value is not None}]}


def part_of(**changes: object) -> ManifestPart:
    return from_okh(with_part(**changes)).parts[0]


def test_a_whole_manifest_is_read() -> None:
    assert from_okh({**HEAD, "part": [CLIP], "image": "clip.png"}) == Manifest(
        form="okh",
        name="Clip",
        version="1.2.0",
        licence="CERN-OHL-S-2.0",
        licensor="A. Maker <a@example.org>",
        function="Holds a visor.",
        image="clip.png",
        parts=(
            ManifestPart(
                name="clip",
                process="fff-printing",
                material="PETG",
                exports=("clip.pdf", "clip.stl"),
                sources=("clip.scad",),
                infill_percent=30.0,
                layer_mm=0.2,
                shell_mm=1.2,
                supports=True,
                mass_mg=12_400,
            ),
        ),
        document={**HEAD, "part": [CLIP], "image": "clip.png"},
    )


def test_a_part_says_how_fine_how_exact_and_how_hot_it_is_made() -> None:
    part = part_of(nozzle_mm=Decimal("0.4"), tolerance_mm="0.15 mm", temperature=260)

    assert (part.nozzle_um, part.tolerance_um, part.temperature_c) == (400, 150, 260)
    assert (part_of().nozzle_um, part_of().tolerance_um, part_of().temperature_c) == (0, 0, 0)


def test_no_seconds_at_all_are_an_estimate_that_is_left_to_the_node() -> None:
    assert part_of(seconds=0).seconds is None


def test_the_file_of_a_part_is_its_mesh_before_anything_else() -> None:
    assert part_of().file == "clip.stl"
    assert part_of(export=["clip.step"], source="clip.3mf").file == "clip.3mf"
    assert part_of(export=["clip.step"]).file == "clip.step"
    assert part_of(export=None).file == "clip.scad"
    assert part_of(export="https://example.org/clip.stl", source=None).file is None


def test_names_lose_the_space_around_them() -> None:
    assert from_okh({**HEAD, "name": "Sunny_Brae_Garden\n"}).name == "Sunny_Brae_Garden"


def test_a_version_may_be_a_number_and_keeps_its_zeros() -> None:
    assert from_okh({**HEAD, "version": Decimal("1.10")}).version == "1.10"
    assert from_okh({**HEAD, "version": 3}).version == "3"


def test_licensors_may_be_tables_and_lists() -> None:
    people = [{"name": "Ann", "email": "a@example.org"}, "Bob <b@example.org>"]

    assert from_okh({**HEAD, "licensor": people}).licensor == "Ann, Bob <b@example.org>"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a.png", "a.png"),
        (["https://example.org/a.png", "b.png"], "b.png"),
        ([{"location": "c.png", "depicts": "it"}], "c.png"),
        ("https://example.org/a.png", None),
        (7, None),
    ],
)
def test_the_image_is_the_first_that_is_a_file(image: object, expected: str | None) -> None:
    assert from_okh({**HEAD, "image": image}).image == expected


@pytest.mark.parametrize("missing", ["name", "license", "licensor"])
def test_a_manifest_without_a_required_key_is_refused_by_its_name(missing: str) -> None:
    with pytest.raises(KeyRefused, match=f"lacks {missing}; add what OKH requires"):
        from_okh({key: value for key, value in HEAD.items() if key != missing})


@pytest.mark.parametrize(
    ("changes", "process"),
    [
        ({"printing_process": "SLA"}, "sla-printing"),
        ({"printing_process": None, "tsdc": ["LAS", "3DP"]}, "laser-cutting"),
        ({"printing_process": None, "tsdc": "cnc"}, "cnc-milling"),
        ({"printing_process": None, "tsdc": None}, "fff-printing"),
        ({"printing_process": None, "tsdc": None, "export": "a.pdf"}, ""),
    ],
)
def test_the_process_comes_from_the_part(changes: dict[str, object], process: str) -> None:
    assert part_of(**changes).process == process


def test_a_design_that_is_assembled_still_has_printed_parts() -> None:
    tree = {**with_part(tsdc=None, printing_process=None), "tsdc": ["ASM", "CNC"]}
    assert from_okh(tree).parts[0].process == "cnc-milling"
    assert from_okh({**tree, "tsdc": "ASM"}).parts[0].process == "fff-printing"


def test_a_print_without_material_is_taken_to_be_pla_and_says_so() -> None:
    manifest = from_okh(with_part(material=None))

    assert manifest.parts[0].material == "PLA"
    said = [str(each) for each in manifest.findings]
    assert said == ["part.clip.material: PLA is assumed, from its fff-printing"]
    assert manifest.document["part"] == [{**CLIP, "material": "PLA"}]


def test_a_design_without_part_tables_has_one_part_for_each_mesh_it_exports() -> None:
    manifest = from_okh({**HEAD, "export": ["a.pdf", "a.stl", "b/b.3mf"], "material": "ABS"})

    assert [(part.name, part.file, part.material) for part in manifest.parts] == [
        ("a", "a.stl", "ABS"),
        ("b", "b/b.3mf", "ABS"),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"quantity": 0}, "quantity 0; write a whole number from 1"),
        ({"quantity": "many"}, "quantity 'many'"),
        ({"quantity": Decimal("1.5")}, "write a whole number"),
        ({"infill": 300}, "infill 300; write a number from 0 to 100"),
        ({"resolution_mm": 0}, "resolution-mm 0; write a number from 0.01"),
        ({"nozzle-mm": 0}, "nozzle-mm 0; write a number from 0.001 to 50"),
        ({"tolerance_mm": 51}, "tolerance-mm 51; write a number from 0.001"),
        ({"temperature": 9_000}, "temperature 9000; write a number from 1 to 5000"),
        ({"export": 5}, "export is neither a path nor a list"),
        ({"export": None, "source": None}, "names no file; add export"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(KeyRefused, match=expected):
        part_of(**changes)


@pytest.mark.parametrize(
    "number", [Decimal("nan"), Decimal("inf"), 10**400, -1, True, "about 12", "1.2.3", [1], {}]
)
def test_numbers_that_are_none_are_left_out(number: object) -> None:
    assert part_of(mass=number).mass_mg is None


@pytest.mark.parametrize(("given", "expected"), [("30 %", 30.0), ("0.25 - 0.3", 0.25), (20, 20.0)])
def test_a_text_counts_as_the_number_that_it_begins_with(given: object, expected: float) -> None:
    assert part_of(infill=given).infill_percent == expected


@pytest.mark.parametrize("part", ["clip", {"name": "clip"}, ["clip"], [7]])
def test_parts_must_be_tables(part: object) -> None:
    with pytest.raises(KeyRefused, match=r"write \[\[part\]\]"):
        from_okh({**HEAD, "part": part})


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(KeyRefused, match="names 201 parts; at most 200"):
        from_okh({**HEAD, "part": [CLIP] * 201})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"keywords": ["water", " hand  pump ", "water"]}, ("water", "hand pump")),
        ({"keywords": "water, medical"}, ("water", "medical")),
        ({"keywords": ["water"], "tags": ["pump", 5, ""]}, ("water", "pump")),
        ({"tags": None}, ()),
        ({}, ()),
    ],
)
def test_what_a_design_is_filed_under_comes_from_either_key_each_word_once(
    given: Tree, expected: tuple[str, ...]
) -> None:
    assert from_okh(HEAD | given).tags == expected


@pytest.mark.parametrize(
    ("files", "process", "code"),
    [
        (["a.stl"], "fff-printing", "3DP"),
        (["a.step", "plate.dxf"], "laser-cutting", "LAS"),
        (["board.kicad_pcb"], "pcb-fabrication", "PCB"),
    ],
)
def test_a_process_that_nobody_said_is_told_by_the_files_and_marked_as_assumed(
    files: list[str], process: str, code: str
) -> None:
    manifest = from_okh(with_part(tsdc=None, printing_process=None, export=files))

    assert manifest.parts[0].process == process
    finding = manifest.findings[0]
    assert (finding.level, finding.key, finding.made) == ("inferred", "part.clip.tsdc", process)
    assert finding.found == "its files"
    document = manifest.document["part"]
    assert isinstance(document, list)
    assert document[0]["tsdc"] == code


def test_a_print_of_no_said_kind_is_taken_to_be_of_filament_and_says_so() -> None:
    manifest = from_okh(with_part(printing_process=None))

    assert manifest.parts[0].process == "fff-printing"
    assert str(manifest.findings[0]) == ("part.clip.tsdc: fff-printing is assumed, from tsdc 3DP")


def test_a_material_by_another_name_gets_the_name_that_all_use() -> None:
    manifest = from_okh(with_part(material="Generic PETG"))

    assert manifest.parts[0].material == "PETG"
    assert str(manifest.findings[0]) == ("part.clip.material: 'Generic PETG' is read as 'PETG'")


def test_unknown_words_are_kept_and_said() -> None:
    manifest = from_okh(with_part(material="unobtainium", tsdc="???", printing_process=None))

    assert manifest.parts[0].material == "unobtainium"
    assert [each.found for each in manifest.findings if each.level == "doubt"] == [
        "'???' is not known here",
        "'unobtainium' is no material that is known here",
    ]


def test_what_is_made_to_measure_says_so() -> None:
    manifest = from_okh({**with_part(measured=True), "parameters": "parameters.json"})

    assert manifest.parameters == "parameters.json"
    assert manifest.parts[0].measured
    assert (from_okh(HEAD).parameters, part_of().measured) == (None, False)
