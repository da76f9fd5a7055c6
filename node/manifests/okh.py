"""What an OKH manifest says, as values.

From the words of OKH 2.4, into which `repairs.py` brings the older forms and `okh_v1.py` the
first one. What is not said of a part and can be told from its files is assumed, and each
assumption is a finding. Nothing here reads a file.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Literal, cast

from commonfab.protocol.encoding import plain_text
from commonfab.protocol.limits import PARTS_PER_DESIGN_MAX, QUANTITY_MAX
from commonfab.scheduler.vocabulary import materials, processes
from commonfab.scheduler.vocabulary.processes import FFF_PRINTING

from ..meshes.formats import FORMATS
from . import repairs
from .findings import Finding, KeyRefused, Tree

_MATERIAL_ASSUMED = "PLA"
_3D_PRINTING = "3d-printing"
_OF_FILES = {
    "dxf": "laser-cutting",
    "kicad_pcb": "pcb-fabrication",
    "gbr": "pcb-fabrication",
    **dict.fromkeys(FORMATS, FFF_PRINTING),
}
"""What a file's ending tells of how it is made, where nothing else does."""
_PRINTING_WORDS = {
    FFF_PRINTING: "FDM",
    "sla-printing": "SLA",
    "sls-printing": "SLS",
    "mjf-printing": "MJF",
    "dmls-printing": "DMLS",
}
"""OKH's words for `printing-process`."""
_NUMBER_MAX = 1e9
_SLUG_MAX = 60
_CODES_MAX = 32
"""Of a design's or a part's `tsdc`."""
_REQUIRED = ("name", "version", "license", "licensor")
_FILED_UNDER = ("keywords", "tags")
_OF_A_PART = repairs.PART_KEYS - {"tsdc", "image", "outer-dimensions", "auxiliary"}
"""What a design without parts says of its one part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPart:
    """One thing to make."""

    name: str
    process: str
    """An id of the vocabulary, or a word of its own; empty if the manifest does not tell."""
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
    """The widest nozzle or tool that makes it; 0: any. A key of ours, as the next ones."""
    tolerance_um: int = 0
    """How far a length may be off; 0: not asked."""
    temperature_c: int = 0
    """What its material must be heated to; 0: not said."""
    measured: bool = False
    """Its source is made anew to the measure of each buyer."""

    @property
    def file(self) -> str | None:
        """The path of what a machine's node works from: a mesh if there is one."""
        local = [path for path in (*self.exports, *self.sources) if is_local(path)]
        meshes = sorted((path for path in local if is_mesh(path)), key=_is_solid)
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
    parameters: str | None = None
    """The file with the schema of what a buyer may choose, where it is made to measure."""
    findings: tuple[Finding, ...] = ()
    """What was repaired, assumed or left open."""
    document: Mapping[str, object] = field(default_factory=dict[str, object])
    """All of it in the words of OKH 2.4, with what was assumed, and the keys of others as they
    were."""

    @property
    def slug(self) -> str:
        """The letters and digits of its name, for streams and folders."""
        words = re.findall(r"[a-z0-9]+", plain_text(self.name).casefold())
        return "-".join(words)[:_SLUG_MAX] or hashlib.sha256(self.name.encode()).hexdigest()[:16]


def is_local(path: str) -> bool:
    """Return whether a manifest's path is one of the design's own files."""
    return "://" not in path


def is_mesh(path: str) -> bool:
    return _ending(path) in FORMATS


def tells_its_process(path: str) -> bool:
    """Return whether a file's name alone tells that it is a part, and how it is made."""
    return _ending(path) in _OF_FILES


def from_okh(raw: Tree) -> Manifest:
    """Read OKH 1.0-LOSH to 2.4. Raises `KeyRefused`."""
    return of_tree(*repairs.repair(raw), form="okh")


def of_tree(
    tree: Tree, findings: list[Finding], form: Literal["okh", "okh-v1", "inferred"]
) -> Manifest:
    """Return what a tree in the words of OKH 2.4 says. Raises `KeyRefused`.

    `findings` is what is known of the tree already.
    """
    if form != "inferred":
        _require(tree, _REQUIRED)
    findings = list(findings)
    tables = _tables(tree)
    read = [_part(table, _codes(tree.get("tsdc")), findings) for table in tables]
    document = {key: value for key, value in tree.items() if key != "part"}
    if read:
        document["part"] = [table for _, table in read]
    return Manifest(
        form=form,
        name=_text(tree, "name"),
        version=_text(tree, "version"),
        licence=_text(tree, "license"),
        licensor=_people(tree["licensor"]),
        function=_optional(tree, "function"),
        image=_image(tree.get("image")),
        tags=_tags(tree),
        parts=tuple(part for part, _ in read),
        parameters=_optional(tree, "parameters") or None,
        findings=tuple(findings),
        document=document,
    )


def table_of_file(path: str) -> Tree:
    """Return the table of a part for a file that no manifest says more about, called as its
    path."""
    return {"name": str(PurePosixPath(path).with_suffix("")), "export": [path]}


