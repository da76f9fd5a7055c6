"""Real IPFS nodes that nobody here wrote, all spoken to in one way."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from commonfab.storage.cid import CID
from tests.peers.helia import running_helia
from tests.peers.kubo_daemon import KuboDaemon, running_daemon

PROFILE = ["--cid-version=1", "--chunker=size-1048576", "--max-file-links=1024"]
"""What makes an `ipfs add` write in the profile unixfs-v1-2025."""


class Stranger(Protocol):
    """One of them. Its calls wait for its answer, and `get` for the network too."""

    @property
    def pid(self) -> int: ...

    @property
    def address(self) -> str:
        """Where other peers reach it, with /p2p/ and its id."""
        ...

    def add(self, path: Path) -> CID:
        """Add a file or folder in the profile unixfs-v1-2025."""
        ...

    def get(self, cid: CID, to: Path) -> None:
        """Write a file or folder out; it looks at its own blocks first, then at its peers'."""
        ...

    def connect(self, address: str) -> None: ...


class KuboStranger:
    def __init__(self, daemon: KuboDaemon) -> None:
        self.daemon = daemon
        self.address = daemon.address
        self.pid = daemon.pid

    def add(self, path: Path) -> CID:
        return CID.parse(self.daemon.run("add", "-rQ", *PROFILE, str(path)).decode().strip())

    def get(self, cid: CID, to: Path) -> None:
        self.daemon.run("get", "--progress=false", "-o", str(to), str(cid))

    def connect(self, address: str) -> None:
        self.daemon.run("swarm", "connect", address)


@contextmanager
def running_stranger(kind: str, folder: Path) -> Generator[Stranger]:
    """Start a "kubo" or a "helia" that keeps its things in `folder`; end it after."""
    if kind == "helia":
        with running_helia(folder) as helia:
            yield helia
    else:
        with running_daemon(folder) as daemon:
            yield KuboStranger(daemon)
