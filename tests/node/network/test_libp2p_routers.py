"""Nodes behind routers, with the kernel's own TCP between them, meet through one that is open."""

import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from tests.node.network.routers import Internet, Router, is_possible, receive_tun

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root, /dev/net/tun and ip")

# Addresses of the internet that the kernel and our own rules take for such; here they are alone.
RELAY, ALICE_OUTER, BOB_OUTER, DORA_OUTER = "45.80.0.9", "45.80.0.1", "45.80.0.2", "45.80.0.4"
ALICE, BOB, DORA = "10.0.1.2", "10.0.2.2", "10.0.4.2"
PATIENCE_S = 90


@dataclass
class Process:
    process: trio.Process
    tun: int
    said: bytes = b""

    async def says(self, word: str) -> str:
        """Wait for a line that begins with a word; return the rest of it."""
        assert self.process.stdout is not None
        while True:
            line, end, rest = self.said.partition(b"\n")
            if end:
                self.said = rest
                first, _, more = line.decode().partition(" ")
                if first == word:
                    return more
            else:
                more_bytes = await self.process.stdout.receive_some()
                assert more_bytes, f"the process ended before it said {word!r}"
                self.said += more_bytes


@asynccontextmanager
async def a_process(address: str, letter: str, *peers: str) -> AsyncGenerator[Process]:
    ours, theirs = socket.socketpair()
    with ours:
        words = ["-m", "tests.node.network.routed_node", str(theirs.fileno()), address, letter]
        process = await trio.lowlevel.open_process(
            [sys.executable, *words, *peers],
            stdout=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        try:
            yield Process(process, await trio.to_thread.run_sync(receive_tun, ours))
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                assert process.stdout is not None
                await process.stdout.aclose()


async def test_two_behind_routers_meet_through_a_relay_and_leave_it_where_routers_allow() -> None:
    internet = Internet()
    async with trio.open_nursery() as nursery:

        def attach(node: Process, outer: str, router: Router | None) -> None:
            internet.attach(node.tun, outer, router)
            nursery.start_soon(internet.carry_from, node.tun)

        with trio.fail_after(PATIENCE_S):
            async with a_process(RELAY, "R") as relay:
                attach(relay, RELAY, None)
                at_relay = await relay.says("here")
                async with a_process(BOB, "B", at_relay) as bob:
                    attach(bob, BOB_OUTER, Router(BOB, BOB_OUTER))
                    at_bob = await bob.says("hidden")
                    async with (
                        a_process(ALICE, "A", at_relay, at_bob) as alice,
                        a_process(DORA, "D", at_relay, at_bob) as dora,
                    ):
                        attach(alice, ALICE_OUTER, Router(ALICE, ALICE_OUTER))
                        attach(dora, DORA_OUTER, Router(DORA, DORA_OUTER, is_symmetric=True))

                        assert await alice.says("echo") == "through the relay"
                        assert await alice.says("direct") == "and without it"
                        # Dora's router shows each peer another port: the relay goes on.
                        assert await dora.says("echo") == "through the relay"
        nursery.cancel_scope.cancel()
