"""Small files that survive a power cut: written aside, synced, then given their name.

The order is what counts: the data reach the disk before the name does, and the folder, which
holds the name, is synced last. Without any of the three, a cut leaves an empty file or none.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from commonfab.protocol.errors import ResourceError, UsageError


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that is whole or not there; `UsageError` if the name is taken."""
    try:
        _write_aside(path, data, mode, os.link)
    except FileExistsError as error:
        raise UsageError(f"{path}: there is one already, and it is not overwritten") from error


def replace(path: Path, data: bytes) -> None:
    """Put new content in the place of a file's, all at once; its mode stays."""
    whole = path.resolve()
    _write_aside(whole, data, whole.stat().st_mode & 0o777, os.replace)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write_aside(
    path: Path, data: bytes, mode: int, give_name: Callable[[Path, Path], None]
) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        opened = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with open(opened, "wb") as file:
                os.fchmod(opened, mode)
                file.write(data)
                file.flush()
                os.fsync(opened)
            give_name(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror}") from error
