"""A disk that forgets, at a power cut, whatever was not made durable.

`Platter.sync` is given to a store in the place of `os.fsync`. It notes what that call would
have made durable: the bytes of a file, or the names in a folder. `Platter.restore` writes
out what would be left. What has a durable name and was never synced itself comes back empty.
"""

import os
from pathlib import Path
from threading import Lock


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches the real one."""


class Platter:
    def __init__(self) -> None:
        self.syncs_left: int | None = None
        """How many calls are still answered before the power goes; None for all."""
        self._lock = Lock()
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, tuple[int, bool]]] = {}

    def sync(self, handle: int) -> None:
        with self._lock:
            self._sync(handle)

    def _sync(self, handle: int) -> None:
        if self.syncs_left == 0:
            raise PowerCut
        if self.syncs_left is not None:
            self.syncs_left -= 1
        path = Path(f"/proc/self/fd/{handle}").resolve()
        inode = os.fstat(handle).st_ino
        if path.is_dir():
            entries = os.scandir(path)
            self._folders[inode] = {here.name: (here.inode(), here.is_dir()) for here in entries}
        else:
            self._files[inode] = path.read_bytes()

    def restore(self, folder: Path, to: Path) -> None:
        """Write to `to` what is left of `folder`."""
        self._restore(folder.stat().st_ino, to)

    def _restore(self, inode: int, to: Path) -> None:
        to.mkdir()
        for name, (inner, is_folder) in self._folders.get(inode, {}).items():
            if is_folder:
                self._restore(inner, to / name)
            else:
                (to / name).write_bytes(self._files.get(inner, b""))
