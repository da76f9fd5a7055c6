"""A node from start to stop: the one tree of nurseries.

What starts, in this order: the driver and the machines, the network and what peers may
ask of it, what the node does by itself, and last the socket of the command line.

SIGTERM and SIGINT stop it within a few seconds: what is under way is cut off, and what
was acknowledged is on the disk. A second signal ends the process at once.
"""

import os
import signal
from collections.abc import Mapping

import trio

from commonfab.protocol import events
from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.peer_id import peer_text

from . import clock, log
from .api.api import Api
from .control import server
from .home import config, keys, ports
from .home.folder import Home
from .ipfs.store import look_after
from .meshes.workers import keep_warm
from .network.transport import LinkUp
from .node import Node

_HOUSEKEEPING_S = 20.0
_STOP_S = 4.0
"""For a graceful stop; then the process ends as it is. Nothing that was promised is lost."""


def main(home: Home, environment: Mapping[str, str] = os.environ) -> None:
    """Run until a signal comes. Raises `CommonfabError` if it cannot start."""
    if not __debug__:
        raise UsageError("python -O leaves out checks that this program relies on; run it without")
    home.check()
    settings = config.load(home.config, environment)
    key = keys.load(home.key)
    with home.lock():
        trio.run(_run, home, settings, environment, key)


async def _run(
    home: Home, settings: config.Settings, environment: Mapping[str, str], key: keys.NodeKey
) -> None:
    # Late: libp2p takes a second to import, and no error above should wait for it.
    from .network.libp2p_transport import Libp2pTransport

    network = settings.network
    transport = Libp2pTransport(
        key.seed_for_transport(),
        ports.taken_again(network.listen, home.ports),
        mdns=network.mdns,
        relay=network.relay,
        announce=network.announce,
        psk=network.psk,
    )
    node = Node(home, settings, environment, key, transport)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, nursery.cancel_scope)
            await start(node, nursery)
            ports.remember(network.listen, transport.addresses(), home.ports)
            await nursery.start(server.serve, node.home, Api(node).handlers())
            address = next(iter(node.transport.addresses()), "nowhere")
            node.journal.tell("ready", node=peer_text(node.me), address=address)
    except* CommonfabError as group:
        # The first says enough: one address that is taken, one disk that is full.
        raise _first(group) from None
    finally:
        node.library.close()


async def start(node: Node, nursery: trio.Nursery) -> None:
    """Start all of a node but the command line's socket; cancel the nursery to stop it."""
    await nursery.start(node.driver.run)
    await nursery.start(node.workbench.run)
    await nursery.start(node.gossip.run)
    await nursery.start(node.transport.run)
    await nursery.start(look_after, node.store, node.journal)
    await nursery.start(node.bitswap.run)
    await nursery.start(node.post.run)
    nursery.start_soon(_meet, node)
    await nursery.start(node.standing.run)
    await nursery.start(node.denying.run)
    await nursery.start(node.acquaintance.run)
    await node.restoring.catch_up(node.syncing)
    await node.driver.handle(events.Restarted())
    await nursery.start(node.announcing.run, node.settings)
    await nursery.start(node.meeting.run)
    await nursery.start(node.syncing.run, node.settings.trade.sync_s)
    await nursery.start(node.finding.run, node.provided_roots)
    nursery.start_soon(node.keeping.run)
    nursery.start_soon(node.library.designs.run)
    nursery.start_soon(keep_warm)
    nursery.start_soon(node.thrift.run)
    nursery.start_soon(node.watching.run)
    nursery.start_soon(node.fleet.energy.run, node.journal, node.announcing.capacity_changed)
    nursery.start_soon(_keep_house, node)


async def _stop_on_signal(
    scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            # From now on the default: the alarm, or a second signal, ends the process.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, _STOP_S)
            scope.cancel()
            return


async def _meet(node: Node) -> None:
    """Sync with each peer as its link comes up; the one that dialled leads."""
    async with trio.open_nursery() as nursery:
        async for event in node.transport.events():
            if isinstance(event, LinkUp):
                node.gossip.link_up(event.link.peer)
                node.wishing.met(event.link.peer)
                node.linked_since[event.link.peer] = clock.now()
                node.journal.tell("peer_up", node=peer_text(event.link.peer))
                if not event.link.inbound:
                    nursery.start_soon(node.syncing.with_peer, event.link.peer)
            else:
                node.gossip.link_down(event.peer)
                node.linked_since.pop(event.peer, None)
                node.journal.tell("peer_down", node=peer_text(event.peer))


async def _keep_house(node: Node) -> None:
    """Forget what has expired, and look whether something needs a person."""
    while True:
        for identifier in await node.library.remove_expired(clock.now()):
            node.peer.admission.drop(identifier)
        await node.look_around()
        await trio.sleep(_HOUSEKEEPING_S)


def _first(group: BaseExceptionGroup[CommonfabError]) -> CommonfabError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
