"""Slices parts by the workshop's own slicer, and remembers what came out.

A program (G-code) is a file in the block store, so it has a CID. A note ties it to what it
follows from: the design's root, the part's file, the resolved profile, the pieces on the
plate, supports, turns, and the slicer's program. The same again is not sliced again, and
any of it changed is.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path

import msgspec
import trio

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.scheduler.vocabulary import materials
from commonfab.storage.cid import CID

from ..designs.shelf import Shelf
from ..library import Library
from ..machines.settings import Machine
from ..sandbox import ProgramFailed, find_program, run
from . import bundle, gcode
from .settings import Slicer, split

GCODE_FILE = "job.gcode"
_SUFFIXES = (".stl", ".3mf", ".obj")
"""What PrusaSlicer reads of what a design may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is sliced: one part of a design, for one machine."""

    root: CID
    """Of the design."""
    file: str
    """Of the part, below the root."""
    material: str
    pieces: int = 1
    """On one plate."""
    supports: bool = False
    turns: tuple[int, int, int] = (0, 0, 0)
    """Degrees about x, y and z, in this order, before it stands on the bed."""


class Sliced(msgspec.Struct, frozen=True, kw_only=True):
    """One plate's program, and what the slicer says of it."""

    gcode: str
    """CID of a folder with `GCODE_FILE`."""
    pieces: int
    seconds: int
    mass_mg: int
    filament_mm: float
    layers: int
    slicer: str
    profile: str
    """SHA-256 of the resolved profile, in hexadecimal."""


class Slicing:
    """One for each node. A slice runs in the cage; what it made is in the block store."""

    def __init__(self, shelf: Shelf, library: Library) -> None:
        self._shelf = shelf
        self._library = library

    def known(self, machine: Machine, wish: Wish) -> Sliced | None:
        """Return what came of slicing this before; None if that was never done, or cannot be."""
        if machine.slicer is None:
            return None
        try:
            data = self._library.note(_key(machine.slicer, wish))
        except (UsageError, ResourceError):  # A slicer or profile that is away.
            return None
        return msgspec.msgpack.decode(data, type=Sliced) if data else None

    async def slice(self, machine: Machine, wish: Wish) -> Sliced:
        """Slice a part of a design that is here; at once if that was done before.

        Raises `UsageError` for a part that its slicer does not take, with the slicer's
        reason, and `ResourceError` where the slicer or the cage is missing.
        """
        slicer = machine.slicer
        if slicer is None:
            raise UsageError(f"{machine.id} has no slicer; give it one: [machine.slicer]")
        known = self.known(machine, wish)
        if known is not None:
            return known
        profile = profile_for(slicer, wish.material)
        with tempfile.TemporaryDirectory(prefix="commonfab-") as temporary:
            model = Path(temporary, "model" + _suffix(wish.file))
            await self._shelf.export_file(wish.root, wish.file, model)
            folder = Path(temporary, "made")
            await trio.Path(folder).mkdir()
            facts = await slice_file(slicer, model, profile, wish, folder / GCODE_FILE)
            root = await self._shelf.put_folder(folder)
        made = Sliced(
            gcode=str(root),
            pieces=wish.pieces,
            seconds=facts.seconds,
            mass_mg=facts.mass_mg,
            filament_mm=facts.filament_mm,
            layers=facts.layers,
            slicer=facts.slicer or split(slicer.command)[0],
            profile=hashlib.sha256(profile).hexdigest(),
        )
        await self._library.keep_notes({_key(slicer, wish): msgspec.msgpack.encode(made)})
        return made


async def slice_file(
    slicer: Slicer, model: Path, profile: bytes, wish: Wish, target: Path
) -> gcode.GcodeFacts:
    """Slice one model file into `target`, which must not exist; return what it takes."""
    name = "model" + model.suffix
    command = _command(slicer, name, target.name, wish)
    reads: dict[str, Path | bytes] = {name: model}
    if profile:
        reads["profile.ini"] = profile
    try:
        await run(command, reads=reads, makes=target)
    except ProgramFailed as error:
        raise UsageError(f"{wish.file}: {_reason(error)}") from error
    material = materials.find(wish.material)
    return await trio.to_thread.run_sync(
        gcode.read_facts, target, material.density if material else 0.0
    )


def plates(pieces: int, on_one: int) -> dict[int, int]:
    """Return how many plates there are with so many pieces: one number of them, or two."""
    count = ceil(pieces / max(1, on_one))
    least, more = divmod(pieces, count)
    return {least + 1: more, least: count - more} if more else {least: count}


def _command(slicer: Slicer, model: str, gcode_name: str, wish: Wish) -> list[str]:
    places = {
        "model": f"/in/{model}",
        "profile": "/in/profile.ini",
        "gcode": f"/out/{gcode_name}",
        "pieces": str(wish.pieces),
    }
    if slicer.is_template:
        if any(wish.turns):
            raise UsageError(f"{split(slicer.command)[0]}: how a part stands is its own to choose")
        if wish.pieces > 1 and "{pieces}" not in slicer.command:
            raise UsageError(f"{split(slicer.command)[0]}: makes one piece; it has no {{pieces}}")
        return [_filled(word, places) for word in split(slicer.command)]
    command = [slicer.command, "--export-gcode", "--load", places["profile"]]
    command += ["--output", places["gcode"]]
    for option, degrees in zip(("--rotate-x", "--rotate-y", "--rotate"), wish.turns, strict=True):
        if degrees:
            command += [option, str(degrees)]
    if wish.pieces > 1:
        command += ["--duplicate", str(wish.pieces)]
    if wish.supports:
        command += ["--support-material"]
    return [*command, places["model"]]


def _filled(word: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _reason(error: ProgramFailed) -> str:
    """Return why a slicer made nothing, in its own words where it has some."""
    lines = error.err.decode(errors="replace").splitlines()
    said = [line.partition("error:")[2].strip() for line in lines if "error:" in line.lower()]
    return f"{error.program}: {said[-1][:300]}" if said and said[-1] else str(error)


def profile_for(slicer: Slicer, material: str) -> bytes:
    """Return the flat settings that the slicer is given; none for a template without."""
    if not slicer.profile:
        return b""
    path = Path(slicer.profile).expanduser()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}; check slicer.profile") from error
    presets = None
    if slicer.is_bundled:
        presets = bundle.Presets(slicer.printer, slicer.print, slicer.preset_for(material))
    return _resolved(path, changed, presets)


@lru_cache(maxsize=64)
def _resolved(path: Path, _changed: int, presets: bundle.Presets | None) -> bytes:
    if presets is None:
        return bundle.read_settings(path).encode()
    return bundle.load(path).flatten(presets).encode()


def _key(slicer: Slicer, wish: Wish) -> str:
    """Return the note's name: all that a program follows from."""
    program = find_program(split(slicer.command)[0])
    state = program.stat()
    told = (
        str(wish.root),
        wish.file,
        wish.pieces,
        wish.supports,
        wish.turns,
        slicer.command,
        str(program),
        state.st_size,
        state.st_mtime_ns,
        hashlib.sha256(profile_for(slicer, wish.material)).hexdigest(),
    )
    return "sliced/" + hashlib.sha256(repr(told).encode()).hexdigest()


def _suffix(file: str) -> str:
    suffix = Path(file).suffix.lower()
    if suffix not in _SUFFIXES:
        taken = ", ".join(_SUFFIXES)
        raise UsageError(f"{file}: slicers here read {taken}; add the part as one of them")
    return suffix
