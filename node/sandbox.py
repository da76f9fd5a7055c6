"""Runs a foreign program (a slicer, OpenSCAD) on files that a stranger may have made.

The cage is bubblewrap's: no network, nothing of this computer but its programs and the
files that are named, both read-only; an empty environment; a small disk in memory that
goes when the program does. What the program made is copied out from within the cage, so a
link that it leaves behind leads nowhere. Where there is no bubblewrap nothing runs at all.

    await run(("openscad", "-o", "/out/part.stl", "/in/part.scad"),
              reads={"part.scad": path}, makes=folder / "part.stl")
"""

import os
import re
import selectors
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trio

from commonfab.protocol.errors import ResourceError, UsageError

MIB = 1024 * 1024
SAID_BYTES_MAX = MIB
"""Of what a program prints, on each of its two streams."""
AT_ONCE = 2
"""Cages, in all of this process: each may take its whole memory."""
_GONE_S = 5.0
"""For killed programs to go; only a disk that hangs takes this long."""
_LOOK_S = 0.1
"""How often a running program is looked at: is it still wanted?"""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_TMP = "/tmp"  # noqa: S108 - in the cage there is nobody else who could use it.
_PROGRAM_FOLDERS = (Path("/usr"), Path("/opt"))
_ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64")
_FOR_LIBRARIES = ("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/opt")
_INSTALL = "apt-get install bubblewrap"

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("cages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may take before it is stopped."""

    memory_bytes: int = 3 * 1024 * MIB
    """Address space of each of its processes."""
    processor_seconds: int = 120
    """Of each of its processes."""
    wall_seconds: float = 180.0
    made_bytes: int = 256 * MIB
    """Each file that it writes, and all of them together in each of /out and /tmp."""
    processes: int = 256
    """With their threads. (The kernel does not count those of root.)"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed that ended well."""

    out: bytes
    err: bytes


class NoCage(ResourceError):
    """This computer cannot run a foreign program safely."""


class NoProgram(ResourceError):
    """The program is not on this computer."""


class ProgramFailed(UsageError):
    """A program did not do what was asked with these files: which one, and what happened."""

    def __init__(self, program: str, what: str, err: bytes = b"") -> None:
        super().__init__(f"{program}: {what}")
        self.program = program
        self.what = what
        self.err = err
        """What it printed as errors, to look for a reason that it gives."""


async def run(
    command: Sequence[str],
    *,
    reads: Mapping[str, Path | bytes],
    makes: Path | None = None,
    limits: Limits | None = None,
) -> Said:
    """Run a program in the cage; in there it sees /in/NAME for each of `reads`.

    It works in /out. `makes` is a file that does not exist yet: the program writes
    /out/NAME of the same name, and if it ends well this is copied there. Bytes among
    `reads` never touch a disk nor a command line. Raises `NoCage`, `NoProgram`, and
    `ProgramFailed` where it ends badly, takes too much, or makes nothing.
    """
    limits = limits or Limits()
    program = find_program(command[0])
    name = Path(command[0]).name
    async with _places():
        with trio.move_on_after(limits.wall_seconds), ExitStack() as stack:
            cage = _cage(reads, makes, limits, stack)
            # All in one thread: the cage dies with the thread that started it.
            whole = (*cage.command, str(program), *command[1:])
            code, out, err = await trio.to_thread.run_sync(_run, whole, cage)
            said = _judge(name, code, out, err, limits)
            cage.keep()
            return said
    raise ProgramFailed(name, f"took longer than {limits.wall_seconds:g} s")


def find_program(name: str) -> Path:
    """Return a program's path, or raise `NoProgram` with the way out."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        package = Path(name).name
        raise NoProgram(f"{name}: not on this computer; perhaps: apt-get install {package}")
    path = Path(found).absolute()
    if not any(path.is_relative_to(folder) for folder in _PROGRAM_FOLDERS):
        raise NoProgram(f"{path}: the cage sees only /usr and /opt; install it there")
    return path


async def check() -> str:
    """Return the name and version of the cage, having run a program in it. Raises `NoCage`."""
    await run(("true",), reads={})
    version = await trio.run_process(["bwrap", "--version"], capture_stdout=True)
    return version.stdout.decode(errors="replace").strip()


def _places() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(AT_ONCE)
        _limiter.set(limiter)
        return limiter


@dataclass(slots=True)
class _Cage:
    command: tuple[str, ...]
    reads: tuple[int, ...]
    """Descriptors of what it reads from memory."""
    made: int | None
    """That of the file to make. The shell around the program has it as its standard input."""
    is_kept: bool = False

    def keep(self) -> None:
        self.is_kept = True


def _cage(
    reads: Mapping[str, Path | bytes], makes: Path | None, limits: Limits, stack: ExitStack
) -> _Cage:
    """Return the command that goes before the program's own; open until the stack closes."""
    if shutil.which("bwrap") is None:
        raise NoCage(f"bubblewrap is not installed, and nothing runs unchecked; {_INSTALL}")
    size = str(limits.made_bytes)
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--clearenv", "--setenv", "PATH", _PATH, "--setenv", "HOME", _TMP]
    command += ["--setenv", "LC_ALL", "C.UTF-8", *_system(), "--proc", "/proc", "--dev", "/dev"]
    command += ["--size", size, "--tmpfs", _TMP, "--size", size, "--tmpfs", "/out"]
    descriptors: list[int] = []
    for name, content in reads.items():
        assert _NAME.fullmatch(name), f"{name!r} is no name for a file in the cage"
        if isinstance(content, Path):
            command += ["--ro-bind", str(content.absolute()), f"/in/{name}"]
        else:
            descriptors.append(stack.enter_context(_in_memory(content)))
            command += ["--ro-bind-data", str(descriptors[-1]), f"/in/{name}"]
    command += ["--remount-ro", "/", "--chdir", "/out"]
    command += ["prlimit", f"--as={limits.memory_bytes}", f"--cpu={limits.processor_seconds}"]
    command += [f"--fsize={limits.made_bytes}", f"--nproc={limits.processes}", "--core=0", "--"]
    if makes is None:
        return _Cage(tuple(command), tuple(descriptors), None)
    assert _NAME.fullmatch(makes.name), f"{makes.name!r} is no name for a file in the cage"
    command += ["sh", "-c", f'"$@" </dev/null || exit; exec cat {makes.name} >&0', "sh"]
    cage = _Cage(tuple(command), tuple(descriptors), None)
    cage.made = stack.enter_context(_to_make(cage, makes))
    return cage


def _system() -> Iterator[str]:
    """Return what makes this computer's programs runnable, and nothing else of it."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _ROOT_FOLDERS:
        folder = Path("/", name)
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        elif folder.exists():
            yield from ("--ro-bind", str(folder), str(folder))
    for place in _FOR_LIBRARIES:
        yield from ("--ro-bind-try", place, place)


@contextmanager
def _in_memory(content: bytes) -> Generator[int]:
    descriptor = os.memfd_create("read")
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(content)
        file.seek(0)
        yield descriptor


@contextmanager
def _to_make(cage: _Cage, path: Path) -> Generator[int]:
    """Open a new file; it goes again unless the cage's work is kept."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if not cage.is_kept:
            path.unlink()


def _run(command: tuple[str, ...], cage: _Cage) -> tuple[int, bytes, bytes]:
    """Return how a program ended and what it printed. Runs in a thread of trio's."""
    with subprocess.Popen(  # noqa: S603 - a list, no shell; what runs is named by our own code.
        command,
        stdin=subprocess.DEVNULL if cage.made is None else cage.made,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=cage.reads,
        start_new_session=True,
        cwd="/",
    ) as process:
        try:
            out, err = _listen(process)
            if max(len(out), len(err)) > SAID_BYTES_MAX:
                return 0, out, err
            return process.wait(), out, err
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):  # Until all in the cage are gone.
                    process.communicate(timeout=_GONE_S)


