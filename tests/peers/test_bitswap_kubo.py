"""Blocks to and from an old Kubo, 0.22, over real streams on loopback."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commonfab.protocol.errors import ResourceError, UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.storage.cid import CID, RAW
from commonfab.storage.unixfs import folders, unixfs
from tests.peers.designs import contents, make_design
from tests.peers.kubo import Kubo, running_kubo
from tests.peers.ours import PATIENCE_S, Ours
from tests.storage.content import Content, content

DESIGN_BYTES = 10_000_000
LARGE = 50_000_000


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """A Kubo with an Ed25519 key, as every new one has; this one, used as a library, makes RSA."""
    folder = tmp_path_factory.mktemp("kubo") / "repository"
    with running_kubo(folder):
        pass  # It has made its repository.
    give_ed25519_key(folder / "config")
    with running_kubo(folder) as running:
        yield running


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


async def meet(alice: Ours, kubo: Kubo, nursery: trio.Nursery) -> NodeId:
    await nursery.start(alice.run)
    return await alice.transport.connect(f"{kubo.addresses[0]}/p2p/{kubo.id}")


@pytest.fixture
def alice() -> Ours:
    return Ours()


def digest(parts: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


@pytest.mark.parametrize("size", [0, 1000, 1_000_000, LARGE])
async def test_a_file_comes_from_kubo(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(content("from kubo", size))
    root = CID.parse(kubo.add(path))
    peer = await meet(alice, kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [peer])

    assert digest(unixfs.read_file(alice.store, root)) == digest(iter([path.read_bytes()]))
    assert alice.bitswap.counts["duplicate_blocks"] == 0
    assert alice.bitswap.counts["unasked_blocks"] == 0


@pytest.mark.parametrize("size", [0, 1000, 1_000_000, LARGE])
async def test_a_file_goes_to_kubo(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery, tmp_path: Path, size: int
) -> None:
    root, _ = unixfs.add_file(alice.store, Content("to kubo", size))
    await meet(alice, kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        assert await trio.to_thread.run_sync(kubo.get, root, tmp_path / "part.stl")

    assert (tmp_path / "part.stl").read_bytes() == content("to kubo", size)


async def test_a_design_of_many_files_comes_from_kubo(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "kubo's design", DESIGN_BYTES)
    root = CID.parse(kubo.add(design))
    peer = await meet(alice, kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [peer])
    folders.export(alice.store, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)


async def test_a_design_of_many_files_goes_to_kubo(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "our design", DESIGN_BYTES)
    root = folders.add_folder(alice.store, design)
    await meet(alice, kubo, nursery)

    with trio.fail_after(PATIENCE_S):
        assert await trio.to_thread.run_sync(kubo.get, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)


async def test_kubo_says_at_once_that_it_has_not(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery
) -> None:
    peer = await meet(alice, kubo, nursery)

    with trio.fail_after(5), pytest.raises(ResourceError, match="1 do not have it"):
        await alice.bitswap.fetch(bytes(CID.of(b"nowhere", codec=RAW)), [peer])


async def test_what_kubo_waits_for_is_sent_when_it_comes(
    kubo: Kubo, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    bob = Ours()
    root, _ = unixfs.add_file(bob.store, Content("late", 100_000))
    await meet(alice, kubo, nursery)
    await nursery.start(bob.run)
    peer = await alice.transport.connect(bob.address)
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


async def test_an_old_kubo_with_an_rsa_key_is_refused_with_the_reason(
    alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    with running_kubo(tmp_path / "repository") as kubo:
        await nursery.start(alice.run)

        with trio.fail_after(PATIENCE_S), pytest.raises(UsageError, match="Ed25519"):
            await alice.transport.connect(f"{kubo.addresses[0]}/p2p/{kubo.id}")
