"""The child processes that read mesh files: a few at once, kept warm while a node runs.

A child takes half a second to start, most of it to load libraries; a warm one answers in
milliseconds. It is replaced after it refused a file, reached a limit, or read many.
Where nobody keeps them (`keep_warm`), as in a command without a node, each reads one file.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from .formats import REDUCE, MeshRefused
from .worker import Question

T = TypeVar("T", bound="Head")

WALL_SECONDS_MAX = 90.0
CHILDREN_MAX = 2
"""At once, in all of this process."""
FILES_MAX = 100
"""That one child reads before it is replaced, so that nothing it lost track of adds up."""
KILL_SECONDS_MAX = 5.0
"""For a killed child to go; only a disk that hangs takes this long."""
LINE_BYTES_MAX = 1024 * 1024
DATA_BYTES_MAX = 128 * 1024 * 1024
"""The vertices and faces of a mesh of a million triangles take 40 MiB, at worst 100."""


class Head(msgspec.Struct):
    """What each answer has, whatever else it says."""

    bytes: int = 0
    refused: tuple[str, str] | None = None


class _Ended(Exception):
    """A child went away in the middle, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _TalksOn(Exception):
    """A child says more than there is to say."""


class _Child:
    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.files = 0

    @classmethod
    async def start(cls) -> "_Child":
        process = await trio.lowlevel.open_process(
            [sys.executable, "-I", "-B", "-m", "commonfab.node.meshes.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One thread: each further one would take its own share of the address space.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        return cls(process)

    @property
    def is_here(self) -> bool:
        return self._process.poll() is None

    async def ask(self, asked: Question) -> tuple[bytes, bytes]:
        """Return an answer's line and the bytes after it."""
        assert self._process.stdin is not None
        self.files += 1
        with suppress(trio.BrokenResourceError):  # Told by the answer that does not come.
            await self._process.stdin.send_all(msgspec.json.encode(asked) + b"\n")
        said = bytearray()
        while (ending := said.find(b"\n")) < 0:
            await self._read(said, LINE_BYTES_MAX)
        line, data = bytes(said[:ending]), said[ending + 1 :]
        size = msgspec.json.decode(line, type=Head).bytes
        while len(data) < size:
            await self._read(data, DATA_BYTES_MAX)
        return line, bytes(data)

    async def _read(self, said: bytearray, most: int) -> None:
        assert self._process.stdout is not None
        part = await self._process.stdout.receive_some(1 << 20)
        if not part:
            raise _Ended(await self._process.wait())
        said += part
        if len(said) > most:
            raise _TalksOn

    async def end(self) -> None:
        self._process.kill()
        with trio.move_on_after(KILL_SECONDS_MAX) as scope:
            scope.shield = True
            await self._process.wait()
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            await self._process.stdin.aclose()
            await self._process.stdout.aclose()


class _Workers:
    """The children of one run of trio."""

    def __init__(self) -> None:
        self.places = trio.CapacityLimiter(CHILDREN_MAX)
        self.idle: list[_Child] | None = None
        self.keepers = 0
        """None: nobody keeps them."""

    async def take(self) -> _Child:
        while self.idle:
            child = self.idle.pop()
            if child.is_here:
                return child
            await child.end()
        return await _Child.start()

    async def give_back(self, child: _Child, *, is_good: bool) -> None:
        if is_good and self.idle is not None and child.files < FILES_MAX:
            self.idle.append(child)
        else:
            await child.end()


_workers: trio.lowlevel.RunVar[_Workers] = trio.lowlevel.RunVar("mesh workers")


def _here() -> _Workers:
    try:
        return _workers.get()
    except LookupError:
        workers = _Workers()
        _workers.set(workers)
        return workers


async def keep_warm(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Keep children for the next file, until cancelled."""
    workers = _here()
    workers.keepers += 1  # Several nodes may live in one process.
    workers.idle = workers.idle or []
    task_status.started()
    try:
        await trio.sleep_forever()
    finally:
        workers.keepers -= 1
        if workers.keepers == 0:
            idle, workers.idle = workers.idle or [], None
            for child in idle:
                await child.end()


async def ask(
    path: Path, ending: str, task: str, sizes: list[int], answer: type[T]
) -> tuple[T, bytes]:
    """Return what a child says of a file, or raise `MeshRefused`. Waits for its turn."""
    path = Path.cwd() / path
    workers = _here()
    asked = Question(str(path), ending, task, sizes)
    async with workers.places:
        with trio.move_on_after(WALL_SECONDS_MAX):
            return await _ask(workers, asked, answer)
    raise MeshRefused(str(path), f"took longer than {WALL_SECONDS_MAX:.0f} s to read", REDUCE)


async def _ask(workers: _Workers, asked: Question, answer: type[T]) -> tuple[T, bytes]:
    child = await workers.take()
    is_good = False
    try:
        line, data = await child.ask(asked)
        said = msgspec.json.decode(line, type=answer)
        is_good = said.refused is None
    except _Ended as error:
        what = f"stopped its reader (code {error.code}): too much time or memory"
        raise MeshRefused(asked.path, what, REDUCE) from error
    except _TalksOn as error:
        raise MeshRefused(asked.path, "made its reader talk without end", REDUCE) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MeshRefused(asked.path, f"confused its reader: {error}", REDUCE) from error
    finally:
        await workers.give_back(child, is_good=is_good)
    if said.refused is not None:
        raise MeshRefused(asked.path, *said.refused)
    return said, data
