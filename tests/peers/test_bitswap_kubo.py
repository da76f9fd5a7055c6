"""Blocks to and from a real Kubo, over real streams on loopback."""

import hashlib
import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commonfab.node.bitswap import Bitswap
from commonfab.node.libp2p_transport import Libp2pTransport
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.storage import folders, unixfs
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from tests.peers import need_peer
from tests.peers.kubo import Kubo, running_kubo
from tests.storage.content import Content, content

PATIENCE_S = 60
LARGE = 50_000_000


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """A Kubo with an Ed25519 key, as every new one has; this one, used as a library, makes RSA."""
    folder = tmp_path_factory.mktemp("kubo") / "repository"
    with running_kubo(folder):
        pass  # It has made its repository.
    give_ed25519_key(folder / "config")
    program = [need_peer("kubo/bin/python"), Path(__file__).with_name("kubo_process.py"), folder]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Kubo(process, folder)
        finally:
            process.kill()


def give_ed25519_key(config_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    marshalled = b"\x08\x01\x12\x40" + key.private_bytes_raw() + public
    config = json.loads(config_path.read_text())
    config["Identity"] = {
        "PeerID": peer_text(NodeId(public)),
        "PrivKey": b64encode(marshalled).decode(),
    }
    config_path.write_text(json.dumps(config))


class Alice:
    """A node of ours, in this process, with Kubo as its only peer."""

    def __init__(self, seed: int) -> None:
        here = ["/ip4/127.0.0.1/tcp/0"]
        key = seed.to_bytes(32, "big")
        self.transport = Libp2pTransport(key, here, mdns=False, first_sequence=time.time_ns())
        self.store = MemoryBlockStore()
        self.bitswap = Bitswap(self.transport, self.store)

    async def meet(self, kubo: Kubo, nursery: trio.Nursery) -> NodeId:
        await nursery.start(self.transport.run)
        await nursery.start(self.bitswap.run)
        return await self.transport.connect(f"{kubo.addresses[0]}/p2p/{kubo.id}")


@pytest.fixture
def alice() -> Alice:
    return Alice(time.time_ns())


def digest(parts: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


@pytest.mark.parametrize("size", [0, 1000, 1_000_000, LARGE])
async def test_a_file_comes_from_kubo(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(content("from kubo", size))
    root = CID.parse(kubo.add(path))
    peer = await alice.meet(kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [peer])

    assert digest(unixfs.read_file(alice.store, root)) == digest(iter([path.read_bytes()]))
    assert alice.bitswap.counts["duplicate_blocks"] == 0
    assert alice.bitswap.counts["unasked_blocks"] == 0


@pytest.mark.parametrize("size", [0, 1000, 1_000_000, LARGE])
async def test_a_file_goes_to_kubo(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery, tmp_path: Path, size: int
) -> None:
    root, _ = unixfs.add_file(alice.store, Content("to kubo", size))
    await alice.meet(kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        assert await trio.to_thread.run_sync(kubo.get, root, tmp_path / "part.stl")

    assert (tmp_path / "part.stl").read_bytes() == content("to kubo", size)


def make_design(folder: Path) -> Path:
    """Write a design of 40 files in nested folders."""
    for number in range(40):
        path = folder / f"group {number % 4}" / f"part {number}.stl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(f"{folder.name} {number}", number * number * 500))
    (folder / "README.md").write_text("How to make it.")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def test_a_design_of_many_files_comes_from_kubo(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "kubo's design")
    root = CID.parse(kubo.add(design))
    peer = await alice.meet(kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [peer])
    folders.export(alice.store, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)


async def test_a_design_of_many_files_goes_to_kubo(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "our design")
    root = folders.add_folder(alice.store, design)
    await alice.meet(kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        assert await trio.to_thread.run_sync(kubo.get, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)


async def test_kubo_says_at_once_that_it_has_not(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery
) -> None:
    peer = await alice.meet(kubo, nursery)

    with trio.fail_after(5), pytest.raises(ResourceError, match="1 do not have it"):
        await alice.bitswap.fetch(bytes(CID.of(b"nowhere", codec=RAW)), [peer])


async def test_what_kubo_waits_for_is_sent_when_it_comes(
    kubo: Kubo, alice: Alice, nursery: trio.Nursery, tmp_path: Path
) -> None:
    bob = Alice(time.time_ns())
    root, _ = unixfs.add_file(bob.store, Content("late", 100_000))
    await alice.meet(kubo, nursery)
    await nursery.start(bob.transport.run)
    await nursery.start(bob.bitswap.run)
    peer = await alice.transport.connect(bob.transport.addresses()[0])
    gets = trio.Event()

    async def get() -> None:
        assert await trio.to_thread.run_sync(kubo.get, root, tmp_path / "late")
        gets.set()

    with trio.fail_after(PATIENCE_S):
        nursery.start_soon(get)
        while not alice.bitswap.counts["remembered_wants"]:
            await trio.lowlevel.checkpoint()
        await alice.bitswap.fetch(bytes(root), [peer])
        await gets.wait()

    assert (tmp_path / "late").read_bytes() == content("late", 100_000)
