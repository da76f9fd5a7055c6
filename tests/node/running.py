"""A node in a process of its own, driven as a person would: by the command."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from commonfab.node.cli.main import cli
from commonfab.node.control.client import Client
from commonfab.node.home.folder import Home
from commonfab.protocol.errors import ResourceError

STOP_S = 10


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def commonfab(*words: str, home: Path | None = None, columns: int = 80) -> Ended:
    """Run a command to its end in this process, with no terminal, as if it had these columns."""
    result = CliRunner().invoke(cli, words, env=_environment(home, columns), prog_name="commonfab")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def commonfab_process(*words: str, home: Path | None = None, python: str = "") -> Ended:
    """Run a command in a process of its own; `python` may be an option of the interpreter."""
    plain = {key: value for key, value in _environment(home, 80).items() if value is not None}
    ended = subprocess.run(  # our own program
        [sys.executable, *filter(None, [python]), "-m", "commonfab.node", *words],
        env=plain,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def _environment(home: Path | None, columns: int) -> dict[str, str | None]:
    """Return the environment of a command; a variable of `None` is not there."""
    changed: dict[str, str | None] = {
        key: None for key in os.environ if key.startswith("COMMONFAB_")
    }
    if home is not None:
        changed["COMMONFAB_HOME"] = str(home)
    return {**os.environ, **changed, "COLUMNS": str(columns)}


@dataclass(slots=True)
class RunningNode:
    home: Path
    process: "subprocess.Popen[str]"
    said: list[str]
    """The log until it was ready."""

    def __call__(self, *words: str, columns: int = 80) -> Ended:
        """Run a command of this node's."""
        return commonfab(*words, home=self.home, columns=columns)


@contextmanager
def running_node(home: Path, *options: str) -> Generator[RunningNode]:
    """Run the node in a home that is there, and stop it at the end."""
    words = ["run", "--home", str(home), *options]
    with subprocess.Popen(  # our own program
        [sys.executable, "-m", "commonfab.node", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = _until_ready(process)
        try:
            yield RunningNode(home, process, said)
        finally:
            process.send_signal(signal.SIGTERM)
            # Read on: a full pipe would keep it from stopping.
            _, rest = process.communicate(timeout=STOP_S)
            assert "Traceback" not in rest, rest


def _kill_at(node: RunningNode, step: str, count: int) -> Callable[[Mapping[str, Any]], None]:
    """Return what hears of a command's progress, and kills the node at the so-manieth step."""
    seen = [0]

    def hear(said: Mapping[str, Any]) -> None:
        seen[0] += said["step"] == step
        if seen[0] == count:
            node.process.kill()

    return hear


def kill_during(node: RunningNode, step: str, count: int, name: str, **params: object) -> None:
    """Kill a node at the so-manieth step of a command that it was asked for."""
    with pytest.raises(ResourceError, match="stopped before it answered"):
        Client(Home(node.home)).call(name, params, _kill_at(node, step, count))
    node.process.communicate()


def _until_ready(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if " ready " in line or '"ready"' in line:
            return said
    raise AssertionError(f"the node ended: {''.join(said)}")


@contextmanager
def held(home: Path) -> Generator[int]:
    """Have another process hold a home's lock; give its pid."""
    holding = [sys.executable, "-c", _HOLD, str(home)]
    with subprocess.Popen(holding, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder.pid
        finally:
            holder.kill()


_HOLD = """
import signal, sys
from pathlib import Path
from commonfab.node.home.folder import Home
with Home(Path(sys.argv[1])).lock():
    print("held", flush=True)
    signal.pause()
"""
