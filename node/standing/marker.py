"""Notices a home that was copied, or put back to what it was, before anything is signed.

At each start a new random word is written in two places: into the records' file, and into a
small file beside it, which also says which file it is itself (its inode). One of them put back
alone no longer fits the other; a copy of the whole home is another file. What cannot be seen
from here is a disk that was put back block by block, by a virtual machine or a file system: the
clock, which `seq` follows, and what peers still know (restoring.py) are the bounds of that.

    marker {word, next}  ->  note "boot" = next  ->  marker {word: next}

A cut between two of these steps leaves a pair that fits.
"""

import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from commonfab.protocol.author import floor_after
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import Timestamp
from commonfab.storage.ports import RecordStore

from ..home import durable_file

_WORD_BYTES = 16
_NOTE, _FLOOR_NOTE = "boot", "floor"


class _Marker(Struct, forbid_unknown_fields=True):
    word: str
    next: str
    inode: int


def suspicion(path: Path, store: RecordStore) -> str:
    """Return why this home may not be the newest of its node, or nothing."""
    note = store.get_note(_NOTE)
    marker = _read(path)
    if marker is None:
        return "" if note is None else "the home's marker is missing"
    if note is None:
        return "the records are older than the home's marker"
    if note.decode() not in (marker.word, marker.next):
        return "the records and the home's marker are not of one time"
    if marker.inode != path.stat().st_ino:
        return "this home is a copy of another, and only one of the two may ever run"
    return ""


def renew(path: Path, store: RecordStore) -> None:
    """Write a new word in both places; durable when this returns."""
    note = store.get_note(_NOTE)
    word = secrets.token_hex(_WORD_BYTES)
    _write(path, note.decode() if note else word, word)
    store.put_notes({_NOTE: word.encode()})
    _write(path, word, word)


def floor(store: RecordStore) -> int:
    """Return the `seq` below which this node signs nothing any more."""
    note = store.get_note(_FLOOR_NOTE)
    return int(note) if note else 0


def raise_floor(store: RecordStore, marks: list[int], now: Timestamp) -> int:
    """Leave room for all that may have been forgotten: durable when this returns."""
    raised = floor_after([*marks, floor(store)], now)
    store.put_notes({_FLOOR_NOTE: str(raised).encode()})
    return raised


def _read(path: Path) -> _Marker | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Marker)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error


def _write(path: Path, word: str, following: str) -> None:
    """Write in place, so that the file stays the same one; a torn write reads as missing."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            marker = _Marker(word, following, os.fstat(opened).st_ino)
            data = msgspec.json.encode(marker).ljust(_MARKER_BYTES)
            os.pwrite(opened, data, 0)
            os.ftruncate(opened, len(data))
            os.fsync(opened)
        finally:
            os.close(opened)
        durable_file.sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror}") from error


_MARKER_BYTES = 256
"""Always as long, so that it is one write within one sector."""
