"""Brings an OKH manifest of version 1 (YAML) into the words of OKH 2.4.

Every value comes as the text that was written. What 2.4 has no key for stays, under its own
key; what only the template of the form had in it ("[value]") says nothing.
"""

from collections.abc import Iterable
from typing import cast

from . import okh, repairs
from .findings import Finding, KeyRefused, Tree
from .okh import Manifest, is_local, tells_its_process

_TEXTS = {
    "title": "name",
    "version": "version",
    "archive-download": "release",
    "documentation-language": "documentation-language",
    "bom": "bom",
    "image": "image",
    "standard-compliance": "standard-compliance",
}
"""Keys of version 1, and those of 2.4 that say the same."""
_PATHS = {
    "making-instructions": "manufacturing-instructions",
    "operating-instructions": "user-manual",
    "design-files": "source",
    "manufacturing-files": "export",
}
"""Lists of {path, title}, which become lists of paths."""
_ABOUT = ("description", "intended-use", "health-safety-notice")
_FILES = ("manufacturing-files", "design-files")
_BLANKS = ("", "[value]", ["value"])
"""What the template has where nothing was filled in, also as YAML takes it."""


def from_okh_v1(raw: Tree) -> Manifest:
    """Read OKH v1. Raises `KeyRefused`."""
    return okh.of_tree(*to_okh(raw), form="okh-v1")


def to_okh(raw: Tree) -> tuple[Tree, list[Finding]]:
    """Return the tree in the words of OKH 2.4, and what was done to it. Raises `KeyRefused`."""
    findings: list[Finding] = []
    v1 = {repairs.spelt(key): value for key, value in raw.items() if value not in _BLANKS}
    missing = [key for key in ("title", "description", "license") if not v1.get(key)]
    if missing:
        raise KeyRefused("", f"lacks {', '.join(missing)}", "add what OKH requires")
    used = {"license", "licensor", "okh-manifest-version", *_ABOUT}
    tree: Tree = {"okhv": repairs.OKHV}
    for key, name in _TEXTS.items():
        if v1.get(key):
            tree[name] = v1[key]
            used.add(key)
    tree["license"] = _licence(v1["license"])
    tree["licensor"] = _licensor(v1, findings)
    tree["function"] = "\n\n".join(text for text in map(_text, map(v1.get, _ABOUT)) if text)
    _add_places(v1, tree, used)
    _add_readiness(v1, tree, findings)
    for key, name in _PATHS.items():
        if paths := list(_paths(v1.get(key))):
            tree[name] = paths
    if parts := _parts(v1):
        tree["part"] = parts
    tree, repaired = repairs.repair(tree)
    form = Finding(level="repaired", key="okhv", found="1", made=repairs.OKHV)
    kept = {
        key: value
        for key, value in raw.items()
        if repairs.spelt(key) not in used and value not in _BLANKS
    }
    for key in [key for key in kept if key in tree]:
        said = f"means something else in OKH {repairs.OKHV}, so it is left out"
        findings.append(Finding(level="doubt", key=key, found=said, remedy="give it another name"))
        del kept[key]
    return {**tree, **kept}, [form, *findings, *repaired]


def _licence(value: object) -> str:
    if text := _text(value):
        return text
    if isinstance(value, dict):
        tree = cast("Tree", value)
        for key in ("hardware", "documentation", "software"):
            if text := _text(tree.get(key)):
                return text
    raise KeyRefused("license", "names no licence", "add license: with hardware: below it")


def _licensor(v1: Tree, findings: list[Finding]) -> object:
    licensor = v1.get("licensor")
    if _names(licensor):
        return licensor
    for key in ("manifest-author", "contact"):
        if names := _names(v1.get(key)):
            made = ", ".join(names)
            findings.append(Finding(level="inferred", key="licensor", found=key, made=made))
            return v1[key]
    raise KeyRefused("licensor", "names no licensor", "add licensor: with the holder's name")


def _names(value: object) -> list[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    names = [
        _text(cast("Tree", entry).get("name")) if isinstance(entry, dict) else _text(entry)
        for entry in entries
    ]
    return [name for name in names if name]


def _add_places(v1: Tree, tree: Tree, used: set[str]) -> None:
    for key in ("documentation-home", "project-link"):
        if "repo" not in tree and _text(v1.get(key)):
            tree["repo"] = v1[key]
            used.add(key)
    origin = v1.get("derivative-of")
    if isinstance(origin, dict):
        below = cast("Tree", origin)
        origin = _text(below.get("web")) or _text(below.get("manifest"))
    if _text(origin):
        tree["fork-of"] = origin


def _add_readiness(v1: Tree, tree: Tree, findings: list[Finding]) -> None:
    keys = ("technology-readiness-level", "documentation-readiness-level")
    if v1.get("made-independently") == "true":
        said = "made-independently"
        levels = dict(zip(keys, ("OTRL-3", "ODRL-3"), strict=True))
    elif v1.get("made") == "true" or v1.get("development-stage") == "prototype":
        said = "made"
        levels = {keys[0]: "OTRL-3"}
    else:
        return
    for key, level in levels.items():
        tree[key] = level
        findings.append(Finding(level="inferred", key=key, found=said, made=level))


def _parts(v1: Tree) -> list[Tree]:
    found = [path for key in _FILES for path in _paths(v1.get(key))]
    local = [path for path in found if is_local(path) and tells_its_process(path)]
    return [okh.table_of_file(path) for path in dict.fromkeys(local)]


def _paths(value: object) -> Iterable[str]:
    for entry in cast("list[object]", value) if isinstance(value, list) else [value]:
        path = cast("Tree", entry).get("path") if isinstance(entry, dict) else entry
        if text := _text(path):
            yield text


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in _BLANKS else text
