"""What the operator says of slicing: a `slicer` in a `[[machine]]` of `commonfab.toml`."""

import re
import shlex
from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.errors import UsageError

from ..home.forms import Name, Text

PRUSA_SLICER = "prusa-slicer"
_PLACES = re.compile(r"\{(\w*)\}")
_NEEDED = {"model", "gcode"}
_KNOWN = _NEEDED | {"profile", "pieces"}


class Slicer(Struct, frozen=True, kw_only=True):
    """How the programs of one machine are made; without it, this node makes none."""

    command: Annotated[
        Text,
        Meta(
            description="prusa-slicer, or another slicer's command with {model}, {gcode} and, if\n"
            'it likes, {profile} and {pieces}: "slice3d -c {profile} -o {gcode} {model}".'
        ),
    ] = PRUSA_SLICER
    profile: Annotated[
        Text, Meta(description="Its settings: a vendor's bundle, or one flat file (.ini).")
    ] = ""
    printer: Annotated[Text, Meta(description="Preset of the bundle.")] = ""
    print: Annotated[Text, Meta(description="Preset of the bundle: 0.20mm QUALITY @MK3.")] = ""
    filaments: Annotated[
        dict[Name, Name],
        Meta(max_length=64, description="Presets by material; without one: Generic PLA, and so."),
    ] = {}
    supports: Annotated[
        bool, Meta(description="Whether it may add supports, where the part hangs over too far.")
    ] = True
    plates: Annotated[
        bool, Meta(description="Whether several pieces are made at once, as many as the bed holds.")
    ] = True

    @property
    def is_template(self) -> bool:
        return self.command != PRUSA_SLICER

    @property
    def is_bundled(self) -> bool:
        """Whether the profile is a bundle, of which presets are chosen."""
        return bool(self.printer or self.print)

    def preset_for(self, material: str) -> str:
        return self.filaments.get(material, f"Generic {material}")


def check(slicer: Slicer) -> None:
    """Raise `UsageError` for settings that cannot work, whatever files there are."""
    if slicer.is_template:
        words = split(slicer.command)
        named = {name for word in words for name in _PLACES.findall(word)}
        strange, lacking = sorted(named - _KNOWN), sorted(_NEEDED - named)
        if strange:
            raise UsageError(
                f"{{{strange[0]}}} means nothing here; there are {{model}}, {{gcode}}, {{profile}}"
                " and {pieces}"
            )
        if lacking:
            raise UsageError(f"the command lacks {{{lacking[0]}}}")
        if "profile" in named and not slicer.profile:
            raise UsageError("the command wants {profile}: give slicer.profile")
    elif not slicer.profile:
        raise UsageError("prusa-slicer wants a profile: a vendor's bundle, or a flat .ini")
    if bool(slicer.printer) != bool(slicer.print):
        raise UsageError("of a bundle, both a printer and a print preset are chosen")


def split(command: str) -> list[str]:
    """Return a command's words, as a shell reads them; none runs it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command {command!r}: {error}") from error
    if not words:
        raise UsageError("the command is empty; name a slicer")
    return words
