"""Presets of a slicer's vendor bundle, resolved to the flat settings that its command takes.

A bundle of PrusaSlicer is an INI file whose sections are presets, such as `[print:0.20mm
QUALITY @MK3]`; most inherit from others, the later over the earlier. The command line loads
flat settings only. What comes out is sorted, so that one choice of presets is always the
same bytes, and has the same digest.
"""

import difflib
from pathlib import Path
from typing import Literal, NamedTuple

from commonfab.protocol.errors import ResourceError, UsageError

BUNDLE_BYTES_MAX = 16 * 1024 * 1024
"""Ten times the largest of PrusaSlicer 2.5.0."""
DEPTH_MAX = 32
"""Presets that inherit from presets; PrusaSlicer's own reach 9."""

Kind = Literal["printer", "print", "filament"]
_KINDS: tuple[Kind, ...] = ("printer", "print", "filament")
_Preset = dict[str, str]
_ABOUT_PRESETS = {
    *("alias", "compatible_printers", "compatible_printers_condition", "compatible_prints"),
    *("compatible_prints_condition", "default_filament_profile", "default_print_profile"),
    *("filament_vendor", "inherits", "printer_model", "printer_variant", "renamed_from"),
    *("thumbnails", "thumbnails_format"),
}
"""What a preset says of itself, and pictures that need a screen."""
_RUNS_PROGRAMS = {"post_process"}
"""Commands of whoever wrote the bundle; nothing of theirs is run."""


class Presets(NamedTuple):
    """One choice of each kind, by name."""

    printer: str
    print: str
    filament: str


class Bundle:
    """One vendor's presets."""

    def __init__(self, text: str, name: str) -> None:
        """`name` is what errors call it. Raises `UsageError` for what is no bundle."""
        self._name = name
        self._presets = _read(text)
        if not self._presets:
            raise UsageError(f"{name}: holds no presets; name a slicer's vendor bundle (.ini)")

    def names(self, kind: Kind) -> list[str]:
        """Return the presets to choose from: those that stand for themselves, in their order."""
        head = f"{kind}:"
        names = (key.removeprefix(head) for key in self._presets if key.startswith(head))
        return [name for name in names if not name.startswith("*")]

    def flatten(self, chosen: Presets) -> str:
        """Return flat settings of three presets, a line each, the printer's first of all
        overruled by the print's and the filament's. Raises `UsageError` for a name it lacks."""
        flat: _Preset = {}
        for kind, name in zip(_KINDS, chosen, strict=True):
            flat |= self._resolve(kind, name, 0)
        left_out = _ABOUT_PRESETS | _RUNS_PROGRAMS
        kept = sorted((key, value) for key, value in flat.items() if key not in left_out)
        return "".join(f"{key} = {value}\n" for key, value in kept)

    def _resolve(self, kind: Kind, name: str, depth: int) -> _Preset:
        preset = self._presets.get(f"{kind}:{name}")
        if preset is None:
            raise UsageError(f"{self._name}: no {kind} preset {name!r}{self._nearest(kind, name)}")
        if depth > DEPTH_MAX:
            raise UsageError(f"{self._name}: {kind} preset {name!r} inherits without end")
        resolved: _Preset = {}
        for parent in preset.get("inherits", "").split(";"):
            if parent.strip():
                resolved |= self._resolve(kind, parent.strip(), depth + 1)
        return resolved | preset

    def _nearest(self, kind: Kind, name: str) -> str:
        close = difflib.get_close_matches(name, self.names(kind), n=1, cutoff=0.3)
        return f"; did you mean {close[0]!r}?" if close else ""


def load(path: Path) -> Bundle:
    """Read a bundle from a file."""
    return Bundle(read_settings(path), str(path))


def read_settings(path: Path) -> str:
    """Return the text of a slicer's file of settings. Raises what says why it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}; check slicer.profile") from error
    if len(data) > BUNDLE_BYTES_MAX:
        raise UsageError(f"{path}: more than {BUNDLE_BYTES_MAX >> 20} MiB; this is no profile")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not text; name a slicer's settings (.ini)") from error


def _read(text: str) -> dict[str, _Preset]:
    """Return the presets of all sections named KIND:NAME."""
    presets: dict[str, _Preset] = {}
    preset: _Preset | None = None
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if line.startswith("["):
            name = line[1:].rpartition("]")[0]
            preset = presets.setdefault(name, {}) if ":" in name else None
        elif preset is not None and equals and not line.lstrip().startswith("#"):
            preset[key.strip()] = value.strip()
    return {name: preset for name, preset in presets.items() if _is_of_use(name)}


def _is_of_use(name: str) -> bool:
    return name.startswith(("printer:", "print:", "filament:"))