def _tables(tree: Tree) -> list[Tree]:
    """Return the tables of the parts; of a design without any, one for each mesh it exports."""
    given = tree.get("part")
    if given is None:
        meshes = [path for path in _paths(tree, "export") if is_mesh(path) and is_local(path)]
        whole = {key: value for key, value in tree.items() if key in _OF_A_PART}
        return [{**whole, "name": PurePosixPath(path).stem, "export": path} for path in meshes]
    if not isinstance(given, list):
        raise KeyRefused("part", "part is not a list of tables", "write [[part]] above each")
    tables = cast("list[object]", given)
    if len(tables) > PARTS_PER_DESIGN_MAX:
        what = f"names {len(tables)} parts; at most {PARTS_PER_DESIGN_MAX} are taken"
        raise KeyRefused("part", what, "split the design")
    for table in tables:
        if not isinstance(table, dict):
            raise KeyRefused("part", "a part is not a table", "write [[part]] above each")
    return cast("list[Tree]", tables)


def _part(
    table: Tree, codes_above: list[str], findings: list[Finding]
) -> tuple[ManifestPart, Tree]:
    """Return the part, and its table with what was assumed."""
    table = dict(table)
    sources, exports = _paths(table, "source"), _paths(table, "export")
    if not (sources or exports):
        way_out = 'add export = ["part.stl"]'
        raise KeyRefused("part", f"part {table.get('name')!r} names no file", way_out)
    name = _optional(table, "name") or PurePosixPath((exports + sources)[0]).stem
    table["name"] = name
    process = _process(table, codes_above, exports + sources, findings)
    material = _material(table, process, findings)
    mass_g = _number(table.get("mass"))
    seconds = _number(table.get("seconds"))
    part = ManifestPart(
        name=name,
        process=process,
        material=material,
        exports=exports,
        sources=sources,
        quantity=_quantity(table.get("quantity"), name),
        infill_percent=_within(table, "infill", 0, 100),
        layer_mm=_within(table, "resolution-mm", 0.01, 10),
        shell_mm=_within(table, "shell-thickness", 0, 100),
        supports=table.get("supports") is True,
        seconds=round(seconds) if seconds else None,
        mass_mg=None if mass_g is None else round(mass_g * 1000),
        nozzle_um=round(1000 * (_within(table, "nozzle-mm", 0.001, 50) or 0)),
        tolerance_um=round(1000 * (_within(table, "tolerance-mm", 0.001, 50) or 0)),
        temperature_c=round(_within(table, "temperature", 1, 5000) or 0),
        measured=table.get("measured") is True,
    )
    return part, table


def _process(
    table: Tree, codes_above: list[str], paths: Iterable[str], findings: list[Finding]
) -> str:
    """Return the part's process; else the design's, unless that only joins parts; else what its
    files tell; else ""."""
    key = f"part.{table['name']}.tsdc"
    printing = processes.find(_optional(table, "printing-process"))
    if printing is not None and printing.id != _3D_PRINTING:
        return printing.id
    codes = _codes(table.get("tsdc"))
    known = list(filter(None, map(processes.find, codes or codes_above)))
    for code in codes:
        if processes.find(code) is None:
            said = f"{code!r} is not known here"
            findings.append(Finding(level="doubt", key=key, found=said, remedy="write 3DP or CNC"))
    own = [each for each in known if codes or each.id not in processes.JOINING]
    if own and own[0].id != _3D_PRINTING:
        return own[0].id
    telling = sorted((path for path in paths if tells_its_process(path)), key=_is_solid)
    of_files = _OF_FILES[_ending(telling[0])] if telling else ""
    process = of_files if not own or processes.is_a(of_files, _3D_PRINTING) else FFF_PRINTING
    source = f"tsdc {own[0].tsdc}" if own else "its files"
    if not process:
        said = "does not say how it is made"
        findings.append(Finding(level="doubt", key=key, found=said, remedy='add tsdc = "CNC"'))
        return ""
    findings.append(Finding(level="inferred", key=key, found=source, made=process))
    table.setdefault("tsdc", processes.tsdc_of(process))
    if process in _PRINTING_WORDS:
        table["printing-process"] = _PRINTING_WORDS[process]
    return process


def _material(table: Tree, process: str, findings: list[Finding]) -> str:
    key = f"part.{table['name']}.material"
    given = _optional(table, "material")
    found = materials.find(given)
    if found is not None:
        if found.id != given:
            findings.append(Finding(level="repaired", key=key, found=given, made=found.id))
        table["material"] = found.id
        return found.id
    if given:
        said = f"{given!r} is no material that is known here"
        remedy = "only a machine whose owner writes the same word makes it"
        findings.append(Finding(level="doubt", key=key, found=said, remedy=remedy))
    elif process == FFF_PRINTING:
        made = _MATERIAL_ASSUMED
        findings.append(Finding(level="inferred", key=key, found=f"its {process}", made=made))
        table["material"] = made
        return made
    return given


def _codes(value: object) -> list[str]:
    return [text.strip() for text in _texts(value)[:_CODES_MAX]]


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


def _optional(tree: Mapping[str, object], key: str) -> str:
    """Return a text or a number as text, without the space around it; else an empty one."""
    value = tree.get(key)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return ""


def _number(value: object) -> float | None:
    """Return a number, if it is one that a length or a mass can be; else None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return float(value) if 0 <= value < _NUMBER_MAX else None


def _is_solid(path: str) -> bool:
    """Return whether a file is a model for every process, and so tells least of its own."""
    return _ending(path) in ("step", "stp")


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower().removeprefix(".")
