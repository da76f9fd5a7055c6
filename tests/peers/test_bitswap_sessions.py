"""One fetch from several peers at once, Kubo among them, and some that are no good."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from commonfab.node.exchange.streams import MessageReader, write_message
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.transport import Stream, StreamBroken, opened
from commonfab.protocol.errors import ResourceError
from commonfab.protocol.exchange.bitswap_wire import (
    PROTOCOL,
    Block,
    HashedBlock,
    Message,
    Presence,
    Want,
    WantKind,
    encode,
)
from commonfab.protocol.limits import (
    BITSWAP_ITEMS_MAX,
    BITSWAP_WANTS_MAX,
    BLOCK_BYTES_MAX,
    MIB,
)
from commonfab.storage.cid import CID, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import folders, unixfs
from tests.peers.designs import contents, make_design
from tests.peers.kubo_daemon import KuboDaemon
from tests.peers.ours import HERE, PATIENCE_S, Ours
from tests.peers.strangers import PROFILE
from tests.storage.content import Content, content

DESIGN_BYTES = 20_000_000
RAW_PREFIX = bytes([1, RAW, 0x12, 0x20])


class Eve:
    """A peer that answers each message as it likes, and may hang up."""

    def __init__(self, answer: Callable[[Message], Message | None]) -> None:
        self.transport = Libp2pTransport(b"eve!" * 8, [HERE], mdns=False)
        self.answer = answer
        self.scope = trio.CancelScope()
        self.transport.serve(PROTOCOL, self._serve)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            await self.transport.run(task_status=task_status)

    async def _serve(self, stream: Stream) -> None:
        reader = MessageReader(stream, trio.CapacityLimiter(1), lambda: None)
        while (message := await reader.next()) is not None:
            if (reply := self.answer(message)) is not None:
                async with opened(self.transport, stream.peer, PROTOCOL) as back:
                    await write_message(back, reply)


def asked_blocks(message: Message) -> list[bytes]:
    return [want.cid for want in message.wants if want.kind is WantKind.BLOCK and not want.cancel]


def says_it_has(message: Message) -> tuple[Presence, ...]:
    return tuple(
        Presence(want.cid, has=True)
        for want in message.wants
        if want.kind is WantKind.HAVE and not want.cancel
    )


def liar(message: Message) -> Message:
    lies = tuple(HashedBlock(RAW_PREFIX, b"a lie about " + cid) for cid in asked_blocks(message))
    return Message(presences=says_it_has(message), blocks=lies)


def silent(message: Message) -> Message:
    return Message(presences=says_it_has(message))


def dying(eve: Eve, store: MemoryBlockStore) -> Callable[[Message], Message]:
    """Give one message of blocks, then be gone."""
    gave: list[bytes] = []

    def answer(message: Message) -> Message:
        if gave:
            eve.scope.cancel()
        gave.extend(asked_blocks(message))
        blocks = tuple(Block(cid, store.get(CID.from_bytes(cid))) for cid in gave[:1])
        return Message(presences=says_it_has(message), blocks=blocks)

    return answer


@pytest.mark.parametrize("kind", ["liar", "silent", "dying"])
async def test_half_is_with_kubo_half_with_us_and_the_third_is_no_good(
    shared_kubo_daemon: KuboDaemon, nursery: trio.Nursery, tmp_path: Path, kind: str
) -> None:
    kubo, bob, alice = shared_kubo_daemon, Ours(), Ours()
    design = make_design(tmp_path / f"design with a {kind}", DESIGN_BYTES)
    root = folders.add_folder(bob.store, design)
    await trio.to_thread.run_sync(
        lambda: kubo.run("add", "-rQ", "--pin=false", *PROFILE, str(design))
    )
    eve = Eve(liar if kind == "liar" else silent)
    if kind == "dying":
        whole = MemoryBlockStore()
        folders.add_folder(whole, design)
        eve.answer = dying(eve, whole)
    named = sorted(bob.store.cids(), key=lambda cid: cid.multihash)
    for cid in named[::2]:
        bob.store.delete(cid)
    await trio.to_thread.run_sync(lambda: kubo.run("block", "rm", "-q", *map(str, named[1::2])))
    for node in (bob, alice, eve):
        await nursery.start(node.run)
    connect = alice.transport.connect
    peers = [
        await connect(eve.transport.addresses()[0]),
        await connect(kubo.address),
        await connect(bob.address),
    ]

    with trio.fail_after(PATIENCE_S):
        await alice.bitswap.fetch(bytes(root), peers)
    folders.export(alice.store, root, tmp_path / "copy")

    assert contents(tmp_path / "copy") == contents(design)
    wrong = alice.bitswap.counts["unasked_blocks"]
    assert bool(wrong) == (kind == "liar")


async def test_a_wantlist_of_a_million_is_refused_and_kubo_is_served_meanwhile(
    shared_kubo_daemon: KuboDaemon, nursery: trio.Nursery, tmp_path: Path
) -> None:
    kubo, alice, eve = shared_kubo_daemon, Ours(), Eve(silent)
    root, _ = unixfs.add_file(alice.store, Content("in spite of eve", 5_000_000))
    for node in (alice, eve):
        await nursery.start(node.run)
    await eve.transport.connect(alice.address)
    await alice.transport.connect(kubo.address)
    wants = [Want(RAW_PREFIX + number.to_bytes(32, "big")) for number in range(BITSWAP_ITEMS_MAX)]
    line = encode(Message(wants=tuple(wants[:1])))[1:]
    sent = 0

    async def ask_for_ever() -> None:
        nonlocal sent
        async with opened(eve.transport, alice.me, PROTOCOL) as stream:
            while True:
                await write_message(stream, Message(wants=tuple(wants)))
                sent += len(wants)

    with trio.fail_after(PATIENCE_S):
        stream = await eve.transport.open(alice.me, PROTOCOL)
        size = 1_000_000 * len(line)
        await stream.write(
            bytes([*(size >> shift & 127 | 128 for shift in (0, 7, 14)), size >> 21])
        )
        with pytest.raises(StreamBroken):
            await stream.read(1)
        nursery.start_soon(ask_for_ever)
        await trio.to_thread.run_sync(kubo.run, "get", "-o", str(tmp_path / "copy"), str(root))

    assert (tmp_path / "copy").read_bytes() == content("in spite of eve", 5_000_000)
    counts = alice.bitswap.counts
    assert sent
    assert counts["remembered_wants"] <= 2 * BITSWAP_WANTS_MAX


async def test_a_block_over_2_mib_is_refused_and_said_so(
    kubo_daemon: KuboDaemon, nursery: trio.Nursery
) -> None:
    alice, data = Ours(), bytes(BLOCK_BYTES_MAX + MIB)
    root = CID.of(data, codec=RAW)
    kubo_daemon.run("block", "put", "--allow-big-block", "--cid-codec=raw", stdin=data)
    await nursery.start(alice.run)
    peer = await alice.transport.connect(kubo_daemon.address)

    with trio.fail_after(PATIENCE_S), pytest.raises(ResourceError, match="1 sent wrong blocks"):
        await alice.bitswap.fetch(bytes(root), [peer])

    assert not list(alice.store.cids())
