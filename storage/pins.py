"""What this node was asked to keep, and which trees were used when.

    pins.log    a line a change: its checksum, then the change as JSON

A change is appended and synced before it is acknowledged; the file is written anew, aside,
when it has become much longer than what it says. The end of a line that a power cut left is
dropped. Any other line that does not match its checksum is put aside in `pins.log.damaged`,
and `is_damaged` stays true until a person has removed that file: what was lost might be a
wish to keep something, so nothing may be collected until then.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Literal, Protocol

from commonfab.protocol.ids import Timestamp

from .cid import CID
from .disk import reporting

_LINES_SPARE = 1000
"""Lines that say nothing any more, before the file is written anew."""


@dataclass(frozen=True, slots=True)
class Wish:
    at: Timestamp
    name: str
    """What the person calls it."""


class PinStore(Protocol):
    """Wishes of people, and the last use of each tree that was whole here once."""

    @property
    def is_damaged(self) -> bool:
        """Whether a wish may have been lost, and nobody has looked yet."""
        ...

    def wish(self, root: CID, at: Timestamp, name: str) -> None:
        """Keep a tree until the wish is dropped; durable when this returns."""
        ...

    def drop(self, root: CID) -> bool:
        """Take a wish back, durably; return whether there was one."""
        ...

    def wishes(self) -> dict[CID, Wish]:
        """Return what is wished for, and since when."""
        ...

    def use(self, root: CID, at: Timestamp) -> None:
        """Note that a tree is whole here, and was used."""
        ...

    def forget(self, roots: Iterable[CID]) -> None:
        """Forget the last use of trees that were collected."""
        ...

    def uses(self) -> dict[CID, Timestamp]: ...


class MemoryPins:
    """A `PinStore` that forgets everything when the program ends."""

    def __init__(self) -> None:
        self._wishes: dict[CID, Wish] = {}
        self._uses: dict[CID, Timestamp] = {}

    @property
    def is_damaged(self) -> bool:
        return False

    def wish(self, root: CID, at: Timestamp, name: str) -> None:
        self._wishes[root.as_v1()] = Wish(at, name)

    def drop(self, root: CID) -> bool:
        return self._wishes.pop(root.as_v1(), None) is not None

    def wishes(self) -> dict[CID, Wish]:
        return dict(self._wishes)

    def use(self, root: CID, at: Timestamp) -> None:
        self._uses[root.as_v1()] = at

    def forget(self, roots: Iterable[CID]) -> None:
        for root in roots:
            self._uses.pop(root.as_v1(), None)

    def uses(self) -> dict[CID, Timestamp]:
        return dict(self._uses)


@dataclass(frozen=True, slots=True)
class _Change:
    what: Literal["wish", "drop", "use", "forget"]
    root: str
    at: int
    name: str = ""

    def apply(self, pins: MemoryPins) -> None:
        root, at = CID.parse(self.root), Timestamp(self.at)
        match self.what:
            case "wish":
                pins.wish(root, at, self.name)
            case "drop":
                pins.drop(root)
            case "use":
                pins.use(root, at)
            case "forget":
                pins.forget([root])


class PinLog:
    """A `PinStore` in a file that it makes if need be."""

    def __init__(self, path: Path, *, sync: Callable[[int], None] = os.fsync) -> None:
        self._path = path
        self._damaged = path.with_name(f"{path.name}.damaged")
        self._sync = sync
        self._now = MemoryPins()
        with reporting(str(path)):
            self._lines, is_whole = self._load()
            if not is_whole:
                self._write_anew()

    @property
    def is_damaged(self) -> bool:
        return self._damaged.exists()

    @property
    def damaged(self) -> Path:
        """Where damaged lines are, for a person to look at and remove."""
        return self._damaged

    def wish(self, root: CID, at: Timestamp, name: str) -> None:
        self._append([_Change("wish", str(root.as_v1()), at, name)])

    def drop(self, root: CID) -> bool:
        is_wished = root.as_v1() in self._now.wishes()
        if is_wished:
            self._append([_Change("drop", str(root.as_v1()), 0)])
        return is_wished

    def wishes(self) -> dict[CID, Wish]:
        return self._now.wishes()

    def use(self, root: CID, at: Timestamp) -> None:
        self._append([_Change("use", str(root.as_v1()), at)])

    def forget(self, roots: Iterable[CID]) -> None:
        known = self._now.uses()
        gone = [root.as_v1() for root in roots if root.as_v1() in known]
        if gone:
            self._append([_Change("forget", str(root), 0) for root in gone])

    def uses(self) -> dict[CID, Timestamp]:
        return self._now.uses()

    def _load(self) -> tuple[int, bool]:
        """Take in what the file says; return how many lines it has, and if all is well."""
        text = self._path.read_bytes() if self._path.exists() else b""
        *lines, tail = text.split(b"\n")
        # What a power cut left; or a whole line, of which only the end was lost or has rotted.
        lines += [rest for rest in (tail, tail[:-1]) if _read(rest) is not None]
        bad: list[bytes] = []
        for line in lines:
            change = _read(line)
            if change is None:
                bad.append(line)
            else:
                change.apply(self._now)
        if bad:
            self._put_aside(bad)
        return len(lines), text.endswith(b"\n") and not bad

    def _put_aside(self, lines: list[bytes]) -> None:
        with open(self._damaged, "ab") as file:
            file.write(b"\n".join(lines) + b"\n")
            file.flush()
            self._sync(file.fileno())

    def _append(self, changes: list[_Change]) -> None:
        with reporting(str(self._path)):
            length = self._path.stat().st_size
            try:
                with open(self._path, "ab", buffering=0) as file:
                    _write_all(file, b"".join(_line(change) for change in changes))
                    self._sync(file.fileno())
            except OSError:
                os.truncate(self._path, length)  # Half a line must not spoil the next.
                raise
            for change in changes:
                change.apply(self._now)
            self._lines += len(changes)
            if self._lines > _LINES_SPARE + 2 * len(self._says()):
                self._write_anew()

    def _write_anew(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.new")
        says = self._says()
        with open(aside, "wb", buffering=0) as file:
            _write_all(file, b"".join(_line(change) for change in says))
            self._sync(file.fileno())
        os.replace(aside, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            self._sync(folder)
        finally:
            os.close(folder)
        self._lines = len(says)

    def _says(self) -> list[_Change]:
        wishes = (
            _Change("wish", str(root), wish.at, wish.name)
            for root, wish in self._now.wishes().items()
        )
        uses = (_Change("use", str(root), at) for root, at in self._now.uses().items())
        return [*wishes, *uses]


def _line(change: _Change) -> bytes:
    text = json.dumps([change.what, change.root, change.at, change.name]).encode()
    return _checksum(text) + b" " + text + b"\n"


def _read(line: bytes) -> _Change | None:
    """Return what a line says, or None for one that is not what was written."""
    checksum, _, text = line.partition(b" ")
    return _Change(*json.loads(text)) if checksum == _checksum(text) else None


def _checksum(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).hexdigest().encode()


def _write_all(file: FileIO, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += file.write(memoryview(data)[written:])
