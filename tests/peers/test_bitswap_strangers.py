"""Blocks to and from the current Kubo and Helia, over real streams on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from commonfab.protocol.errors import ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.storage.cid import CID, RAW
from commonfab.storage.unixfs import folders, unixfs
from tests.peers.designs import contents, make_design
from tests.peers.ours import PATIENCE_S, Ours
from tests.peers.strangers import Stranger, running_stranger
from tests.storage.content import Content, content

DESIGN_BYTES = 50_000_000


@pytest.fixture(scope="module", params=["kubo", "helia"])
def stranger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stranger]:
    with running_stranger(request.param, tmp_path_factory.mktemp("stranger") / "home") as running:
        yield running


@pytest.fixture
def alice() -> Ours:
    return Ours()


async def meet(alice: Ours, stranger: Stranger, nursery: trio.Nursery) -> NodeId:
    await nursery.start(alice.run)
    return await alice.transport.connect(stranger.address)


async def test_a_design_of_50_mb_comes_from_it(
    stranger: Stranger, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "their design", DESIGN_BYTES)
    root = await trio.to_thread.run_sync(stranger.add, design)
    peer = await meet(alice, stranger, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), [peer])
    folders.export(alice.store, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)
    assert alice.bitswap.counts["duplicate_blocks"] == 0
    assert alice.bitswap.counts["unasked_blocks"] == 0


async def test_a_design_of_50_mb_goes_to_it(
    stranger: Stranger, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    design = make_design(tmp_path / "our design", DESIGN_BYTES)
    root = folders.add_folder(alice.store, design)
    await meet(alice, stranger, nursery)

    with trio.fail_after(PATIENCE_S):
        await trio.to_thread.run_sync(stranger.get, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
async def test_a_file_goes_both_ways(
    stranger: Stranger, alice: Ours, nursery: trio.Nursery, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(content("theirs", size))
    theirs = await trio.to_thread.run_sync(stranger.add, path)
    ours, _ = unixfs.add_file(alice.store, Content("ours", size))
    peer = await meet(alice, stranger, nursery)

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(theirs), [peer])
        await trio.to_thread.run_sync(stranger.get, ours, tmp_path / "copy")

    assert b"".join(unixfs.read_file(alice.store, theirs)) == path.read_bytes()
    assert (tmp_path / "copy").read_bytes() == content("ours", size)


async def test_it_may_be_the_one_that_calls(
    stranger: Stranger, alice: Ours, nursery: trio.Nursery, tmp_path: Path
) -> None:
    root, _ = unixfs.add_file(alice.store, Content("called", 300_000))
    await nursery.start(alice.run)

    with trio.fail_after(PATIENCE_S):
        await trio.to_thread.run_sync(stranger.connect, alice.address)
        await trio.to_thread.run_sync(stranger.get, root, tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == content("called", 300_000)


async def test_it_says_at_once_that_it_has_not(
    stranger: Stranger, alice: Ours, nursery: trio.Nursery
) -> None:
    peer = await meet(alice, stranger, nursery)

    with trio.fail_after(5), pytest.raises(ResourceError, match="1 do not have it"):
        await alice.bitswap.fetch(bytes(CID.of(b"nowhere", codec=RAW)), [peer])
