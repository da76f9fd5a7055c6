"""A real Kubo for tests, on loopback, with no other node in the world."""

import json
import subprocess
from base64 import b32encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commonfab.storage.cid import CID
from tests.peers import need_peer

VERSION = "0.22.0"
_PROGRAM = Path(__file__).with_name("kubo_process.py")
_STOP_SECONDS_MAX = 5


class Kubo:
    """Calls of a running Kubo. They wait for its answer, and `get` for the network too."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._blocks = folder / "blocks"
        about = self._ask(do="identify")
        self.id: str = about["id"]
        self.addresses: list[str] = about["addresses"]

    def add(self, path: Path) -> str:
        """Add a file or folder with Kubo's own settings: version 0 CIDs, no raw leaves."""
        cid = self._ask(do="add", path=str(path))
        assert isinstance(cid, str)
        return cid

    def get(self, cid: CID, to: Path) -> bool:
        """Write a file or folder out; Kubo looks at its own blocks first, then at its peers'."""
        return bool(self._ask(do="get", cid=str(cid), to=str(to)))

    def connect(self, address: str) -> bool:
        return bool(self._ask(do="connect", address=address))

    def put_block(self, cid: CID, data: bytes) -> None:
        """Lay a block where Kubo keeps its own: named by its multihash, in capital base32."""
        name = b32encode(cid.multihash).decode().rstrip("=")
        shard = self._blocks / name[-3:-1]
        shard.mkdir(exist_ok=True)
        (shard / f"{name}.data").write_bytes(data)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes of all blocks that Kubo has."""
        for path in self._blocks.glob("*/*.data"):
            yield path.read_bytes()

    def _ask(self, **asked: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Kubo ended with {self._process.wait()}"
        return json.loads(line)


@contextmanager
def running_kubo(folder: Path) -> Generator[Kubo]:
    """Start a Kubo that keeps its things in `folder`; stop it at the end."""
    python = need_peer("kubo/bin/python")
    folder.mkdir()
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(
            [python, _PROGRAM, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    try:
        yield Kubo(process, folder)
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
