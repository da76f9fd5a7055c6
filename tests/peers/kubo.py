"""An older Kubo for tests, as a library in a process: on loopback, alone in the world.

It stands in where no Go is to build the current one, and speaks for all the old ones out there.
"""

from base64 import b32encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from commonfab.storage.cid import CID
from tests.peers import need_peer
from tests.peers.told import Told, told

VERSION = "0.22.0"
_PROGRAM = Path(__file__).with_name("kubo_process.py")


class Kubo:
    """Calls of a running Kubo. They wait for its answer, and `get` for the network too."""

    def __init__(self, program: Told, folder: Path) -> None:
        self._program = program
        self._blocks = folder / "blocks"
        about = program.ask(do="identify")
        self.id: str = about["id"]
        self.addresses: list[str] = about["addresses"]

    def add(self, path: Path) -> str:
        """Add a file or folder with Kubo's own settings: version 0 CIDs, no raw leaves."""
        cid = self._program.ask(do="add", path=str(path))
        assert isinstance(cid, str)
        return cid

    def get(self, cid: CID, to: Path) -> bool:
        """Write a file or folder out; Kubo looks at its own blocks first, then at its peers'."""
        return bool(self._program.ask(do="get", cid=str(cid), to=str(to)))

    def connect(self, address: str) -> bool:
        return bool(self._program.ask(do="connect", address=address))

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


@contextmanager
def running_kubo(folder: Path) -> Generator[Kubo]:
    """Start a Kubo that keeps its things in `folder`; stop it at the end."""
    folder.mkdir(exist_ok=True)
    program = [need_peer("kubo-0.22/bin/python"), _PROGRAM, folder]
    with told(program, folder.with_suffix(".log"), within=folder) as running:
        yield Kubo(running, folder)
