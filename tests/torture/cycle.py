"""One life of two nodes: worked, killed, starved of room, looked at, and again.

What a child said that it had kept goes to a log that is only appended to. After each cycle
both stores are opened, every block is hashed again, every record is verified, and what the
log says must all be there. A node that goes on working is one that acknowledges more.
"""

import os
import random
import select
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from commonfab.node.home.folder import Home
from commonfab.protocol import envelope, records
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID
from commonfab.storage.records import SqliteRecordStore
from commonfab.storage.unixfs import unixfs
from tests.node.village import a_home

from . import work

PATIENCE_S = 60.0
"""For the next acknowledgement on a busy machine."""
SPARE_BYTES_MAX = 300_000
"""Room that is left on a disk, at most, when it is filled from outside."""


class Lost(AssertionError):
    """A promise that was not kept."""


@dataclass(slots=True)
class Child:
    """A forked process at work."""

    pid: int
    pipe: int
    errors: Path
    partial: bytes = b""
    lines: list[str] = field(default_factory=list[str])
    is_over: bool = False

    def listen(self, seconds: float, until: str = "") -> bool:
        """Hear lines for a time; return early, and True, after one that starts with `until`."""
        end = monotonic() + seconds
        while not self.is_over and (left := end - monotonic()) > 0:
            if not select.select([self.pipe], [], [], left)[0]:
                continue
            for line in self._read():
                self.lines.append(line)
                if until and line.startswith(until):
                    return True
        return False

    def expect(self, until: str) -> None:
        if not self.listen(PATIENCE_S, until):
            raise Lost(f"no {until!r} in {PATIENCE_S:.0f} s; {self._why()}")

    def kill(self) -> None:
        """Kill it, and hear what it had still said."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        while not self.is_over:
            self.lines += self._read()
        os.close(self.pipe)
        if self.errors.exists():
            raise Lost(self._why())

    def _read(self) -> list[str]:
        heard = os.read(self.pipe, 1 << 16)
        self.is_over = not heard
        *whole, self.partial = (self.partial + heard).split(b"\n")
        return [line.decode() for line in whole]

    def _why(self) -> str:
        return self.errors.read_text() if self.errors.exists() else f"it said {self.lines[-3:]}"


class Life:
    """Two homes in `folder`; the log and the rest beside, in `beside`."""

    def __init__(self, folder: Path, beside: Path, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._beside = beside
        self._log = beside / "acknowledged.log"
        self._chance = random.Random(seed)
        for name in work.NODES:
            a_home(folder, name)

    def kill_cycle(self) -> None:
        """Have it killed while it starts, while it works, or as it acknowledges."""
        child = self._begin()
        match self._chance.choice(("starting", "working", "acknowledging", "acknowledging")):
            case "starting":
                child.listen(self._chance.uniform(0, 0.15))
            case "working":
                child.expect("ready")
                child.listen(self._chance.uniform(0, 0.15))
            case _:
                for _ in range(self._chance.randint(1, 4)):
                    child.expect("kept")
        self._end(child)

    def full_cycle(self) -> None:
        """Fill the disk while it starts or works, give the room back, and have it killed."""
        child = self._begin()
        if self._chance.random() < 0.75:
            child.expect("ready")
        child.listen(self._chance.uniform(0, 0.15))
        ballast = self._fill()
        child.listen(self._chance.uniform(0.02, 0.3))
        self.counts["full and refused"] += any(line.startswith("refused") for line in child.lines)
        ballast.unlink()
        if "ended" in child.lines:
            self.counts["full and ended"] += 1
            self._end(child)
            child = self._begin()
        # What was published while it was full may be late; of two designs one is new.
        child.expect(f"kept {work.PUBLISHER}")
        child.expect(f"kept {work.PUBLISHER}")
        child.expect(f"kept {work.FETCHER}")
        self._end(child)

    def last_cycle(self) -> None:
        """See that it goes on working after all that."""
        child = self._begin()
        for name in work.NODES:
            child.expect(f"kept {name}")
        self._end(child)

    def _begin(self) -> Child:
        pid, pipe = work.begin(self._folder, self._beside, self._chance.getrandbits(64))
        return Child(pid, pipe, self._beside / "errors.txt")

    def _end(self, child: Child) -> None:
        try:
            child.kill()
        finally:
            with self._log.open("a") as log:
                log.writelines(f"{line}\n" for line in child.lines if line.startswith("kept"))
        self.check()

    def _fill(self) -> Path:
        """Leave next to nothing on the disk."""
        ballast = self._folder / "ballast"
        spare = self._chance.randrange(SPARE_BYTES_MAX)
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                file.truncate(max(0, file.tell() - spare * self._chance.randrange(2)))
        return ballast

    def check(self) -> None:
        """Look at all that is there. Raises `Lost`, or what a store says of damage."""
        kept = [line.split()[1:] for line in self._log.read_text().splitlines()]
        for name in work.NODES:
            home = Home(self._folder / name)
            mine = [(record, root) for who, record, root in kept if who == name]
            self._check_blocks(home, {CID.parse(root) for _, root in mine})
            self._check_records(home, {record for record, _ in mine})
        self.counts["acknowledged"] += len(kept) - self.counts["acknowledged here"]
        self.counts["acknowledged here"] = len(kept)

    def _check_blocks(self, home: Home, roots: set[CID]) -> None:
        store = DiskBlockStore(home.blocks)
        for cid in store.cids():
            store.get(cid)
            self.counts["blocks hashed"] += 1
        for root in roots:
            for _ in unixfs.walk(store, root):
                pass

    def _check_records(self, home: Home, wanted: set[str]) -> None:
        if not home.records.exists():
            assert not wanted
            return
        store = SqliteRecordStore(home.records, identify=envelope.identify)
        try:
            here = {row.id.hex(): row for row in store.find()}
            for row in here.values():
                sealed = envelope.parse(row.data)
                sealed.verify()
                records.read(sealed)
                self.counts["records verified"] += 1
            if missing := wanted - here.keys():
                raise Lost(f"{home}: records {missing} were acknowledged and are gone")
            if aside := store.quarantine():
                raise Lost(f"{home}: in quarantine: {aside}")
        finally:
            store.close()
