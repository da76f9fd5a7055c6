"""Finding and being found among real Kubo daemons: by their routing API, and by their DHT.

On loopback there is only the DHT of a local network, and a Kubo keeps loopback addresses in it
only if it is told to. The DHT of the internet has the same messages under another name.
"""

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import trio

from commonfab.node.finding import delegated_routing
from commonfab.node.finding.addresses import Provider, Reach
from commonfab.node.finding.dht import Dht
from commonfab.node.finding.finding import Finding
from commonfab.node.library import Library
from commonfab.protocol.peer_id import parse_peer, peer_text
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryRecordStore
from tests.peers.kubo_daemon import KuboDaemon, running_daemon
from tests.peers.ours import PATIENCE_S, Ours

SETTINGS = {
    "Gateway.ExposeRoutingAPI": True,
    "Routing.Type": "dhtserver",
    "Routing.LoopbackAddressesOnLanDHT": True,
}


@dataclass
class Kubos:
    """Two daemons that know each other; the far one is known to nobody else here."""

    near: KuboDaemon
    far: KuboDaemon


@pytest.fixture(scope="module")
def kubos(tmp_path_factory: pytest.TempPathFactory) -> Generator[Kubos]:
    with ExitStack() as stack:
        folders = [tmp_path_factory.mktemp(name) / "repo" for name in ("near", "far")]
        near, far = (stack.enter_context(running_daemon(each, SETTINGS)) for each in folders)
        far.run("swarm", "connect", near.address)
        yield Kubos(near, far)


def added(kubo: KuboDaemon, data: bytes) -> CID:
    """Have a Kubo keep a block, and tell the DHT of it."""
    root = CID.parse(kubo.run("add", "-Q", "--cid-version=1", stdin=data).decode().strip())
    kubo.run("routing", "provide", str(root))
    return root


def provider(kubo: KuboDaemon) -> Provider:
    return Provider(parse_peer(kubo.id), (kubo.address,))


async def test_what_kubo_provides_is_found_by_its_routing_api_and_fetched(
    nursery: trio.Nursery, kubos: Kubos
) -> None:
    data = b"found by a server"
    root = await trio.to_thread.run_sync(added, kubos.far, data)
    ours = Ours()
    await nursery.start(ours.run)
    library = Library(MemoryRecordStore())
    finding = Finding(ours.transport, library, ours.bitswap, routers=[kubos.near.gateway])

    found = await delegated_routing.providers(kubos.near.gateway, root)
    with trio.fail_after(PATIENCE_S):
        await finding.fetch(bytes(root), [])

    assert found == [provider(kubos.far)]
    assert ours.store.get(root) == data


async def test_what_kubo_provides_is_found_in_the_dht_and_fetched(
    nursery: trio.Nursery, kubos: Kubos
) -> None:
    data = b"found in the DHT"
    root = await trio.to_thread.run_sync(added, kubos.far, data)
    ours = Ours()
    dht = Dht(ours.transport, Reach.NEIGHBOURHOOD, serves=False, beginnings=[kubos.near.address])
    await nursery.start(ours.run)
    finding = Finding(ours.transport, Library(MemoryRecordStore()), ours.bitswap, dhts=[dht])

    with trio.fail_after(PATIENCE_S):
        assert await dht.lookup(root.multihash).more() == [provider(kubos.far)]
        await finding.fetch(bytes(root), [])

    assert ours.store.get(root) == data
    assert ours.transport.links() == []


async def test_kubo_finds_what_we_provide_and_fetches_it(
    nursery: trio.Nursery, kubos: Kubos
) -> None:
    data = b"provided by us"
    root = CID.of(data, codec=RAW)
    ours = Ours()
    ours.store.put(root, data)
    dht = Dht(ours.transport, Reach.NEIGHBOURHOOD, serves=False, beginnings=[kubos.near.address])
    await nursery.start(ours.run)

    with trio.fail_after(PATIENCE_S):
        assert await dht.provide(root.multihash) == 2
        words = ("routing", "findprovs", "-n", "1", str(root))
        found = await trio.to_thread.run_sync(lambda: kubos.far.run(*words))
        fetched = await trio.to_thread.run_sync(lambda: kubos.far.run("block", "get", str(root)))

    assert found.decode().strip() == peer_text(ours.me)
    assert fetched == data


def servers(kubo: KuboDaemon) -> str:
    """Return the servers of the DHT that a Kubo knows."""
    return kubo.run("stats", "dht", "lan").decode()


async def test_kubo_takes_us_for_a_server_of_its_dht(nursery: trio.Nursery, kubos: Kubos) -> None:
    data = b"provided by Kubo to us"
    root = CID.of(data, codec=RAW)
    ours, asker = Ours(), Ours()
    dht = Dht(ours.transport, Reach.NEIGHBOURHOOD, serves=True, beginnings=[kubos.near.address])
    await nursery.start(ours.run)
    asking = Dht(asker.transport, Reach.NEIGHBOURHOOD, serves=False, beginnings=[ours.address])
    await nursery.start(asker.run)
    await ours.transport.connect(kubos.near.address)
    await dht.tend(0)

    search = asking.lookup(root.multihash)

    with trio.fail_after(PATIENCE_S):
        while peer_text(ours.me) not in await trio.to_thread.run_sync(servers, kubos.near):  # noqa: ASYNC110  # another program
            await trio.sleep(0.1)  # Kubo asks us who we are, in its own time.
        assert await trio.to_thread.run_sync(added, kubos.near, data) == root
        found = await search.more()

    assert found == [provider(kubos.near)]
    assert search.asked == 1
