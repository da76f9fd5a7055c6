"""Brings an OKH manifest of any 2.x, or of LOSH 1.0, into the words of OKH 2.4.

The trees come from people and from programs. What is understood without guessing is
repaired, and each change is a finding; what is doubtful is kept and said. Keys that OKH
does not have are nobody's business: they stay exactly as they are.
Nothing here reads a file.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import cast

from . import languages, licence
from .findings import Finding, Tree

OKHV = "2.4"

KEYS = frozenset(
    {"okhv", "name", "repo", "version", "release", "license", "licensor", "organization",
     "readme", "contribution-guide", "image", "documentation-language", "function",
     "technology-readiness-level", "documentation-readiness-level", "attestation",
     "publication", "standard-compliance", "cpc-patent-class", "tsdc", "bom",
     "manufacturing-instructions", "user-manual", "source", "export", "auxiliary", "fork-of",
     "mass", "outer-dimensions", "rdf", "software", "joining-process",
     "surface-finishing-process", "part", "keywords", "tags"}
)  # fmt: skip
PART_KEYS = frozenset(
    {"name", "source", "export", "auxiliary", "image", "mass", "tsdc", "material",
     "outer-dimensions", "printing-process", "infill", "raft-brim", "supports",
     "resolution-mm", "shell-thickness", "top-bottom-thickness", "smallest-tolerance-class",
     "smallest-inner-radius-mm", "thickness-mm", "engraving-depth-mm", "resolution-dpi",
     "2d-size-mm", "board-thickness-mm", "copper-thickness-mm", "component-sides",
     "layer-count", "smallest-trace-width-mm", "welding-process", "welder-certification",
     "quantity", "seconds", "nozzle-mm", "tolerance-mm", "temperature"}
)  # fmt: skip
"""OKH's, and ours from `quantity` on."""
_SIDES = frozenset({"width", "depth", "height"})
SPELLINGS = {"organisation": "organization", "patent-class": "cpc-patent-class"}
"""Keys that are written in other ways, besides the case of their letters."""
_NUMBERS = frozenset(
    {"mass", "infill", "resolution-mm", "shell-thickness", "top-bottom-thickness",
     "thickness-mm", "engraving-depth-mm", "smallest-inner-radius-mm", "nozzle-mm",
     "tolerance-mm", "temperature", "seconds", "quantity", *_SIDES}
)  # fmt: skip
_TEXTS = frozenset(
    {"name", "repo", "version", "release", "license", "licensor", "organization", "function",
     "fork-of", "material", "tsdc", "printing-process", "readme", "bom", "user-manual"}
)  # fmt: skip
_LIKE = 0.85
"""From here on, an unknown key is taken for a misspelling of a known one, and said."""
_UNKNOWN_MAX = 100
"""Keys of others of which this is asked; real manifests have up to 12."""
_OTRL = {"ideation": "OTRL-1", "technicaldesign": "OTRL-4"}
_ODRL = {"started": "ODRL-1", "full": "ODRL-3"}
_ASKED = frozenset({"technicaldesign"})
"""Words of readiness that may mean less than what they are read as."""


def repair(raw: Tree) -> tuple[Tree, list[Finding]]:
    """Return the tree in the words of OKH 2.4, and what was done to it."""
    findings: list[Finding] = []
    tree = _respell(raw, KEYS, "", findings)
    _repair_values(tree, "", findings)
    _repair_licence(tree, findings)
    _repair_language(tree, findings)
    for key, words in (
        ("technology-readiness-level", _OTRL),
        ("documentation-readiness-level", _ODRL),
    ):
        _repair_readiness(tree, key, words, findings)
    _repair_version(tree, findings)
    if tree.get("function") in (None, ""):
        _doubt(findings, "function", "is missing", "say what it is for")
    _repair_form(tree, findings)
    _repair_dimensions(tree, "", findings)
    parts = tree.get("part")
    if isinstance(parts, list):
        tree["part"] = [_repair_part(part, findings) for part in cast("list[object]", parts)]
    return tree, findings


