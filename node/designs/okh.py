"""What an OKH manifest says, as values: from OKH 2.4 and LOSH 1.0, and from OKH v1.

The trees come from TOML or YAML as they were written, by people and by programs. Keys are
taken in either spelling (`documentation-language`, `documentationLanguage`); what can be
understood without guessing is repaired and remarked; what this node does not know is kept.
Nothing here reads a file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Literal, cast

from commonfab.protocol.limits import PARTS_PER_DESIGN_MAX, QUANTITY_MAX

from ..meshes.formats import FORMATS
from . import licence

Tree = dict[str, object]
"""Keys to texts, numbers, truth values, lists and trees; numbers with a point are Decimal."""

FFF_PRINTING = "fff-printing"
_PROCESSES = {
    "3DP": FFF_PRINTING,
    "CNC": "cnc-milling",
    "LAS": "laser-cutting",
    "PCB": "pcb-fabrication",
    "WEL": "welding",
    "ASM": "assembly",
    "MEC": "mechanical-assembly",
}
"""OKH's technology-specific documentation criteria (TsDC) to process names."""
_JOINING = frozenset({"ASM", "MEC", "WEL"})
_PRINTING = {
    "FDM": FFF_PRINTING,
    "FFF": FFF_PRINTING,
    "SLA": "sla-printing",
    "SLS": "sls-printing",
    "MJF": "mjf-printing",
    "DMLS": "dmls-printing",
}
_MATERIAL_ASSUMED = "PLA"
_SPELLINGS = {"organisation": "organization"}
_NUMBER_MAX = 1e9
_REQUIRED = ("name", "version", "license", "licensor", "function")
_FILED_UNDER = ("keywords", "tags")
_KNOWN = frozenset({*_REQUIRED, *_FILED_UNDER, "image", "part"})
_KNOWN_V1 = frozenset(
    {*_FILED_UNDER, "title", "version", "license", "licensor", "description", "image"}
)
_KNOWN_OF_PART = frozenset(
    {"name", "tsdc", "printing-process", "source", "export", "material", "quantity", "infill",
     "resolution-mm", "shell-thickness", "supports", "seconds", "mass", "nozzle-mm",
     "tolerance-mm", "temperature"}
)  # fmt: skip


