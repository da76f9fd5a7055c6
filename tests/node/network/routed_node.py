"""A node behind a router of its own, as a process: see test_libp2p_routers.py.

    python -m tests.node.network.routed_node FD ADDRESS LETTER [peer's address …]

Says each thing that happened as a line: `here ADDRESS`, `hidden CIRCUIT`, `met`, `direct`, `echo`.
"""

import socket
import sys

import trio

from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.node.network.relaying import is_circuit
from commonfab.node.network.transport import LinkUp, opened
from tests.node.network.libp2p_peers import ECHO, echo
from tests.node.network.routers import enter_namespace, send_tun

LISTEN = "/ip4/0.0.0.0/tcp/4411"
_STEP_S = 0.02


def say(*words: str) -> None:
    print(*words, flush=True)


async def main(letter: str, peers: list[str]) -> None:
    is_relay = letter == "R"
    node = Libp2pTransport(
        letter.encode() * 32, [LISTEN], mdns=False, relay="on" if is_relay else "auto"
    )
    node.serve(ECHO, echo)
    events = node.events()
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        say("here", node.addresses()[0])
        for address in peers:
            await node.connect(address)
        if is_relay:
            await trio.sleep_forever()
        if not peers[1:]:
            while not node.reachability().relays:  # noqa: ASYNC110  # it is only a process
                await trio.sleep(_STEP_S)
            say("hidden", next(a for a in node.addresses() if is_circuit(a)))
        event = await events.receive()
        while not (isinstance(event, LinkUp) and is_circuit(event.link.address)):
            event = await events.receive()
        peer = event.link.peer
        say("met")
        async with opened(node, peer, ECHO) as stream:
            await stream.write(b"through the relay")
            say("echo", (await stream.read(100)).decode())
        while not node.is_direct(peer):  # noqa: ASYNC110  # it is only a process
            await trio.sleep(_STEP_S)
        async with opened(node, peer, ECHO) as stream:
            await stream.write(b"and without it")
            say("direct", (await stream.read(100)).decode())
        await trio.sleep_forever()


if __name__ == "__main__":
    _, fd, host, who, *others = sys.argv
    with socket.socket(fileno=int(fd)) as parent:
        send_tun(parent, enter_namespace(host))
    trio.run(main, who, others)