def repair_part(raw: Tree, file: str) -> tuple[Tree, list[Finding]]:
    """Return what a part's own manifest (OKH 2.0) says, as a part of the design's."""
    findings: list[Finding] = []
    known = {key: value for key, value in raw.items() if key != "okhv"}
    part = _repair_part(known, findings)
    assert isinstance(part, dict)
    return cast("Tree", part), [_in_file(each, file) for each in findings]


def _in_file(finding: Finding, file: str) -> Finding:
    return Finding(
        level=finding.level,
        key=finding.key,
        found=finding.found,
        made=finding.made,
        remedy=finding.remedy,
        file=file,
    )


def _repair_part(part: object, findings: list[Finding]) -> object:
    if not isinstance(part, dict):
        return part
    raw = cast("Tree", part)
    name = raw.get("name")
    above = f"part.{name.strip()}." if isinstance(name, str) else "part."
    tree = _respell(raw, PART_KEYS, above, findings)
    _repair_values(tree, above, findings)
    _repair_dimensions(tree, above, findings)
    return tree


def spelt(key: str) -> str:
    """Return a key in lower case and hyphens, as OKH 2 writes it."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key)
    return words.lower().replace("_", "-").replace(" ", "-")


def _respell(
    raw: Mapping[str, object], known: frozenset[str], above: str, findings: list[Finding]
) -> Tree:
    tree: Tree = {}
    asked = 0
    for key, value in raw.items():
        name = spelt(key)
        name = SPELLINGS.get(name, name)
        if name == key or name not in known:
            tree[key] = value
            if key not in known and (asked := asked + 1) <= _UNKNOWN_MAX:
                _doubt_key(key, known - raw.keys(), above, findings)
        elif name in raw or name in tree:
            # Two spellings of one key: the right one counts, and the other is kept beside it.
            tree[key] = value
            said = f"stands beside {name}, which counts"
            _doubt(findings, above + key, said, "remove one of them")
        else:
            tree[name] = value
            _repaired(findings, above + name, key, name)
    return tree


def _doubt_key(key: str, free: frozenset[str], above: str, findings: list[Finding]) -> None:
    """Say so if a key looks like one of OKH's that is not there."""
    like = difflib.get_close_matches(spelt(key), sorted(free), 1, _LIKE)
    if like:
        _doubt(findings, above + key, "is no key of OKH", f"did you mean {like[0]}?")


def _repair_values(tree: Tree, above: str, findings: list[Finding]) -> None:
    for key, value in list(tree.items()):
        if key in _TEXTS and isinstance(value, str):
            _replace(tree, key, _trim(value), above, findings)
        elif key in _NUMBERS and isinstance(value, str):
            number = number_in(value)
            if number is not None:
                _replace(tree, key, number, above, findings)