def _listen(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read both streams to their end, or just past the limit; stop where trio says so."""
    assert process.stdout is not None
    assert process.stderr is not None
    said = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    with selectors.DefaultSelector() as selector:
        for descriptor in said:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map() and max(map(len, said.values())) <= SAID_BYTES_MAX:
            for key, _ in selector.select(_LOOK_S):
                part = os.read(key.fd, SAID_BYTES_MAX)
                said[key.fd] += part
                if not part:
                    selector.unregister(key.fd)
            trio.from_thread.check_cancelled()
    out, err = said.values()
    return out, err


def _judge(name: str, code: int, out: bytes, err: bytes, limits: Limits) -> Said:
    if max(len(out), len(err)) > SAID_BYTES_MAX:
        raise ProgramFailed(name, "talked without end", err)
    if code == 0:
        return Said(out, err)
    lines = err.decode(errors="replace").strip().splitlines()
    last = lines[-1][:300] if lines else ""
    if last.startswith("bwrap: "):
        raise NoCage(f"{last}: bubblewrap cannot make its cage here, and nothing runs unchecked")
    raise ProgramFailed(name, _end(code, limits) + (f": {last}" if last else ""), err)


def _end(code: int, limits: Limits) -> str:
    """Return in words how a program ended that did not end well."""
    ended = -code if code < 0 else code - 128
    kind: dict[int, Literal["processor", "file", "memory"]] = {
        signal.SIGXCPU: "processor",
        signal.SIGKILL: "processor",
        signal.SIGXFSZ: "file",
        signal.SIGABRT: "memory",
        signal.SIGSEGV: "memory",
    }
    match kind.get(ended):
        case "processor":
            return f"was stopped: it may use {limits.processor_seconds} s of processor time"
        case "file":
            return f"was stopped: it may write {limits.made_bytes // MIB} MiB"
        case "memory":
            memory = limits.memory_bytes // MIB
            return f"broke off (signal {ended}); it may use {memory} MiB of memory"
        case None:
            return f"ended with {code}"
