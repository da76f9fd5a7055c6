"""What a 3MF says of itself: title, designer, licence, in the words of 3MF's core specification.

Read from the head of its model, which is streamed no further than the first object.
"""

import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from ..manifests import licence
from ..manifests.findings import Finding, Tree
from . import archive

HEAD_BYTES_MAX = 256 * 1024
TEXT_CHARS_MAX = 10_000
_CHUNK_BYTES = 16 * 1024
_MODEL = "3d/3dmodel.model"
_KEYS = {
    "Title": "name",
    "Designer": "licensor",
    "LicenseTerms": "license",
    "Description": "function",
    "Copyright": "copyright",
    "CreationDate": "created",
    "Application": "made-with",
}
"""3MF's names, and the keys that they become in a manifest; the last three are our own."""

_UNREADABLE = (
    *(archive.ArchiveRefused, zipfile.BadZipFile, zlib.error, expat.ExpatError),
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
)


class _HeadRead(Exception):
    """All metadata was seen."""


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the texts by their names, as far as they stand where 3MF puts them.

    Empty for what cannot be read: whether it is a 3MF at all is for its mesh to say.
    """
    with suppress(*_UNREADABLE):
        archive.check_end(path)
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
            model = next((name for name in names if name.lower().endswith(_MODEL)), None)
            if model is not None:
                with opened.open(model) as file:
                    return _Reader().read(file.read(HEAD_BYTES_MAX))
    return {}


def describe(metadata: Mapping[str, str]) -> tuple[Tree, list[Finding]]:
    """Return what the metadata says in the words of OKH, and that it comes from there."""
    tree: Tree = {}
    findings: list[Finding] = []
    for name, key in _KEYS.items():
        said = " ".join(metadata.get(name, "").split())
        if not said:
            continue
        made = licence.repair(said)[0] if key == "license" else said
        tree[key] = made
        found = f"the 3MF's {name}" if made == said else f"the 3MF's {name}, {said!r}"
        findings.append(Finding(level="inferred", key=key, found=found, made=made))
    return tree, findings


class _Reader:
    """Reads the metadata at the head of a model."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._name = ""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._stop

    def read(self, head: bytes) -> Mapping[str, str]:
        try:
            for at in range(0, len(head), _CHUNK_BYTES):
                self._parser.Parse(head[at : at + _CHUNK_BYTES], False)
        except _HeadRead:
            pass
        return self._found

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "metadata":
                self._name = attributes.get("name", "")
                self._found.setdefault(self._name, "")
            case "resources" | "build":
                self._stop()
            case _:
                pass

    def _end(self, tag: str) -> None:
        if tag.rpartition(" ")[2] == "metadata":
            self._name = ""

    def _text(self, text: str) -> None:
        if self._name:
            self._found[self._name] = (self._found[self._name] + text)[:TEXT_CHARS_MAX]

    def _stop(self, *_: object) -> NoReturn:
        raise _HeadRead
