"""The file that a CAR is in: opened with care, and written so that it is whole or not there.

While it is written it is called NAME.part. A writer that finds such a file compares what it
would write with what is there, and goes on behind the last byte that agrees: so a stick that
was full, or pulled out, costs only the time to read it. The same blocks always make the same
bytes, which is what this rests on.
"""

import hashlib
import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from commonfab.protocol.errors import ResourceError, UsageError

from ..disk import reporting
from ..ports import StoreFull

_BUFFER_BYTES = 1 << 20


class NoRoom(ResourceError):
    """The place for a file is full. What was written so far is kept beside it."""

    def __init__(self, part: Path) -> None:
        super().__init__(
            f"{part}: no room for more: the disk is full, or takes no file so large (4 GiB on a "
            "stick with FAT). Make room and give the same command again: it goes on from there"
        )


@contextmanager
def opened(path: Path) -> Generator[tuple[BinaryIO, int]]:
    """Give a file and its size. `UsageError` if it is not a plain file, which never waits."""
    with reporting(str(path)):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UsageError(f"{path}: there is no such file") from None
    try:
        about = os.fstat(handle)
        _check_plain(path, about.st_mode)
        with open(handle, "rb", buffering=_BUFFER_BYTES, closefd=False) as file:
            yield file, about.st_size
    finally:
        os.close(handle)


class HashedFile(io.RawIOBase):
    """A file that is read once from front to back, and its SHA-256 along the way."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()
        self._hashed = 0
        """Bytes from the front that are in the hash."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        at = self._file.tell()
        data = self._file.read(size)
        if at <= self._hashed < at + len(data):
            self._hash.update(data[self._hashed - at :])
            self._hashed = at + len(data)
        return data

    def digest(self) -> bytes:
        """Return the hash of the whole file; reads what was not read yet."""
        self._file.seek(self._hashed)
        while data := self._file.read(_BUFFER_BYTES):
            self._hash.update(data)
            self._hashed += len(data)
        return self._hash.digest()


class PartFile:
    """Writes one file. Ends with `finish` or `close`; either may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Begin, or go on. `UsageError` if `path` is taken or its folder is not there."""
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        check_free(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with reporting(str(self._part), "name another file"):
            handle = os.open(self._part, flags, 0o644)
        try:
            _check_plain(self._part, os.fstat(handle).st_mode)
        except UsageError:
            os.close(handle)
            raise
        self._file = open(handle, "r+b", buffering=0)  # noqa: SIM115  # closed by `close`
        self.size_bytes = 0
        """Written, or found to be there already."""
        self._agrees = True

    def write(self, data: bytes) -> None:
        """Add bytes. Raises `NoRoom`, or `StoreBroken` for another refusal of the disk."""
        try:
            with reporting(str(self._part)):
                rest = memoryview(data)[self._agreed(data) :]
                while rest:
                    rest = rest[self._file.write(rest) :]
        except StoreFull as full:
            raise NoRoom(self._part) from full
        self.size_bytes += len(data)

    def finish(self) -> None:
        """Give the file its name; it is whole and durable when this returns."""
        try:
            with reporting(str(self._path)):
                self._file.truncate(self.size_bytes)
                self._sync()
                # There may be one since: a stick has no way to rename without replacing.
                check_free(self._path)
                os.rename(self._part, self._path)
                _sync_folder(self._path.parent)
        except StoreFull as full:
            raise NoRoom(self._part) from full
        finally:
            self._file.close()

    def close(self) -> None:
        """Stop, and leave what was written for the next time."""
        self._file.close()

    def _agreed(self, data: bytes) -> int:
        """Return how much of `data` is there already, and be where the rest belongs."""
        if not self._agrees:
            return 0
        found = self._file.read(len(data))
        if found == data:
            return len(data)
        self._agrees = False
        same = len(found) if data.startswith(found) else 0
        self._file.seek(self.size_bytes + same)
        self._file.truncate()
        return same

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError:
            # What the disk did not take can still be read here: it must not be built upon.
            self._part.unlink(missing_ok=True)
            raise


def check_free(path: Path) -> None:
    """Raise `UsageError` unless a new file may be made there."""
    if os.path.lexists(path):
        raise UsageError(f"{path}: there is one already, and it is not overwritten")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: there is no such folder")


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is a device or a pipe, not a file")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
