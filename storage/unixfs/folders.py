"""Folders between the disk and a block store: `add_folder` and `export`.

Both take names and kinds of file only from a short list of harmless ones. Nothing here
follows a symbolic link, leaves the folder that it was given, or overwrites anything.
"""

import os
import shutil
import stat as modes
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from commonfab.protocol.errors import Malformed, UsageError

from ..cid import CID
from ..disk import reporting
from ..ports import BlockStore
from .unixfs import (
    DEFAULT_PROFILE,
    FILE_BYTES_MAX,
    PROFILES,
    Entry,
    Making,
    NotSupported,
    Profile,
    file_blocks,
    folder_blocks,
    list_folder,
    put,
    read_file,
    stat,
)

FOLDER_DEPTH_MAX = 32
"""Folders within folders. Repositories of hardware stay below 12."""
ENTRIES_MAX = 100_000
"""Files and folders added or written out at once. A few blocks can name endlessly many."""
NAME_BYTES_MAX = 255
"""One name, on every file system in use."""

Progress = Callable[[str, int], None]
"""Told each file as it has been read: its path within the folder, and its bytes."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def name_fault(name: str) -> str | None:
    """Say why a name must not be read or written, or return None (UNIXFS-7)."""
    if name in ("", ".", ".."):
        return "is not a name"
    if name.casefold() == ".git":
        return "could run commands where it is opened"
    if "/" in name or "\\" in name:
        return "has a path separator in it"
    if any(unicodedata.category(letter) == "Cs" for letter in name):
        return "is not UTF-8"
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
        return "has a control character in it"
    if not _BIDI.isdisjoint(name):
        return "has a character in it that turns the direction of writing"
    if len(name.encode()) > NAME_BYTES_MAX:
        return f"is longer than {NAME_BYTES_MAX} bytes"
    return None


def add_folder(
    blocks: BlockStore,
    path: Path,
    progress: Progress | None = None,
    profile: Profile = PROFILES[DEFAULT_PROFILE],
    *,
    entries_max: int = ENTRIES_MAX,
) -> CID:
    """Add a folder and all below it, and return its root, durable.

    Names that start with a dot are left out, as `ipfs add -r` does. A symbolic link, a device,
    an unsafe name or more than `entries_max` names raise `UsageError` that says which; files
    added before stay as blocks.
    """
    if path.is_symlink() or not path.is_dir():
        raise UsageError(f"{path} is not a folder")
    with _opened(None, str(path), os.O_DIRECTORY) as folder:
        making = _Import(profile, progress, entries_max).folder(folder, "", 1)
        return put(blocks, making).cid


@dataclass(slots=True)
class _Import:
    profile: Profile
    progress: Progress | None
    entries_left: int

    def folder(self, folder: int, within: str, depth: int) -> Making:
        if depth > FOLDER_DEPTH_MAX:
            raise UsageError(f"{within}: deeper than {FOLDER_DEPTH_MAX} folders")
        entries: list[Entry] = []
        for name in self._names(folder, within):
            inner = f"{within}{name}"
            if fault := name_fault(name):
                raise UsageError(f"{inner!a} {fault}; rename it")
            tree = yield from self._entry(folder, name, inner, depth)
            entries.append(Entry(name, tree.cid, tree.tsize))
        return (yield from folder_blocks(entries, self.profile))

    def _names(self, folder: int, within: str) -> list[str]:
        names: list[str] = []
        with reporting(within), os.scandir(folder) as found:
            for entry in found:
                if not entry.name.startswith("."):
                    names.append(entry.name)
                    self.entries_left -= 1
                if self.entries_left < 0:
                    raise UsageError(
                        f"{within or 'the folder'}: more files and folders than are taken "
                        "at once; put them into an archive, or publish them as several designs"
                    )
        return sorted(names)

    def _entry(self, folder: int, name: str, inner: str, depth: int) -> Making:
        with reporting(inner):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if modes.S_ISLNK(mode):
            raise UsageError(f"{inner} is a symbolic link; put what it leads to in its place")
        if modes.S_ISDIR(mode):
            with _opened(folder, name, os.O_DIRECTORY, shown=inner) as handle:
                return (yield from self.folder(handle, f"{inner}/", depth + 1))
        if not modes.S_ISREG(mode):
            raise UsageError(f"{inner} is neither a file nor a folder; take it out")
        return (yield from self._file(folder, name, inner))

    def _file(self, folder: int, name: str, inner: str) -> Making:
        # It may have become something else since: NONBLOCK keeps a pipe from holding us here.
        with _opened(folder, name, os.O_NONBLOCK, shown=inner) as handle:
            tree = yield from file_blocks(_OpenFile(handle, inner), self.profile)
        if self.progress:
            self.progress(inner, tree.size)
        return tree


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """A `Source` that says which file it is when the disk refuses."""

    handle: int
    shown: str

    def read(self, size: int, /) -> bytes:
        with reporting(self.shown):
            return os.read(self.handle, size)


@contextmanager
def _opened(folder: int | None, name: str, flags: int, *, shown: str = "") -> Generator[int]:
    with reporting(shown or name):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def export(
    blocks: BlockStore,
    root: CID,
    folder: Path,
    *,
    bytes_max: int = FILE_BYTES_MAX,
    entries_max: int = ENTRIES_MAX,
) -> None:
    """Write a folder out under a name that is free, or an empty folder; all of it or nothing.

    Raises `UsageError` if something is there already, `Malformed` for an unsafe name or a tree
    beyond the bounds, and what the block store raises for a block that it lacks.
    """
    kind = stat(blocks, root).kind
    if kind != "folder":
        raise UsageError(f"{root} is a {kind}, not a folder")
    with reporting(str(folder), "name another folder"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
        try:
            unfinished = Path(beside, "unfinished")
            unfinished.mkdir()
            _Export(blocks, root, bytes_max, entries_max).write(unfinished)
            _move(unfinished, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _move(unfinished: Path, folder: Path) -> None:
    # Renaming replaces an empty folder and nothing else: no file, no link, no full folder.
    try:
        unfinished.rename(folder)
    except OSError as error:
        if not os.path.lexists(folder):
            raise
        raise UsageError(f"{folder} is there already; name another folder") from error


@dataclass(slots=True)
class _Export:
    blocks: BlockStore
    root: CID
    bytes_left: int
    entries_left: int

    def write(self, path: Path) -> None:
        with _opened(None, str(path), os.O_DIRECTORY) as handle:
            self._write_folder(self.root, handle, "", 1)

    def _write_folder(self, cid: CID, folder: int, within: str, depth: int) -> None:
        if depth > FOLDER_DEPTH_MAX:
            raise Malformed(f"{self.root}: deeper than {FOLDER_DEPTH_MAX} folders")
        for entry in list_folder(self.blocks, cid):
            inner = f"{within}{entry.name}"
            if fault := name_fault(entry.name):
                raise Malformed(f"{self.root}: the name {inner!a} {fault}")
            self.entries_left -= 1
            if self.entries_left < 0:
                raise Malformed(f"{self.root}: too many files and folders")
            kind = stat(self.blocks, entry.cid).kind
            if kind == "symbolic link":
                raise NotSupported(f"{self.root}: {inner} is a symbolic link, which is not written")
            if kind == "folder":
                os.mkdir(entry.name, dir_fd=folder)
                with _opened(folder, entry.name, os.O_DIRECTORY) as handle:
                    self._write_folder(entry.cid, handle, f"{inner}/", depth + 1)
            else:
                self._write_file(entry, folder)

    def _write_file(self, entry: Entry, folder: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(entry.name, flags, 0o644, dir_fd=folder)
        with open(handle, "wb") as target:
            for part in read_file(self.blocks, entry.cid, bytes_max=self.bytes_left):
                target.write(part)
            self.bytes_left -= target.tell()
