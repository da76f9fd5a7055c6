"""A real Helia for tests, on loopback, with no other node in the world."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from commonfab.storage.cid import CID
from tests.peers import need_peer
from tests.peers.told import Told, told

_SCRIPT = Path(__file__).with_name("helia_peer.mjs")


class Helia:
    """Calls of a running Helia. They wait for its answer, and `get` for the network too."""

    def __init__(self, program: Told) -> None:
        self._program = program
        self.pid = program.pid
        about = program.ask(do="identify")
        self.id: str = about["id"]
        self.address: str = about["addresses"][0]
        """Where other peers reach it, with /p2p/ and its id."""

    def add(self, path: Path) -> CID:
        """Add a file or folder in Helia's own profile, which is unixfs-v1-2025."""
        return CID.parse(self._program.ask(do="add", path=str(path)))

    def get(self, cid: CID, to: Path) -> None:
        """Write a file or folder out; Helia looks at its own blocks first, then at its peers'."""
        self._program.ask(do="get", cid=str(cid), to=str(to))

    def pin(self, cid: CID) -> None:
        """Have all blocks of a tree, and keep them."""
        self._program.ask(do="pin", cid=str(cid))

    def connect(self, address: str) -> None:
        self._program.ask(do="connect", address=address)


@contextmanager
def running_helia(folder: Path) -> Generator[Helia]:
    """Start a Helia that keeps its blocks in `folder`; stop it at the end."""
    node = need_peer("helia/node")
    script = ["--input-type=module", "--eval", _SCRIPT.read_text()]
    program: list[str | Path] = [node.resolve(), *script, folder]
    with told(program, folder.with_suffix(".log"), within=node.parent) as running:
        yield Helia(running)