def _trim(text: str) -> str:
    """Return a text without the space around it, and without quotation marks around it all."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def number_in(text: str) -> int | Decimal | None:
    """Return the number that a text begins with ("30 %", "0.2 mm", "0.25 - 0.3"), if any."""
    found = re.match(r"\s*(\d{1,9}(?:\.\d{1,9})?)(?![\d.])", text)
    if found is None:
        return None
    return Decimal(found[1]) if "." in found[1] else int(found[1])


def _repair_licence(tree: Tree, findings: list[Finding]) -> None:
    given = tree.get("license")
    if not isinstance(given, str) or not given:
        return
    repaired, _ = licence.repair(given)
    _replace(tree, "license", repaired, "", findings)
    _, doubt = licence.repair(repaired)
    if doubt is not None:
        _doubt(findings, "license", doubt, "")


def _repair_language(tree: Tree, findings: list[Finding]) -> None:
    key = "documentation-language"
    given = tree.get(key)
    if isinstance(given, str):
        _replace_word(tree, key, languages.tag_of, "write a tag of BCP 47", findings)
    elif isinstance(given, list):
        entries = cast("list[object]", given)
        tags = [languages.tag_of(e) or e if isinstance(e, str) else e for e in entries]
        if tags != entries:
            tree[key] = tags
            _repaired(findings, key, str(entries), str(tags))


def _repair_readiness(
    tree: Tree, key: str, words: Mapping[str, str], findings: list[Finding]
) -> None:
    prefix = "OTRL" if key.startswith("technology") else "ODRL"

    def level_of(text: str) -> str:
        if re.fullmatch(rf"{prefix}-(?:[1-6]|3\*)", text):
            return text
        word = re.sub(r"[^a-z0-9*]", "", text.lower())
        # The four letters are mistaken for one another: OTLR-5.
        found = re.fullmatch(r"(?:o[tdrl]{3})?([1-6]\*?)", word)
        return words.get(word) or (f"{prefix}-{found[1]}" if found else "")

    given = tree.get(key)
    if isinstance(given, int) and not isinstance(given, bool):
        _replace(tree, key, f"{prefix}-{given}", "", findings)
    elif isinstance(given, str):
        _replace_word(tree, key, level_of, f"write {prefix}- and a number", findings)
        if spelt(given).replace("-", "") in _ASKED:
            _doubt(findings, key, f"{given!r} may mean less than {tree[key]}", "ask its author")


def _replace_word(
    tree: Tree, key: str, read: Callable[[str], str], remedy: str, findings: list[Finding]
) -> None:
    given = tree[key]
    assert isinstance(given, str)
    found = read(given)
    if found:
        _replace(tree, key, found, "", findings)
    else:
        _doubt(findings, key, f"{given!r} is not understood", remedy)


def _repair_version(tree: Tree, findings: list[Finding]) -> None:
    given = tree.get("version")
    if isinstance(given, int | Decimal) and not isinstance(given, bool):
        tree["version"] = str(given)
        _repaired(findings, "version", str(given), f'"{given}"')
    elif given in (None, ""):
        tree["version"] = "0"
        _doubt(findings, "version", 'is missing: "0" is taken', "say which version it is")
    elif given == "UNVERSIONED":
        _doubt(findings, "version", "is said to be none", "say which version it is")


def _repair_form(tree: Tree, findings: list[Finding]) -> None:
    given = tree.get("okhv")
    tree["okhv"] = OKHV
    if given is not None and given != OKHV:
        _repaired(findings, "okhv", str(given), OKHV)


def _repair_dimensions(tree: Tree, above: str, findings: list[Finding]) -> None:
    key = "outer-dimensions"
    given = tree.get(key)
    if isinstance(given, dict):
        sides = cast("Tree", given)
        scad = sides.get("openSCAD")
        if not isinstance(scad, str):
            spelled = _respell(sides, _SIDES, f"{above}{key}.", findings)
            _repair_values(spelled, f"{above}{key}.", findings)
            tree[key] = spelled
            return
        given = scad if sides.get("unit") in (None, "mm") else None
    if not isinstance(given, str):
        return
    numbers = _scad_sides(given)
    if numbers is None:
        _doubt(findings, above + key, f"{given!r} is not understood", "write width, depth, height")
        return
    tree[key] = dict(zip(("width", "depth", "height"), numbers, strict=True))
    _repaired(findings, above + key, given, " x ".join(map(str, numbers)) + " mm")


def _scad_sides(text: str) -> list[int | Decimal] | None:
    """Return x, y and z of OpenSCAD's cube([x, y, z]) or cylinder(h=z, r=half of x and y)."""
    cube = re.search(r"\[\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*\]", text)
    round_ = re.search(r"cylinder\(\s*h\s*=\s*([\d.]+)\s*,\s*([rd])\s*=\s*([\d.]+)\s*\)", text)
    if cube is not None:
        sides = [number_in(side) for side in cube.groups()]
    elif round_ is not None:
        across, height = number_in(round_[3]), number_in(round_[1])
        across = across * 2 if across is not None and round_[2] == "r" else across
        sides = [across, across, height]
    else:
        return None
    numbers = [side for side in sides if side is not None]
    return numbers if len(numbers) == len(sides) else None


def _replace(tree: Tree, key: str, made: object, above: str, findings: list[Finding]) -> None:
    given = tree[key]
    tree[key] = made
    if made != given:
        _repaired(findings, above + key, str(given), str(made))


def _repaired(findings: list[Finding], key: str, found: str, made: str) -> None:
    findings.append(Finding(level="repaired", key=key, found=found, made=made))


def _doubt(findings: list[Finding], key: str, found: str, remedy: str) -> None:
    findings.append(Finding(level="doubt", key=key, found=found, remedy=remedy))
