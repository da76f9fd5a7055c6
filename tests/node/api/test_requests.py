"""Requests on which a person decides, asked and answered by whole nodes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.api.requests import Decide, Nothing, RequestsApi
from commonfab.node.home import founding
from commonfab.node.home.config import Settings, Trade, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import Record
from tests.builders import a_request
from tests.node.village import a_machine, living
from tests.protocol.signers import ALICE


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


@asynccontextmanager
async def a_workshop_that_asks(folder: Path) -> AsyncGenerator[tuple[Node, RequestsApi]]:
    home = Home(folder / "bob")
    workshop = Workshop(name="bob", lat=45.7, lon=4.8)
    trade = Trade(grace_s=2, sync_s=1, ask=True)
    founding.found(home, Settings(workshop=workshop, machines=(a_machine(),), trade=trade))
    async with living(home, MemoryNetwork()) as bob:
        yield bob, RequestsApi(bob)


async def asked(bob: Node) -> Record:
    """Let Alice ask for something, by stick."""
    now = clock.now()
    request = a_request(ALICE, to=bob.me, at=now, until=now + DAY_MS, patience_ms=DAY_MS)
    assert await bob.driver.receive(ALICE.node, [request.data]) == 1
    return request


async def test_a_person_sees_what_waits_and_takes_it(tmp_path: Path) -> None:
    async with a_workshop_that_asks(tmp_path) as (bob, api):
        request = await asked(bob)

        (line,) = await api.requests(Nothing(), say_nothing)
        assert (line.id, line.part, line.pieces) == (request.id.hex(), "bracket", 4)
        assert bob.owner.slots() == []

        done = await api.decide(Decide(line.id[:8], takes=True), say_nothing)
        assert done == line
        assert [slot.request for slot in bob.owner.slots()] == [request]
        assert await api.requests(Nothing(), say_nothing) == []


async def test_a_person_may_refuse_what_waits(tmp_path: Path) -> None:
    async with a_workshop_that_asks(tmp_path) as (bob, api):
        request = await asked(bob)

        await api.decide(Decide(request.id.hex(), takes=False, reason="no"), say_nothing)

        assert bob.owner.slots() == []
        assert await api.requests(Nothing(), say_nothing) == []


@pytest.mark.parametrize("name", ["", "abc", "3f2a91bc"])
async def test_what_does_not_wait_cannot_be_decided(tmp_path: Path, name: str) -> None:
    async with a_workshop_that_asks(tmp_path) as (bob, api):
        await asked(bob)

        with pytest.raises(UsageError, match="waits here; see: commonfab requests"):
            await api.decide(Decide(name, takes=True), say_nothing)
