"""Reads one OKH manifest from its file, with limits on what a file may cost its reader.

All of it blocks on the disk: call it in a thread.
"""

import re
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

import yaml

from commonfab.protocol.errors import UsageError

from . import okh_v1, repairs
from .findings import Finding, KeyRefused, Tree
from .okh import Manifest, of_tree

MANIFEST_BYTES_MAX = 256 * 1024
"""The longest of 1,600 real manifests has 10 KiB."""
YAML_DEPTH_MAX = 32
"""The parser's time grows with the square of the depth. Real manifests reach 4."""
TOML_DOTS_MAX = 300
"""In a line: a key of many parts takes the parser's time with the square of their number.
The longest text in a real manifest has 29."""
ENDINGS = (".toml", ".yml", ".yaml")

_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

_HALF_LETTER = re.compile("[\ud800-\udfff]")
"""A surrogate, which YAML may name and no file can hold."""


class ManifestRefused(UsageError):
    """A manifest cannot be used: which file and line, what is wrong, and the way out."""

    def __init__(self, file: Path, line: int | None, what: str, way_out: str) -> None:
        where = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {what}; {way_out}")
        self.file = file
        self.line = line
        self.what = what
        self.way_out = way_out


def read_manifest(file: Path) -> Manifest:
    """Read one manifest: OKH 1.0-LOSH to 2.4 from .toml, OKH v1 from .yml or .yaml.

    Raises `ManifestRefused`. Does not look for the files that it names.
    """
    return Opened(file).manifest()


class Opened:
    """A manifest's text, and what its tree says in the words of OKH 2.4."""

    def __init__(self, file: Path) -> None:
        """Raise `ManifestRefused` for what cannot be read."""
        self.file = file
        self.text = _read_text(file)
        self.is_v1 = file.suffix != ".toml"
        try:
            self.raw = _parse_yaml(file, self.text) if self.is_v1 else _parse_toml(file, self.text)
            to_okh = okh_v1.to_okh if self.is_v1 else repairs.repair
            self.tree, self.findings = to_okh(self.raw)
        except KeyRefused as refusal:
            raise self.refused(refusal) from refusal
        except RecursionError as error:
            raise ManifestRefused(file, None, "is nested too deeply", "flatten it") from error

    def manifest(
        self, parts: list[Tree] | None = None, more: list[Finding] | None = None
    ) -> Manifest:
        """Return what it says; `parts` are added to those that it names, and `more` to what was
        found. Raises `ManifestRefused`."""
        tree = dict(self.tree)
        if parts:
            named = tree.get("part")
            tree["part"] = [
                *(cast("list[object]", named) if isinstance(named, list) else []),
                *parts,
            ]
        try:
            found = [*self.findings, *(more or [])]
            return of_tree(tree, found, form="okh-v1" if self.is_v1 else "okh")
        except KeyRefused as refusal:
            raise self.refused(refusal) from refusal

    def refused(self, refusal: KeyRefused) -> ManifestRefused:
        """Return a refusal of one key with the file and the line that it stands in."""
        line = _line_of(refusal.key, self.text)
        return ManifestRefused(self.file, line, refusal.what, refusal.way_out)


def read_part(file: Path) -> tuple[Tree, list[Finding]]:
    """Return the table of a part that has a manifest of its own, as in OKH 2.0.

    Raises `ManifestRefused`.
    """
    raw = _parse_toml(file, _read_text(file))
    return repairs.repair_part(raw, file.name)


def _read_text(file: Path) -> str:
    try:
        if not file.is_file():
            raise ManifestRefused(file, None, "is not a file", "name a manifest")
        with file.open("rb") as opened:
            data = opened.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise ManifestRefused(file, None, f"{error.strerror}", "check the path") from error
    if len(data) > MANIFEST_BYTES_MAX:
        what = f"is longer than {MANIFEST_BYTES_MAX // 1024} KiB"
        raise ManifestRefused(file, None, what, "move long texts to files of their own")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestRefused(file, line, "is not UTF-8", "save it as UTF-8") from error


def _parse_toml(file: Path, text: str) -> Tree:
    for number, content in enumerate(text.splitlines(), start=1):
        if content.count(".") > TOML_DOTS_MAX:
            way_out = "break it, or move it to a file of its own"
            raise ManifestRefused(file, number, f"more than {TOML_DOTS_MAX} dots", way_out)
    # Decimals keep what was written: version = 1.10 is not 1.1.
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else None
        if "at end of document" in str(error):
            line = text.count("\n") + 1
        raise ManifestRefused(file, line, f"is not TOML: {error}", "correct this line") from error
    return cast("Tree", tree)


def _parse_yaml(file: Path, text: str) -> Tree:
    """Read every value as text, as it was written: 1.10 and no and 2020-01-01."""
    if text.startswith("%Open Know-How"):
        text = "#" + text
    try:
        _scan_yaml(file, text)
        tree: object = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts only.
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if isinstance(mark, yaml.Mark) else None
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ManifestRefused(file, line, f"is not YAML: {what}", "correct this line") from error
    if not isinstance(tree, dict):
        way_out = "fill it in: title, description, license"
        raise ManifestRefused(file, None, "holds no keys", way_out)
    return cast("Tree", tree)


def _scan_yaml(file: Path, text: str) -> None:
    """Refuse what would cost the parser more than the text is long."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.BaseLoader):
        line = token.start_mark.line + 1
        if isinstance(token, yaml.AliasToken):
            # A few lines of aliases to aliases would stand for more than any memory holds.
            raise ManifestRefused(file, line, "has an alias (*name)", "write it out")
        if isinstance(token, yaml.ScalarToken) and _HALF_LETTER.search(token.value):
            raise ManifestRefused(file, line, "has half a letter (\\ud800)", "write whole ones")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > YAML_DEPTH_MAX:
            raise ManifestRefused(file, line, "is nested too deeply", "flatten it")


def _line_of(key: str, text: str) -> int | None:
    """Return the first line that sets the key, in whatever spelling, or opens its table."""
    if not key:
        return None
    loose = re.escape(key).replace(r"\-", "[-_]?")
    found = re.search(rf"^[\s\[\"'-]*{loose}[\s\]\"']*[=:\]]?", text, re.MULTILINE | re.IGNORECASE)
    if found is None:
        return None
    return text.count("\n", 0, found.end()) + 1
