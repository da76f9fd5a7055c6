"""A program that is told what to do by one JSON object a line, and answers each with one."""

import json
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STOP_SECONDS_MAX = 5


class Told:
    """Calls of the running program. They wait for its answer."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def ask(self, **asked: str) -> Any:
        """Return its answer; one that is an error fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the program ended with {self._process.wait()}"
        answer = json.loads(line)
        assert "error" not in answer, f"{asked}: {answer['error']}"
        return answer["said"]


@contextmanager
def told(command: Sequence[str | Path], log: Path, *, within: Path) -> Generator[Told]:
    """Start a program in the folder `within`; stop it at the end."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=within,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Told(process)
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
