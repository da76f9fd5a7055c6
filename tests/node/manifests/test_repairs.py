"""What real manifests get wrong, what is made of it, and that each change is told."""

from decimal import Decimal

import pytest

from commonfab.node.manifests.findings import Tree
from commonfab.node.manifests.languages import TAG, tag_of
from commonfab.node.manifests.repairs import number_in, repair, repair_part

HEAD: Tree = {
    "okhv": "2.4",
    "name": "Clip",
    "version": "1.2.0",
    "license": "CERN-OHL-S-2.0",
    "licensor": "A. Maker",
    "function": "Holds a visor.",
}


def findings_of(**changes: object) -> list[str]:
    return [str(each) for each in repair(changed(**changes))[1]]


def changed(**changes: object) -> Tree:
    return {**HEAD, **{key.replace("_", "-"): value for key, value in changes.items()}}


def test_a_manifest_in_order_is_left_as_it_is() -> None:
    assert repair(HEAD) == (HEAD, [])


def test_keys_in_the_old_spelling_get_the_new_one() -> None:
    tree, findings = repair({**HEAD, "documentationLanguage": "en", "Software": [], "forkOf": "x"})

    assert tree == {**HEAD, "documentation-language": "en", "software": [], "fork-of": "x"}
    assert [str(each) for each in findings] == [
        "documentation-language: 'documentationLanguage' is read as 'documentation-language'",
        "software: 'Software' is read as 'software'",
        "fork-of: 'forkOf' is read as 'fork-of'",
    ]


@pytest.mark.rule("MANIFEST-1")
@pytest.mark.parametrize("key", ["timeStamp", "x_capacity", "fabric-width-mm", "RPM", "a b", ""])
def test_the_keys_of_others_stay_exactly_as_they_are(key: str) -> None:
    value = {"inNer": [" 1 ", Decimal("1.10"), {"mass": "5"}]}

    tree, findings = repair({**HEAD, key: value})

    assert tree == {**HEAD, key: value}
    assert findings == []


def test_a_key_that_stands_twice_in_two_spellings_keeps_both_and_is_doubtful() -> None:
    tree, findings = repair({**HEAD, "user-manual": "a", "userManual": "b"})

    assert (tree["user-manual"], tree["userManual"]) == ("a", "b")
    assert "userManual: stands beside user-manual, which counts; remove one of them" in str(
        findings[0]
    )


def test_a_key_that_is_nearly_one_of_okh_is_kept_and_asked_about() -> None:
    assert findings_of(technology_readyness_level="OTRL-4") == [
        "technology-readyness-level: is no key of OKH; did you mean technology-readiness-level?"
    ]


@pytest.mark.rule("MANIFEST-2")
@pytest.mark.parametrize(
    ("key", "given", "made"),
    [
        ("name", "Sunny_Brae_Garden\n", "Sunny_Brae_Garden"),
        ("function", '"For first responders "\n', "For first responders"),
        ("version", Decimal("1.10"), "1.10"),
        ("version", 3, "3"),
        ("okhv", "OKH-LOSHv1.0", "2.4"),
        ("documentation-language", "English-UK", "en-GB"),
        ("documentation-language", "DE-Western-Europe", "de"),
        ("documentation-language", ["en", "En-US"], ["en", "en-US"]),
        ("technology-readiness-level", "Ideation", "OTRL-1"),
        ("technology-readiness-level", "OTLR-5", "OTRL-5"),
        ("technology-readiness-level", 4, "OTRL-4"),
        ("documentation-readiness-level", "Started", "ODRL-1"),
        ("documentation-readiness-level", "full", "ODRL-3"),
        ("documentation-readiness-level", "odrl 3*", "ODRL-3*"),
        ("mass", "12.4 g", Decimal("12.4")),
        ("outer-dimensions", {"width": "28 mm", "Height": 3}, {"width": 28, "height": 3}),
        (
            "outer-dimensions",
            "cube(size = [300,300,30.5]",
            {"width": 300, "depth": 300, "height": Decimal("30.5")},
        ),
        (
            "outer-dimensions",
            {"openSCAD": "cylinder(h=12, r=7.5)", "unit": "mm"},
            {"width": Decimal("15.0"), "depth": Decimal("15.0"), "height": 12},
        ),
        ("license", "LicenseRef-CC BY-SA-4.0", "CC-BY-SA-4.0"),
    ],
)
def test_a_value_that_is_understood_is_written_anew_and_the_change_is_told(
    key: str, given: object, made: object
) -> None:
    tree, findings = repair({**HEAD, key: given})

    assert tree[key] == made
    assert findings
    assert {each.level for each in findings} == {"repaired"}
    assert all(each.key.startswith(key) for each in findings)


