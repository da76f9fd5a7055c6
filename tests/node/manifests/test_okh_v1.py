"""Manifests of version 1: what they say in the words of today."""

import pytest

from commonfab.node.manifests.findings import KeyRefused, Tree
from commonfab.node.manifests.okh_v1 import from_okh_v1

V1: Tree = {
    "title": "FlyPi",
    "description": "A laboratory.\n",
    "intended-use": "Teaching.",
    "license": {"hardware": "CERN OHL v1.2", "software": "GPL-3.0"},
    "licensor": {"name": "Andre", "email": "a@example.org"},
    "version": "2.0",
}


def test_okh_v1_is_read_in_its_own_words() -> None:
    files = [{"path": "print/body.stl", "title": "Body"}, {"path": "https://example.org/a.stl"}]
    manifest = from_okh_v1({**V1, "manufacturing-files": files, "design-files": ["body.scad"]})

    assert manifest.form == "okh-v1"
    assert (manifest.name, manifest.version, manifest.licensor) == ("FlyPi", "2.0", "Andre")
    assert manifest.licence == "CERN-OHL-1.2"
    assert manifest.function == "A laboratory.\n\nTeaching."
    assert [part.file for part in manifest.parts] == ["print/body.stl"]


def test_okh_v1_becomes_the_keys_of_2_4_and_keeps_its_others_as_they_were() -> None:
    others: Tree = {
        "tool-list": "tools.md",
        "contact": {"name": "Ann", "social": [{"platform": "x", "user-handle": "@a"}]},
        "toolSettings": [{"path": "a.ini"}],
    }
    document = from_okh_v1(
        {
            **V1,
            **others,
            "documentation-home": "https://example.org/docs",
            "project-link": "https://example.org",
            "archive-download": "https://example.org/a.zip ",
            "making-instructions": [{"path": "make.md", "title": "Make"}],
            "operating-instructions": [{"path": "use.md"}],
            "derivative-of": {"title": "Old", "web": "https://example.org/old"},
            "documentation-language": "English-UK",
            "bom": "bom.csv",
        }
    ).document

    expected = {
        "okhv": "2.4",
        "repo": "https://example.org/docs",
        "project-link": "https://example.org",
        "release": "https://example.org/a.zip",
        "manufacturing-instructions": ["make.md"],
        "user-manual": ["use.md"],
        "fork-of": "https://example.org/old",
        "documentation-language": "en-GB",
        "bom": "bom.csv",
        **others,
    }
    assert {key: document[key] for key in expected} == expected
    assert not {"title", "description", "license-hardware"} & document.keys()


@pytest.mark.parametrize(
    ("given", "technology", "documentation"),
    [
        ({"made-independently": "true"}, "OTRL-3", "ODRL-3"),
        ({"made": "true", "made-independently": "false"}, "OTRL-3", None),
        ({"development-stage": "prototype"}, "OTRL-3", None),
        ({"made": "false"}, None, None),
    ],
)
def test_how_far_a_design_is_follows_from_whether_it_was_made(
    given: Tree, technology: str | None, documentation: str | None
) -> None:
    manifest = from_okh_v1(V1 | given)

    assert manifest.document.get("technology-readiness-level") == technology
    assert manifest.document.get("documentation-readiness-level") == documentation
    said = {each.made for each in manifest.findings if each.level == "inferred"}
    assert said == {technology, documentation} - {None}


def test_what_only_the_template_of_the_form_said_says_nothing() -> None:
    document = from_okh_v1({**V1, "development-stage": ["value"], "image": "[value]"}).document

    assert not document.keys() & {"development-stage", "image"}


def test_a_key_that_means_something_else_today_is_left_out_and_said() -> None:
    manifest = from_okh_v1({**V1, "function": "mine"})

    assert manifest.function == "A laboratory.\n\nTeaching."
    assert "function: means something else in OKH 2.4" in " ".join(map(str, manifest.findings))


def test_okh_v1_may_name_its_licence_as_a_bare_text() -> None:
    assert from_okh_v1({**V1, "license": "CC-BY-NC-SA-4.0"}).licence == "CC-BY-NC-SA-4.0"


def test_okh_v1_without_licensor_takes_the_author_and_says_so() -> None:
    tree = {key: value for key, value in V1.items() if key not in ("licensor", "version")}

    manifest = from_okh_v1({**tree, "manifest-author": {"name": "Ann"}})

    assert (manifest.licensor, manifest.version) == ("Ann", "0")
    said = [str(each) for each in manifest.findings]
    assert "licensor: Ann is assumed, from manifest-author" in said
    with pytest.raises(KeyRefused, match="names no licensor"):
        from_okh_v1(tree)


def test_okh_v1_without_licence_is_refused() -> None:
    with pytest.raises(KeyRefused, match="names no licence; add license: with hardware:"):
        from_okh_v1({**V1, "license": {"hardware": " "}})


@pytest.mark.parametrize("missing", ["title", "description", "license"])
def test_okh_v1_without_a_required_key_is_refused_by_its_name(missing: str) -> None:
    with pytest.raises(KeyRefused, match=f"lacks {missing}; add what OKH requires"):
        from_okh_v1({key: value for key, value in V1.items() if key != missing})