class KeyRefused(Exception):
    """One key of a manifest cannot be used. The reader adds the file and the line."""

    def __init__(self, key: str, what: str, way_out: str) -> None:
        super().__init__(f"{what}; {way_out}")
        self.key = key
        self.what = what
        self.way_out = way_out


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPart:
    """One thing to make."""

    name: str
    process: str
    """Empty if the manifest does not tell."""
    material: str
    """Likewise, except that a print is taken to be PLA."""
    exports: tuple[str, ...] = ()
    """Paths as given, meshes and others."""
    sources: tuple[str, ...] = ()
    quantity: int = 1
    """How many of it one design needs. A key of ours, `quantity`."""
    infill_percent: float | None = None
    layer_mm: float | None = None
    shell_mm: float | None = None
    supports: bool = False
    seconds: int | None = None
    """Machine time for one piece, where there is no estimate. A key of ours, `seconds`."""
    mass_mg: int | None = None
    nozzle_um: int = 0
    """The widest nozzle or tool that makes it; 0: any. A key of ours, as the next two."""
    tolerance_um: int = 0
    """How far a length may be off; 0: not asked."""
    temperature_c: int = 0
    """What its material must be heated to; 0: not said."""
    rest: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def file(self) -> str | None:
        """The path of what a machine's node works from: a mesh if there is one."""
        local = [path for path in (*self.exports, *self.sources) if is_local(path)]
        meshes = [path for path in local if is_mesh(path)]
        return next(iter(meshes + local), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A design's description."""

    form: Literal["okh", "okh-v1", "inferred"]
    """Where it comes from; `inferred` has no manifest, only files."""
    name: str
    version: str
    licence: str
    """SPDX, or as given if it is not known here; NOASSERTION if nothing was said."""
    licensor: str
    function: str
    image: str | None = None
    tags: tuple[str, ...] = ()
    """What it is filed under, each word once."""
    parts: tuple[ManifestPart, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was repaired, assumed or left open, for a person to read."""
    rest: Mapping[str, object] = field(default_factory=dict[str, object])
    """All other keys with their values."""


def is_local(path: str) -> bool:
    """Return whether a manifest's path is one of the design's own files."""
    return "://" not in path


def is_mesh(path: str) -> bool:
    return PurePosixPath(path).suffix.lower().removeprefix(".") in FORMATS


def from_okh(tree: Tree) -> Manifest:
    """Read OKH 1.0-LOSH to 2.4. Raises `KeyRefused`."""
    tree = _respell(tree)
    _require(tree, _REQUIRED)
    remarks: list[str] = []
    return Manifest(
        form="okh",
        name=_text(tree, "name"),
        version=_text(tree, "version"),
        licence=_licence(_text(tree, "license"), remarks),
        licensor=_people(tree["licensor"]),
        function=_text(tree, "function"),
        image=_image(tree.get("image")),
        tags=_tags(tree),
        parts=_parts(tree, remarks),
        remarks=tuple(remarks),
        rest={key: value for key, value in tree.items() if key not in _KNOWN},
    )


def from_okh_v1(tree: Tree) -> Manifest:
    """Read OKH v1. Raises `KeyRefused`."""
    tree = _respell(tree)
    _require(tree, ("title", "description", "license"))
    remarks: list[str] = []
    licensor = _people(tree.get("licensor"))
    for key in ("manifest-author", "contact"):
        if not licensor and tree.get(key):
            licensor = _people(tree[key])
            remarks.append(f"names no licensor: taken from {key}")
    if not licensor:
        raise KeyRefused("licensor", "names no licensor", "add licensor: with the holder's name")
    if not tree.get("version"):
        remarks.append('names no version: "0" is taken')
    about = [
        _optional(tree, key) for key in ("description", "intended-use", "health-safety-notice")
    ]
    return Manifest(
        form="okh-v1",
        name=_text(tree, "title"),
        version=_optional(tree, "version") or "0",
        licence=_licence(_licence_v1(tree["license"]), remarks),
        licensor=licensor,
        function="\n\n".join(text for text in about if text),
        image=_image(tree.get("image")),
        tags=_tags(tree),
        parts=_parts_v1(tree, remarks),
        remarks=tuple(remarks),
        rest={key: value for key, value in tree.items() if key not in _KNOWN_V1},
    )


def part_of_mesh(path: str, remarks: list[str]) -> ManifestPart:
    """Return a part for a mesh that no manifest says more about, called as its path."""
    name = str(PurePosixPath(path).with_suffix(""))
    remarks.append(f"{name}: {FFF_PRINTING} in {_MATERIAL_ASSUMED} is assumed")
    return ManifestPart(
        name=name, process=FFF_PRINTING, material=_MATERIAL_ASSUMED, exports=(path,)
    )


def _parts(tree: Tree, remarks: list[str]) -> tuple[ManifestPart, ...]:
    given = tree.get("part")
    if given is None:
        meshes = [path for path in _paths(tree, "export") if is_mesh(path) and is_local(path)]
        whole = {key: value for key, value in tree.items() if key in _KNOWN_OF_PART - {"tsdc"}}
        given = [{**whole, "name": PurePosixPath(path).stem, "export": path} for path in meshes]
    if not isinstance(given, list):
        raise KeyRefused("part", "part is not a list of tables", "write [[part]] above each")
    tables = cast("list[object]", given)
    if len(tables) > PARTS_PER_DESIGN_MAX:
        what = f"names {len(tables)} parts; at most {PARTS_PER_DESIGN_MAX} are taken"
        raise KeyRefused("part", what, "split the design")
    return tuple(_part(table, _codes(tree.get("tsdc")), remarks) for table in tables)


def _part(table: object, codes_above: list[str], remarks: list[str]) -> ManifestPart:
    if not isinstance(table, dict):
        raise KeyRefused("part", "a part is not a table", "write [[part]] above each")
    tree = _respell(cast("Tree", table))
    sources, exports = _paths(tree, "source"), _paths(tree, "export")
    if not (sources or exports):
        way_out = 'add export = ["part.stl"]'
        raise KeyRefused("part", f"part {tree.get('name')!r} names no file", way_out)
    name = _optional(tree, "name") or PurePosixPath((exports + sources)[0]).stem
    process = _process(tree, codes_above, exports + sources)
    if not process:
        remarks.append(f"{name}: does not say how it is made")
    material = _optional(tree, "material")
    if not material and process == FFF_PRINTING:
        material = _MATERIAL_ASSUMED
        remarks.append(f"{name}: names no material: {material} is assumed")
    mass_g = _number(tree.get("mass"))
    seconds = _number(tree.get("seconds"))
    return ManifestPart(
        name=name,
        process=process,
        material=material,
        exports=exports,
        sources=sources,
        quantity=_quantity(tree.get("quantity"), name),
        infill_percent=_within(tree, "infill", 0, 100),
        layer_mm=_within(tree, "resolution-mm", 0.01, 10),
        shell_mm=_within(tree, "shell-thickness", 0, 100),
        supports=tree.get("supports") is True,
        seconds=round(seconds) if seconds else None,
        mass_mg=None if mass_g is None else round(mass_g * 1000),
        nozzle_um=round(1000 * (_within(tree, "nozzle-mm", 0.001, 50) or 0)),
        tolerance_um=round(1000 * (_within(tree, "tolerance-mm", 0.001, 50) or 0)),
        temperature_c=round(_within(tree, "temperature", 1, 5000) or 0),
        rest={key: value for key, value in tree.items() if key not in _KNOWN_OF_PART},
    )


def _parts_v1(tree: Tree, remarks: list[str]) -> tuple[ManifestPart, ...]:
    paths: list[str] = []
    for key in ("manufacturing-files", "design-files"):
        entries = tree.get(key)
        for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
            path = cast("Tree", entry).get("path") if isinstance(entry, dict) else entry
            if isinstance(path, str) and is_local(path) and is_mesh(path) and path not in paths:
                paths.append(path)
    if len(paths) > PARTS_PER_DESIGN_MAX:
        what = f"names {len(paths)} meshes; at most {PARTS_PER_DESIGN_MAX} are taken"
        raise KeyRefused("manufacturing-files", what, "split the design")
    return tuple(part_of_mesh(path, remarks) for path in paths)


def _process(tree: Tree, codes_above: list[str], paths: Iterable[str]) -> str:
    """Return the part's process; else the design's, unless that only joins parts; else ""."""
    printing = _optional(tree, "printing-process").upper()
    if printing in _PRINTING:
        return _PRINTING[printing]
    inherited = [code for code in codes_above if code not in _JOINING]
    for code in _codes(tree.get("tsdc")) or inherited:
        if code in _PROCESSES:
            return _PROCESSES[code]
    return FFF_PRINTING if any(is_mesh(path) for path in paths) else ""


def _codes(value: object) -> list[str]:
    return [text.strip().upper() for text in _texts(value)]


def _quantity(value: object, name: str) -> int:
    if value is None:
        return 1
    number = _number(value)
    if number is None or number != int(number) or not 1 <= number <= QUANTITY_MAX:
        what = f"part {name!r} has quantity {value!r}"
        raise KeyRefused("quantity", what, f"write a whole number from 1 to {QUANTITY_MAX}")
    return int(number)


def _within(tree: Tree, key: str, low: float, high: float) -> float | None:
    number = _number(tree.get(key))
    if number is not None and not low <= number <= high:
        what = f"part {tree.get('name')!r} has {key} {number:g}"
        raise KeyRefused(key, what, f"write a number from {low:g} to {high:g}")
    return number


def _licence(given: str, remarks: list[str]) -> str:
    repaired, remark = licence.repair(given)
    if remark is not None:
        remarks.append(remark)
    return repaired


def _licence_v1(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, dict):
        tree = cast("Tree", value)
        for key in ("hardware", "documentation", "software"):
            if text := _optional(tree, key):
                return text
    raise KeyRefused("license", "names no licence", "add license: with hardware: below it")


def _people(value: object) -> str:
    """Return one or more people, each a text or a table with a name, as one text."""
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    names = [
        _optional(cast("Tree", entry), "name") if isinstance(entry, dict) else entry
        for entry in entries
    ]
    return ", ".join(name.strip() for name in names if isinstance(name, str) and name.strip())


def _tags(tree: Tree) -> tuple[str, ...]:
    """Return the words of both keys; a text is taken as words between commas."""
    given = [text for key in _FILED_UNDER for text in _texts(tree.get(key))]
    words = (" ".join(word.split()) for text in given for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _image(value: object) -> str | None:
    """Return the first image that is a file of the design's: a path, or a table's location."""
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    for entry in entries:
        path = cast("Tree", entry).get("location") if isinstance(entry, dict) else entry
        if isinstance(path, str) and path.strip() and is_local(path):
            return path.strip()
    return None


def _paths(tree: Tree, key: str) -> tuple[str, ...]:
    value = tree.get(key)
    if value is not None and not _texts(value):
        raise KeyRefused(key, f"{key} is neither a path nor a list of paths", "correct it")
    return tuple(text.strip() for text in _texts(value))


def _texts(value: object) -> list[str]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, str) and entry.strip()]


def _require(tree: Tree, keys: Iterable[str]) -> None:
    missing = [key for key in keys if tree.get(key) in (None, "", [], {})]
    if missing:
        raise KeyRefused("", f"lacks {', '.join(missing)}", "add what OKH requires")


def _text(tree: Tree, key: str) -> str:
    text = _optional(tree, key)
    if not text:
        raise KeyRefused(key, f"{key} is not a text", f'write {key} = "…"')
    return text


def _optional(tree: Tree, key: str) -> str:
    """Return a text or a number as text, without the space around it; else an empty one."""
    value = tree.get(key)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return ""


def _number(value: object) -> float | None:
    """Return a number, or the one that a text begins with ("30 %", "0.2 mm"); else None."""
    number = -1.0
    if isinstance(value, str):
        if found := re.match(r"\s*\d{1,9}(?:\.\d{1,9})?", value):
            number = float(found[0])
    elif isinstance(value, Decimal):
        number = float(value) if value.is_finite() else number
    elif isinstance(value, int) and not isinstance(value, bool) and value < _NUMBER_MAX:
        number = float(value)
    return number if 0 <= number < _NUMBER_MAX else None


def _respell(tree: Tree) -> Tree:
    """Return the tree with its keys in lower case and hyphens, as OKH 2 writes them."""
    spelt = {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", str(key)).lower().replace("_", "-"): value
        for key, value in tree.items()
    }
    return {_SPELLINGS.get(key, key): value for key, value in spelt.items()}
