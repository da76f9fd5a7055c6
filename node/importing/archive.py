"""Unpacks a zip from a stranger: into a new folder, nothing out of it, and not without end.

A zip may name files elsewhere, hold a link, unpack to a thousand times its size, or list the
same bytes again and again. What its directory says is looked at before any of it is read, and
no file gets longer than it says there.
"""

import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from commonfab.protocol.errors import UsageError

ENTRIES_MAX = 5000
BYTES_MAX = 1 << 30
"""Unpacked."""
RATIO_MAX = 200
"""Unpacked over packed, of the whole. Texts reach 20; a bomb 1,000."""
RATIO_BYTES_MIN = 1 << 20
"""Up to here, any ratio is harmless."""
NAME_BYTES_MAX = 240
DEPTH_MAX = 32
_END_BYTES = 22
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"
_COMMENT_BYTES_MAX = 65_535
_DIRECTORY_BYTES_MAX = 2 << 20
_LOCAL_HEAD_BYTES = 30
_CHUNK_BYTES = 256 * 1024
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_PACK_AGAIN = "pack it again"


class ArchiveRefused(UsageError):
    """A zip is not unpacked: what is wrong with it, and the way out."""

    def __init__(self, path: Path, what: str, way_out: str = _PACK_AGAIN) -> None:
        super().__init__(f"{path}: {what}; {way_out}")
        self.path = path
        self.what = what
        self.way_out = way_out


def unpack(path: Path, folder: Path) -> int:
    """Write a zip's files below an empty folder; return how many. Raises `ArchiveRefused`.

    Hidden files, and what systems add for themselves, are left out.
    """
    check_end(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(path, entries)
            kept = [entry for entry in entries if not _is_left_out(entry)]
            for entry in kept:
                _write(archive, entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise ArchiveRefused(path, f"is no readable zip: {error}") from error
    except OSError as error:
        raise ArchiveRefused(path, f"cannot be unpacked: {error}", "look at the disk") from error
    return len(kept)


def check_end(path: Path) -> None:
    """Refuse a zip whose directory alone would fill the memory, before it is read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES_MAX))
            tail = file.read()
    except OSError as error:
        raise ArchiveRefused(path, f"cannot be read: {error.strerror}", "check it") from error
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise ArchiveRefused(path, "is no zip, or is cut short")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(tail, at)
    if entries > ENTRIES_MAX or directory_bytes > _DIRECTORY_BYTES_MAX:
        raise ArchiveRefused(path, f"holds {entries} files; at most {ENTRIES_MAX} are taken")


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ENTRIES_MAX:
        raise ArchiveRefused(path, f"holds {len(entries)} files; at most {ENTRIES_MAX} are taken")
    size = path.stat().st_size
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > BYTES_MAX or unpacked > max(RATIO_BYTES_MIN, RATIO_MAX * size):
        raise ArchiveRefused(path, f"unpacks from {size} to {unpacked} bytes", "pack only files")
    seen: set[str] = set()
    for entry in entries:
        why = _why_not(entry)
        name = unicodedata.normalize("NFC", entry.filename).casefold()
        if not why and name in seen:
            why = "is in it twice"
        if why:
            raise ArchiveRefused(path, f"{entry.filename!r} {why}")
        seen.add(name)
    _check_overlap(path, entries)


def _why_not(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    steps = PurePosixPath(name).parts
    mode = entry.external_attr >> 16
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that few programs read"
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if name.startswith("/") or "\\" in name or ":" in name or ".." in steps or not steps:
        return "leads out of it"
    if any(not letter.isprintable() for letter in name):
        return "has letters in its name that cannot be seen"
    if len(steps) > DEPTH_MAX or len(name.encode()) > NAME_BYTES_MAX:
        return "has too long a name"
    if any(_RESERVED.fullmatch(step) or step != step.strip(" ") for step in steps):
        return "has a name that some systems cannot write"
    return ""


def _check_overlap(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share their bytes: each would be unpacked anew."""
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise ArchiveRefused(path, f"{entry.filename!r} shares its bytes with another file")
        end = entry.header_offset + _LOCAL_HEAD_BYTES + entry.compress_size


def _is_left_out(entry: zipfile.ZipInfo) -> bool:
    steps = PurePosixPath(entry.filename).parts
    is_ours = any(step.startswith(".") or step == "__MACOSX" for step in steps)
    return entry.is_dir() or is_ours


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """Write one file. The library reads no more of it than the directory says it has."""
    target = folder.joinpath(*PurePosixPath(entry.filename).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)