@pytest.mark.rule("MANIFEST-3")
@pytest.mark.parametrize(
    ("key", "given", "said"),
    [
        ("documentation-language", "Klingon!", "'Klingon!' is not understood"),
        ("technology-readiness-level", "OTRL-9", "'OTRL-9' is not understood; write OTRL-"),
        ("version", "UNVERSIONED", "is said to be none; say which version it is"),
        ("outer-dimensions", "sphere(3)", "'sphere(3)' is not understood; write width"),
        ("outer-dimensions", "[1.2.3, 1, 1]", "is not understood"),
        ("license", "LicenseRef-CERN", "LicenseRef-CERN"),
    ],
)
def test_a_value_that_is_not_understood_stays_and_is_doubtful(
    key: str, given: object, said: str
) -> None:
    tree, findings = repair({**HEAD, key: given})

    assert tree[key] == given
    assert [each.level for each in findings] == ["doubt"]
    assert said in str(findings[0])


def test_a_word_of_readiness_that_may_mean_less_is_read_and_asked_about() -> None:
    tree, findings = repair({**HEAD, "technology-readiness-level": "TechnicalDesign"})

    assert tree["technology-readiness-level"] == "OTRL-4"
    assert [each.level for each in findings] == ["repaired", "doubt"]


def test_a_manifest_without_version_gets_one_and_is_doubtful() -> None:
    tree, findings = repair({key: value for key, value in HEAD.items() if key != "version"})

    assert tree["version"] == "0"
    assert str(findings[0]) == 'version: is missing: "0" is taken; say which version it is'


def test_a_manifest_that_does_not_say_what_it_is_for_is_doubtful() -> None:
    _, findings = repair({key: value for key, value in HEAD.items() if key != "function"})

    assert [str(each) for each in findings] == ["function: is missing; say what it is for"]


def test_the_parts_are_repaired_too_and_their_findings_name_them() -> None:
    part = {"name": " clip", "infill": "30 %", "rasterWidth": 3, "raftBrim": True}

    tree, findings = repair({**HEAD, "part": [part, "no table"]})

    assert tree["part"] == [
        {"name": "clip", "infill": 30, "rasterWidth": 3, "raft-brim": True},
        "no table",
    ]
    assert [each.key for each in findings] == [
        "part.clip.raft-brim",
        "part.clip.name",
        "part.clip.infill",
    ]


def test_the_manifest_of_a_part_becomes_a_part_whose_findings_name_the_file() -> None:
    part, findings = repair_part({"okhv": "2.0", "name": "Comb", "mass": "5 g"}, "okh-Comb.toml")

    assert part == {"name": "Comb", "mass": 5}
    assert str(findings[0]) == "okh-Comb.toml: part.Comb.mass: '5 g' is read as '5'"


def test_what_was_repaired_needs_no_further_repair() -> None:
    messy = changed(
        documentationLanguage="En-US",
        technologyReadinessLevel="Ideation",
        okhv="OKH-LOSHv1.0",
        license="LicenseRef-CC-BY-SA-3.0",
        part=[{"name": "a\n", "outerDimensions": {"openSCAD": "cube([1,2,3])"}}],
    )

    once, _ = repair(messy)

    assert repair(once) == (once, [])


@pytest.mark.parametrize(
    ("given", "tag"),
    [("en", "en"), ("EN-UK", "en-GB"), ("French-FR", "fr-FR"), ("pt_br", "pt-BR"),
     ("zh-Hans-CN", "zh-Hans-CN"), ("es-419", "es-419"), ("", ""), ("-", ""), ("x", "")],
)  # fmt: skip
def test_a_language_gets_the_tag_of_bcp_47(given: str, tag: str) -> None:
    assert tag_of(given) == tag
    assert not tag or TAG.fullmatch(tag)


@pytest.mark.parametrize(
    ("text", "number"),
    [("30 %", 30), ("0.2mm", Decimal("0.2")), ("0.25 - 0.3", Decimal("0.25")),
     ("about 12", None), ("1.2.3", None), ("", None), ("-5", None), ("9" * 40, None)],
)  # fmt: skip
def test_a_text_is_the_number_that_it_begins_with(text: str, number: object) -> None:
    assert number_in(text) == number
