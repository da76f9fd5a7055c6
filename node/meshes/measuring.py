"""Facts and pictures of a mesh file, by a child process that cannot harm the daemon."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import trio

from commonfab.scheduler.geometry import MeshFacts

from .formats import REDUCE, MeshRefused, check_outside

WALL_SECONDS_MAX = 90.0
CHILDREN_MAX = 2
"""At once, in all of this process."""
KILL_SECONDS_MAX = 5.0
"""For a killed child to go; only a disk that hangs takes this long."""
ANSWER_BYTES_MAX = 2 * 1024 * 1024
"""A picture of 640 x 480 pixels that cannot be packed, in base64."""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("mesh children")


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What `worker.py` prints; one of these."""

    facts: MeshFacts | None = None
    png: bytes | None = None
    text: str | None = None
    refused: tuple[str, str] | None = None


async def measure_mesh(path: Path) -> MeshFacts:
    """Return the facts of an STL, 3MF, OBJ, PLY or OFF file, in half a second to a few seconds.

    Raises `MeshRefused` for whatever cannot be read, is not what its name says, or takes
    too much. A mesh that is not watertight is measured; its facts say so.
    One child may take `worker.MEMORY_BYTES_MAX`, so further calls wait their turn.
    """
    facts = (await _ask(path, ["facts"])).facts
    assert facts is not None
    return facts


async def draw_mesh(path: Path, size: tuple[int, int]) -> bytes:
    """Return a PNG of `size` (width, height) pixels. Raises as `measure_mesh` does."""
    png = (await _ask(path, ["png", str(size[0]), str(size[1])])).png
    assert png is not None
    return png


async def write_mesh(path: Path, columns: int, *, colour: bool) -> str:
    """Return a picture made of characters, for a terminal. Raises as `measure_mesh` does."""
    text = (await _ask(path, ["colours" if colour else "text", str(columns)])).text
    assert text is not None
    return text


async def _ask(path: Path, task: list[str]) -> _Answer:
    path = Path.cwd() / path  # The child must not take a name for an option.
    ending = check_outside(path)
    async with _places():
        with trio.move_on_after(WALL_SECONDS_MAX):
            code, output = await _run([str(path), ending, *task])
            return _read(path, code, output)
    raise MeshRefused(str(path), f"took longer than {WALL_SECONDS_MAX:.0f} s to read", REDUCE)


def _places() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(CHILDREN_MAX)
        _limiter.set(limiter)
        return limiter


async def _run(arguments: list[str]) -> tuple[int, bytes]:
    """Return the child's exit code and what it printed, the latter cut just past the limit."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-I", "-B", "-m", "commonfab.node.meshes.worker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # One thread: each further one would take its own share of the address space.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    try:
        output = await _read_some(process.stdout)
        code = await process.wait() if len(output) <= ANSWER_BYTES_MAX else 0
    finally:
        process.kill()
        with trio.move_on_after(KILL_SECONDS_MAX) as scope:
            scope.shield = True
            await process.wait()
            await process.stdout.aclose()
    return code, output


async def _read_some(stream: trio.abc.ReceiveStream) -> bytes:
    output = b""
    while len(output) <= ANSWER_BYTES_MAX:
        part = await stream.receive_some(ANSWER_BYTES_MAX)
        if not part:
            break
        output += part
    return output


def _read(path: Path, code: int, output: bytes) -> _Answer:
    if len(output) > ANSWER_BYTES_MAX:
        raise MeshRefused(str(path), "made its reader talk without end", REDUCE)
    if code != 0:
        what = f"stopped its reader (code {code}): too much time or memory"
        raise MeshRefused(str(path), what, REDUCE)
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MeshRefused(str(path), f"confused its reader: {error}", REDUCE) from error
    if answer.refused is not None:
        raise MeshRefused(str(path), *answer.refused)
    return answer
