"""What a 3MF says of itself."""

import zipfile
from pathlib import Path

import pytest

from commonfab.node.importing.three_mf import describe, read_metadata

HEAD = """<?xml version="1.0"?>
<model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">
 <metadata name="Title">Clip &amp;
  ring</metadata>
 <metadata name="Designer">A. Maker</metadata>
 <metadata name="LicenseTerms">CC BY-SA 4.0</metadata>
 <metadata name="slic3rpe:Version3mf">1</metadata>
 <resources><object><metadata name="Title">inner</metadata></object></resources></model>
"""


def a_3mf(folder: Path, model: str | bytes, name: str = "3D/3dmodel.model") -> Path:
    path = folder / "clip.3mf"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, model)
    return path


def test_its_texts_are_read_from_the_head_of_its_model(tmp_path: Path) -> None:
    metadata = read_metadata(a_3mf(tmp_path, HEAD))

    tree, findings = describe(metadata)
    assert metadata["slic3rpe:Version3mf"] == "1"
    assert tree == {"name": "Clip & ring", "licensor": "A. Maker", "license": "CC-BY-SA-4.0"}
    assert {each.level for each in findings} == {"inferred"}
    assert str(findings[2]) == (
        "license: CC-BY-SA-4.0 is assumed, from the 3MF's LicenseTerms, 'CC BY-SA 4.0'"
    )


@pytest.mark.parametrize(
    "model",
    [
        "",
        "no xml",
        HEAD.replace("<model", "<!DOCTYPE model [<!ENTITY a 'b'>]><model"),
        b"\xff\xfe\x00",
        "<model>" + " " * 2_000_000 + "<metadata name='Title'>far</metadata>",
    ],
)
def test_what_cannot_be_read_says_nothing(tmp_path: Path, model: str | bytes) -> None:
    assert read_metadata(a_3mf(tmp_path, model)) == {}


def test_a_text_is_cut_where_it_grows_too_long(tmp_path: Path) -> None:
    path = a_3mf(tmp_path, HEAD.replace("A. Maker", "x" * 50_000))

    assert len(read_metadata(path)["Designer"]) == 10_000


def test_what_is_no_3mf_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.3mf").write_bytes(b"PK")
    assert read_metadata(tmp_path / "a.3mf") == {}
    assert read_metadata(tmp_path / "none.3mf") == {}
    assert read_metadata(a_3mf(tmp_path, HEAD, name="other.model")) == {}
