"""One test for each mend of libp2p_mends.py: it fails when the mend is taken away.

Those of `limit_negotiation`, `survive` and the places at the door that need a hostile peer stand
in test_libp2p_hostile.py.
"""

import logging
from collections.abc import Awaitable, Callable

import libp2p
import pytest
import trio
import trio.testing
from libp2p.custom_types import TProtocol
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.tools.anyio_service import Service
from libp2p.utils.varint import read_varint_prefixed_bytes_limited
from multiaddr import (  # type: ignore[import-untyped]  # it carries no types
    Multiaddr,  # pyright: ignore[reportMissingTypeStubs]
)

from commonfab.node.network.libp2p_mends import (
    MendedHost,
    MendedSwarm,
    check_version,
    running,
    survive,
)
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import split_address
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.limits import MIB
from commonfab.protocol.peer_id import peer_bytes
from tests.node.network.libp2p_peers import (
    ALICE_SEED,
    ECHO,
    HELLO,
    a_node,
    eve_at,
    is_reset,
    is_well,
    line,
)


@pytest.fixture
async def bob(nursery: trio.Nursery) -> Libp2pTransport:
    node = a_node()
    await nursery.start(node.run)
    return node


def host_of(node: Libp2pTransport) -> MendedHost:
    return node._host  # pyright: ignore[reportPrivateUsage]  # the mend itself is under test


def swarm_of(node: Libp2pTransport) -> MendedSwarm:
    return node._swarm  # pyright: ignore[reportPrivateUsage]  # the mend itself is under test


def test_check_version__only_the_version_that_is_mended_will_do() -> None:
    check_version("0.8.1")
    check_version(libp2p.__version__)

    with pytest.raises(ResourceError, match=r"0\.9\.0 is installed, .* needs 0\.8\.1; pip install"):
        check_version("0.9.0")


def test_quieten__nothing_that_the_library_logs_reaches_anybody(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    a_node()

    logging.getLogger("libp2p.network.swarm").error("a peer made me say this")
    logging.getLogger("libp2p.network.auto_connector").info("and this")

    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


class Tasks(Service):
    """A service of the library that starts what it is told to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.is_done = trio.Event()

    async def run(self) -> None:
        await self.manager.wait_finished()

    async def fail(self) -> None:
        await trio.lowlevel.checkpoint()
        self.log.append("failed")
        raise ValueError("what a peer sent")

    async def fail_once(self) -> None:
        if "failed" not in self.log:
            await self.fail()
        self.log.append("ran again")
        self.is_done.set()
        await trio.sleep_forever()


async def test_manager__a_task_that_fails_ends_neither_the_service_nor_its_owner() -> None:
    service = Tasks()

    async with running(service):
        service.manager.run_task(service.fail)
        await trio.testing.wait_all_tasks_blocked()
        assert service.log == ["failed"]
        assert service.manager.is_running
        assert not service.manager.is_cancelled


async def test_manager__a_daemon_task_that_fails_runs_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    service = Tasks()

    async with running(service):
        service.manager.run_daemon_task(service.fail_once)
        with trio.fail_after(60):
            await service.is_done.wait()

    assert service.log == ["failed", "ran again"]


async def test_manager__one_task_may_start_more_than_a_thousand() -> None:
    service = Tasks()
    started = 0

    async def count() -> None:
        nonlocal started
        started += 1

    async def start_many() -> None:
        for _ in range(1500):
            service.manager.run_task(count)

    async with running(service):
        service.manager.run_task(start_many)
        await trio.testing.wait_all_tasks_blocked()

    assert started == 1500


async def raise_value_error() -> None:
    raise ValueError("a bug")


async def fail_beside_a_sleeper() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(raise_value_error)


@pytest.mark.parametrize("job", [raise_value_error, fail_beside_a_sleeper])
async def test_survive__an_exception_ends_with_its_job(job: Callable[[], Awaitable[None]]) -> None:
    await survive(job)


async def test_survive__a_cancel_gets_through_with_and_without_a_failure_beside_it() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while cleaning up")

    async def two() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail_when_cancelled)

    for job in (trio.sleep_forever, two):
        with trio.move_on_after(0) as scope:
            await survive(job)
        assert scope.cancelled_caught


async def test_survive__the_keyboard_still_ends_the_program() -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await survive(interrupted)


async def test_mended_swarm__nobody_is_dialled_but_by_connect(
    nursery: trio.Nursery, bob: Libp2pTransport
) -> None:
    alice = a_node(ALICE_SEED)
    await nursery.start(alice.run)
    place, peer = split_address(bob.addresses()[0])
    bob_id = ID(peer_bytes(peer))
    swarm_of(alice).peerstore.add_addrs(bob_id, [Multiaddr(place)], 1000)

    with pytest.raises(SwarmException, match="not connected"):
        await host_of(alice).new_stream(bob_id, [TProtocol(ECHO)])
    await swarm_of(alice).auto_connector.maybe_connect()

    assert alice.links() == bob.links() == []


async def test_mended_host__nobody_is_asked_who_he_is(
    nursery: trio.Nursery, bob: Libp2pTransport
) -> None:
    alice = a_node(ALICE_SEED)
    await nursery.start(alice.run)
    await alice.connect(bob.addresses()[0])
    host = host_of(alice)

    host._schedule_identify(ID(peer_bytes(bob.me)), reason="test")  # pyright: ignore[reportPrivateUsage]  # the mend

    assert host._identify_tasks == set()  # pyright: ignore[reportPrivateUsage]  # the mend


async def test_mended_host__nobody_can_push_his_addresses(bob: Libp2pTransport) -> None:
    async with eve_at(bob.addresses()[0]) as eve:
        stream = await eve.muxed.open_stream()
        await stream.write(HELLO + line(b"/ipfs/id/push/1.0.0"))

        answer = b""
        while answer != HELLO + line(b"na"):
            answer += await stream.read()
    assert await is_well(bob)


async def test_mended_host__whoever_asks_is_told_where_it_listens_and_what_it_speaks(
    bob: Libp2pTransport,
) -> None:
    async with eve_at(bob.addresses()[0]) as eve:
        stream = await eve.open("/ipfs/id/1.0.0")
        answer = await read_varint_prefixed_bytes_limited(stream, MIB)

    assert ECHO.encode() in answer
    assert Multiaddr(split_address(bob.addresses()[0])[0]).to_bytes() in answer


async def test_mended_swarm__a_second_connection_gives_a_peer_no_more_streams(
    bob: Libp2pTransport,
) -> None:
    address = bob.addresses()[0]
    async with eve_at(address) as eve, eve_at(address) as eve_again:
        streams = [await eve.open(ECHO) for _ in range(64)]

        assert await is_reset(await eve_again.muxed.open_stream())
        await streams[0].write(b"served all the same")
        assert await streams[0].read() == b"served all the same"


async def test_mended_swarm__a_failed_dial_blocks_nothing(
    nursery: trio.Nursery, bob: Libp2pTransport
) -> None:
    alice = a_node(ALICE_SEED)
    place, peer = split_address(bob.addresses()[0])
    await nursery.start(alice.run)
    nowhere = place.rsplit("/", 1)[0] + "/1"
    with pytest.raises(ResourceError, match="nobody answers"):
        await alice.connect(f"{nowhere}/p2p/{bob.addresses()[0].rsplit('/', 1)[1]}")

    assert await alice.connect(bob.addresses()[0]) == peer
