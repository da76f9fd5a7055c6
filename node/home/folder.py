"""The folder that is one node: its key, its settings, and all that it keeps.

    commonfab.toml    what its operator decided
    key.pem           who it is; mode 0600
    records.sqlite    signed records, its own and others'
    catalogue.db      what of the records can be searched; made anew from them if it is gone
    blocks/           content of designs, by CID
    pictures/         of designs' parts, drawn when they were first looked at
    orders/           what the jobs of this node's machines need on the disk
    pins.log          which designs its operator wants kept, and when each was used
    accepted          invitations that wait for their hosts; mode 0600
    measured/         what buyers chose, and keys to it, as long as it is needed; mode 0700
    network.key       of the private network that the node is in, where there is one; mode 0600
    marker            written anew at each start, to notice a home that was copied or put back
    lock              held by the daemon while it runs
    control.sock      where the daemon hears the command line; mode 0600

The folder is for its owner alone (mode 0700). It is a node once it has a `commonfab.toml`,
which is written last (founding.py).
"""

import fcntl
import os
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commonfab.protocol.errors import ResourceError, UsageError

ENVIRONMENT = "COMMONFAB_HOME"
_PID_BYTES_MAX = 20
_SOCKET_PATH_BYTES_MAX = 107
"""Of `struct sockaddr_un`, less the byte that ends it (unix(7))."""


class NodeRuns(UsageError):
    """Another daemon has this home."""


@dataclass(frozen=True, slots=True)
class Home:
    path: Path

    @property
    def config(self) -> Path:
        return self.path / "commonfab.toml"

    @property
    def key(self) -> Path:
        return self.path / "key.pem"

    @property
    def records(self) -> Path:
        return self.path / "records.sqlite"

    @property
    def catalogue(self) -> Path:
        return self.path / "catalogue.db"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def blocks(self) -> Path:
        return self.path / "blocks"

    @property
    def orders(self) -> Path:
        return self.path / "orders"

    @property
    def pins(self) -> Path:
        return self.path / "pins.log"

    @property
    def measured(self) -> Path:
        return self.path / "measured"

    @property
    def accepted(self) -> Path:
        return self.path / "accepted"

    @property
    def network_key(self) -> Path:
        return self.path / "network.key"

    @property
    def ports(self) -> Path:
        return self.path / "ports"

    @property
    def marker(self) -> Path:
        return self.path / "marker"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def is_made(self) -> bool:
        try:
            return self.config.exists()
        except OSError as error:
            raise UsageError(
                f"{self}: cannot be looked into: {error.strerror}; run this as its owner,"
                " or name another home with --home"
            ) from error

    def __str__(self) -> str:
        return str(self.path)

    def check(self) -> None:
        """Raise `UsageError` unless this is a node's home that nobody else can change."""
        if not self.is_made:
            raise UsageError(
                f"{self}: no node lives here; make one with: commonfab init --home {self}"
            )
        found = self.path.stat()
        if stat.S_IMODE(found.st_mode) & 0o022:
            raise UsageError(
                f"{self}: others can change what is in it; keep it to yourself with:"
                f" chmod 700 {self}"
            )

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the home against every other daemon, or raise `NodeRuns`.

        The system lets go of it when the process ends, however it ends.
        """
        opened = self._open_lock()
        try:
            if not _take(opened, fcntl.LOCK_EX):
                raise NodeRuns(
                    f"{self}: a node runs here already ({_holder(opened)}); stop that one, or"
                    " give this one a home of its own with --home"
                )
            os.ftruncate(opened, 0)
            os.pwrite(opened, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(opened)

    @contextmanager
    def socket_path(self) -> Generator[str]:
        """Return a path of the socket that the system takes, however long the home's is."""
        if len(os.fsencode(self.socket)) <= _SOCKET_PATH_BYTES_MAX:
            yield str(self.socket)
            return
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{self.socket.name}"
        finally:
            os.close(folder)

    def holder(self) -> str | None:
        """Return who holds the home, as "pid 4321", or nothing if nobody does."""
        if not self.lock_file.exists():
            return None
        opened = self._open_lock()
        try:
            return None if _take(opened, fcntl.LOCK_SH) else _holder(opened)
        finally:
            os.close(opened)

    def _open_lock(self) -> int:
        try:
            return os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ResourceError(f"{self.lock_file}: {error.strerror}") from error


def find(option: str | None, environment: Mapping[str, str]) -> Home:
    """Return the home that was named: by option, by environment, or the usual one."""
    named = option or environment.get(ENVIRONMENT)
    if named:
        return Home(Path(named).expanduser().absolute())
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Home(Path(data).expanduser().absolute() / "commonfab")


def _take(opened: int, kind: int) -> bool:
    try:
        fcntl.flock(opened, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(opened: int) -> str:
    pid = os.pread(opened, _PID_BYTES_MAX, 0).decode(errors="replace").strip()
    return f"pid {pid}" if pid.isdecimal() else "its pid is not known"
