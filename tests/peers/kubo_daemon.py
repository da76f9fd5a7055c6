"""A real Kubo daemon for tests: on loopback, in a folder of its own, alone in the world.

daemon = KuboDaemon(program, folder)
daemon.configure({"Gateway.ExposeRoutingAPI": True})
daemon.start()
daemon.run("block", "stat", cid)
"""

import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers import PEERS

READY = "Daemon is ready"
_STOP_SECONDS_MAX = 20
_RUN_SECONDS_MAX = 120


def kubo_program() -> Path:
    """Return where Kubo's command is; a test that needs it is skipped where it is not."""
    program = PEERS / "kubo" / "ipfs"
    if not program.exists():
        pytest.skip("Kubo is not here; install it with: make peers")
    return program.resolve()


class KuboDaemon:
    """One Kubo with a repository in `folder`, which it makes. Calls wait for the program."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.repo = folder
        self.api_port = free_port()
        self.api = f"/ip4/127.0.0.1/tcp/{self.api_port}"
        self.id = ""
        """Its peer id, known once it has started."""
        self.address: str = ""
        """Where other peers reach it, with /p2p/ and its id; known once it has started."""
        self.gateway = ""
        """The http address of its gateway, known once it has started."""
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        self._command("init", "--profile=test", "--algorithm=ed25519")
        self._command("bootstrap", "rm", "--all")
        # A port that is chosen beforehand: a daemon that comes back comes back to the same one.
        self.configure({"Addresses.API": self.api, "Discovery.MDNS.Enabled": False})

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write settings, named with dots; they count from the next start."""
        path = self.repo / "config"
        config = json.loads(path.read_text())
        for name, value in settings.items():
            place = config
            *folders, last = name.split(".")
            for key in folders:
                place = place.setdefault(key, {})
            place[last] = value
        path.write_text(json.dumps(config))

    def start(self, *arguments: str) -> None:
        """Start the daemon, with more arguments if need be, and wait until it is ready."""
        self._start([str(self._program), "daemon", *arguments])

    def start_limited(self, file_bytes_max: int) -> None:
        """Start it so that it can write no file larger than this, as on a disk that is full."""
        limit = f"ulimit -f {file_bytes_max // 512}; exec {shlex.quote(str(self._program))} daemon"
        self._start(["sh", "-c", limit])

    def _start(self, command: list[str]) -> None:
        assert self._process is None, "it runs already"
        log = (self.repo.parent / f"{self.repo.name}.log").open("a")
        with log:
            self._process = subprocess.Popen(
                command,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if READY in line:
                break
        else:
            self.kill()
            raise AssertionError(f"Kubo did not start: {''.join(lines)}; see {log.name}")
        gateway = re.search(r"Gateway server listening on /ip4/([\d.]+)/tcp/(\d+)", "".join(lines))
        assert gateway is not None
        self.gateway = f"http://{gateway[1]}:{gateway[2]}"
        about = json.loads(self.run("id"))
        self.id = about["ID"]
        addresses: list[str] = about["Addresses"] or []
        ours = [each for each in addresses if each.startswith("/ip4/127.0.0.1/tcp/")]
        self.address = ours[0] if ours else ""

    def stop(self) -> None:
        """Ask it to end, and wait until it has; kill it if it does not."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def kill(self) -> None:
        """End it as a cut of power would."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run Kubo's command on this repository, through the daemon if it runs; its output."""
        return self._command(*arguments, stdin=stdin)

    def _command(self, *arguments: str, stdin: bytes = b"") -> bytes:
        ended = subprocess.run(
            [self._program, *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            timeout=_RUN_SECONDS_MAX,
            check=False,
        )
        assert ended.returncode == 0, f"ipfs {' '.join(arguments)}: {ended.stderr.decode()}"
        return ended.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {"IPFS_PATH": str(self.repo), "HOME": str(self.repo), "PATH": os.defpath}

    def _reap(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait()
        self._process.stdout.close()
        self._process = None


def free_port() -> int:
    """Return a TCP port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def running_daemon(
    folder: Path, settings: Mapping[str, object] | None = None
) -> Generator[KuboDaemon]:
    """Start a Kubo with these settings in `folder`, and end it after."""
    daemon = KuboDaemon(kubo_program(), folder)
    daemon.configure(settings or {})
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()
