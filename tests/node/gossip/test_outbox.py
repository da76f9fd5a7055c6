"""What is written first to a peer, and what is dropped where too much waits for it."""

import trio
import trio.testing

from commonfab.node.gossip.outbox import Outbox
from commonfab.node.network.frames import read_frame
from commonfab.node.network.memory_transport import MemoryNetwork, MemoryTransport
from commonfab.node.network.transport import Stream
from commonfab.protocol.gossip.broadcast_wire import PROTOCOL, Item, Push, Wants, decode
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BODY_BYTES_MAX, GOSSIP_FRAME_BYTES_MAX, MIB
from tests.simulation.broadcast_world import LYON_AREA, a_record, node_id

WANTS = Wants((LYON_AREA,))
OF_STRANGER = Push(LYON_AREA, a_record(1, size=BODY_BYTES_MAX).data)
OF_FRIEND = Push(LYON_AREA, a_record(2).data)


async def written(box: Outbox) -> tuple[list[Item], int]:
    """Return what an outbox writes to its peer, and how often it says that something got lost."""
    network = MemoryNetwork()
    here, there = MemoryTransport(node_id(1), network), MemoryTransport(box.peer, network)
    read, losses = list[Item](), list[NodeId]()

    async def follow(stream: Stream) -> None:
        while (data := await read_frame(stream, GOSSIP_FRAME_BYTES_MAX)) is not None:
            read.extend(decode(data))

    there.serve(PROTOCOL, follow, is_lasting=True)
    async with trio.open_nursery() as nursery:
        for transport in (here, there):
            await nursery.start(transport.run)
        await here.connect(there.addresses()[0])
        with trio.move_on_after(10):
            await box.run(here, lambda: WANTS, losses.append)
        nursery.cancel_scope.cancel()
    return read, len(losses)


async def test_what_strangers_have_said_waits_for_the_rest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Outbox(node_id(2))
    box.put(WANTS)
    for _ in range(20):
        box.put(OF_STRANGER, of_stranger=True)
    box.put(OF_FRIEND)

    assert await written(box) == ([WANTS, OF_FRIEND, *[OF_STRANGER] * 20], 0)


async def test_a_crowd_of_strangers_leaves_room_for_those_who_are_known(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Outbox(node_id(2))
    box.put(WANTS)
    for _ in range(4 * MIB // BODY_BYTES_MAX):
        box.put(OF_STRANGER, of_stranger=True)
    box.put(OF_FRIEND)

    read, losses = await written(box)

    assert read[:3] == [WANTS, OF_FRIEND, OF_STRANGER]
    assert 2 * MIB < BODY_BYTES_MAX * read.count(OF_STRANGER) < 3 * MIB
    assert losses == 1
