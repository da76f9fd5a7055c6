"""The local socket: one request a connection, errors by family, nobody else's, and no leftovers."""

import socket
import stat
import struct
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from commonfab.node.control import server
from commonfab.node.control.client import Client, NoNode
from commonfab.node.control.server import Handler, Progress
from commonfab.node.home import config, founding
from commonfab.node.home.folder import Home
from commonfab.protocol.errors import (
    BadSignature,
    CommonfabError,
    PeerError,
    ResourceError,
    UsageError,
)

SETTINGS = config.Settings(workshop=config.Workshop(name="Bob's", lat=48.1, lon=11.6))


class Said(msgspec.Struct):
    words: str


@pytest.fixture
def home(tmp_path: Path) -> Home:
    where = Home(tmp_path / "node")
    founding.found(where, SETTINGS)
    return where


@asynccontextmanager
async def serving(home: Home, **handlers: Handler) -> AsyncGenerator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(server.serve, home, handlers))
        yield
        nursery.cancel_scope.cancel()


async def ask(home: Home, name: str, **params: object) -> bytes:
    return await trio.to_thread.run_sync(Client(home).call, name, params)


async def connect(home: Home) -> trio.SocketStream:
    with home.socket_path() as path:
        return await trio.open_unix_socket(path)


async def say(params: dict[str, Any], progress: Progress) -> Said:
    return Said(words=params["words"])


async def test_a_command_gets_its_answer(home: Home) -> None:
    async with serving(home, say=say):
        said = await trio.to_thread.run_sync(Client(home).ask, "say", {"words": "häm\n"}, Said)

    assert said == Said("häm\n")


async def test_an_answer_may_be_a_list_even_an_empty_one(home: Home) -> None:
    async def many(params: dict[str, Any], progress: Progress) -> list[Said]:
        return [Said(word) for word in params["words"]]

    async with serving(home, many=many):
        assert await ask(home, "many", words=["a", "b"]) == b'[{"words":"a"},{"words":"b"}]'
        assert await ask(home, "many", words=[]) == b"[]"


async def test_progress_comes_before_the_answer_and_in_order(home: Home) -> None:
    heard: list[Mapping[str, Any]] = []

    async def count(params: dict[str, Any], progress: Progress) -> Said:
        await progress({"at": 1})
        await progress(Said("two"))
        return Said("done")

    async with serving(home, count=count):
        call = partial(Client(home).call, "count", {}, heard.append)
        assert await trio.to_thread.run_sync(call) == b'{"words":"done"}'

    assert heard == [{"at": 1}, {"words": "two"}]


@pytest.mark.parametrize(
    ("raised", "family"),
    [
        (UsageError("no such design"), UsageError),
        (BadSignature("3f2a was not signed"), PeerError),
        (ResourceError("the disk is full"), ResourceError),
        (CommonfabError("of no family"), ResourceError),
    ],
)
async def test_an_error_arrives_in_its_family_and_its_words(
    home: Home, raised: CommonfabError, family: type[CommonfabError]
) -> None:
    async def fail(params: dict[str, Any], progress: Progress) -> Said:
        raise raised

    async with serving(home, fail=fail):
        with pytest.raises(family) as caught:
            await ask(home, "fail")

    assert str(caught.value) == str(raised)


async def test_an_error_from_a_handlers_own_nursery_is_told_too(home: Home) -> None:
    async def fail() -> None:
        raise UsageError("in a task")

    async def nested(params: dict[str, Any], progress: Progress) -> Said:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
        return Said("")

    async with serving(home, nested=nested):
        with pytest.raises(UsageError, match="in a task"):
            await ask(home, "nested")


async def test_a_fault_of_ours_ends_one_command_and_not_the_node(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(params: dict[str, Any], progress: Progress) -> Said:
        raise KeyError("secret detail")

    async with serving(home, broken=broken, say=say):
        with pytest.raises(ResourceError, match=r"broken failed \(KeyError\)"):
            await ask(home, "broken")
        assert await ask(home, "say", words="on") == b'{"words":"on"}'

    assert "command_failed" in caplog.text


async def test_an_unknown_command_is_refused_by_name(home: Home) -> None:
    async with serving(home, say=say):
        with pytest.raises(UsageError, match="'fly'; is it of another version"):
            await ask(home, "fly")


def test_without_a_node_the_error_says_how_to_start_one(home: Home) -> None:
    with pytest.raises(NoNode, match=f"start one with: commonfab run --home {home}"):
        Client(home).call("status", {})


async def test_a_socket_that_a_dead_node_left_is_not_an_answer_and_not_in_the_way(
    home: Home,
) -> None:
    with socket.socket(socket.AF_UNIX) as dead, home.socket_path() as path:
        dead.bind(path)
    with pytest.raises(NoNode):
        await ask(home, "say")

    async with serving(home, say=say):
        assert await ask(home, "say", words="new") == b'{"words":"new"}'


def test_without_a_home_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="commonfab init --home"):
        Client(Home(tmp_path / "none")).call("status", {})


async def test_the_socket_is_for_its_owner_alone_and_gone_afterwards(home: Home) -> None:
    async with serving(home, say=say):
        assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600

    assert not home.socket.exists()


async def test_a_home_with_a_very_long_path_works(tmp_path: Path) -> None:
    home = Home(tmp_path / ("a" * 120) / ("b" * 120))
    founding.found(home, SETTINGS)

    async with serving(home, say=say):
        assert home.socket.exists()
        assert await ask(home, "say", words="far") == b'{"words":"far"}'
    assert not home.socket.exists()


async def test_a_client_that_vanishes_cancels_what_it_asked_for(home: Home) -> None:
    begun, ended = trio.Event(), trio.Event()

    async def wait(params: dict[str, Any], progress: Progress) -> Said:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    async with serving(home, wait=wait, say=say):
        stream = await connect(home)
        await stream.send_all(b'{"do":"wait"}\n')
        await begun.wait()
        await stream.aclose()
        await ended.wait()
        assert await ask(home, "say", words="on") == b'{"words":"on"}'


async def test_a_client_that_vanishes_amid_progress_cancels_too(home: Home) -> None:
    ended = trio.Event()

    async def talk(params: dict[str, Any], progress: Progress) -> Said:
        try:
            while True:
                await progress({"words": "x" * 10_000})
        finally:
            ended.set()

    async with serving(home, talk=talk):
        stream = await connect(home)
        await stream.send_all(b'{"do":"talk"}\n')
        await stream.receive_some(100)
        await stream.aclose()
        await ended.wait()


async def _stops(home: Home, begun: trio.Event, scope: trio.CancelScope) -> None:
    async def wait(params: dict[str, Any], progress: Progress) -> Said:
        begun.set()
        await trio.sleep_forever()
        raise AssertionError

    with scope:
        await server.serve(home, {"wait": wait})


async def test_a_node_that_stops_before_it_answered_is_told_apart(home: Home) -> None:
    begun, scope = trio.Event(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stops, home, begun, scope)
        await trio.testing.wait_all_tasks_blocked()

        async def ask_in_vain() -> None:
            with pytest.raises(ResourceError, match="stopped before it answered"):
                await ask(home, "wait")

        nursery.start_soon(ask_in_vain)
        await begun.wait()
        scope.cancel()


async def test_a_silent_node_is_given_up_after_the_patience_of_the_client(home: Home) -> None:
    begun, scope = trio.Event(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stops, home, begun, scope)
        await trio.testing.wait_all_tasks_blocked()
        call = partial(Client(home, patience_s=0.01).call, "wait", {})
        with pytest.raises(ResourceError, match=r"silent for 0\.01 s"):
            await trio.to_thread.run_sync(call)
        scope.cancel()


async def _reply(home: Home, sent: bytes) -> bytes:
    stream = await connect(home)
    async with stream:
        await stream.send_all(sent)
        data = b""
        while not data.endswith(b"\n"):
            part = await stream.receive_some()
            if not part:
                break
            data += part
    return data


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"hello\n", "not a request"),
        (b"\xff\xfe\n", "not a request"),
        (b"[]\n", "not a request"),
        (b'{"do":1}\n', "not a request"),
        (b'{"with":{}}\n', "not a request"),
        (b'{"do":"say","to":"me"}\n', "not a request"),
        (b'{"do":"say","with":' + b"[" * 60_000 + b"\n", "not a request"),
        (b"x" * (server.REQUEST_BYTES_MAX + 1), "more than 65536 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_noise_is_refused_and_the_node_goes_on(home: Home, sent: bytes, says: str) -> None:
    async with serving(home, say=say):
        reply = msgspec.json.decode(await _reply(home, sent))

        assert reply["error"]["family"] == "usage"
        assert says in reply["error"]["message"]
        assert await ask(home, "say", words="on") == b'{"words":"on"}'


async def test_a_client_that_says_half_a_line_and_leaves_harms_nobody(home: Home) -> None:
    async with serving(home, say=say):
        for part in (b"", b'{"do":"sa'):
            stream = await connect(home)
            await stream.send_all(part)
            await stream.aclose()

        assert await ask(home, "say", words="on") == b'{"words":"on"}'


async def _time_passes(
    clock: trio.testing.MockClock, seconds: float, until: Callable[[], bool]
) -> None:
    while not until():
        await trio.testing.wait_all_tasks_blocked(0.01)
        clock.jump(seconds)


async def test_a_client_that_says_nothing_is_hung_up_on(
    home: Home, mock_clock: trio.testing.MockClock
) -> None:
    async with serving(home, say=say), trio.open_nursery() as nursery:
        ended = trio.Event()
        async with await connect(home) as stream:
            nursery.start_soon(_time_passes, mock_clock, server.REQUEST_S_MAX, ended.is_set)

            assert await stream.receive_some() == b""
            ended.set()


async def test_a_client_that_reads_nothing_is_given_up(
    home: Home, mock_clock: trio.testing.MockClock
) -> None:
    ended = trio.Event()

    async def talk(params: dict[str, Any], progress: Progress) -> Said:
        try:
            while True:
                await progress({"words": "x" * 100_000})
        finally:
            ended.set()

    async with (
        serving(home, talk=talk),
        trio.open_nursery() as nursery,
        await connect(home) as stream,
    ):
        await stream.send_all(b'{"do":"talk"}\n')
        nursery.start_soon(_time_passes, mock_clock, server.SEND_S_MAX, ended.is_set)
        await ended.wait()


async def test_a_crowd_is_told_to_try_again(home: Home) -> None:
    async with serving(home, say=say):
        crowd = [await connect(home) for _ in range(server.CLIENTS_MAX)]
        with pytest.raises(ResourceError, match="too many commands at once"):
            await ask(home, "say", words="me too")
        for stream in crowd:
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)

        assert await ask(home, "say", words="now") == b'{"words":"now"}'


def test_only_the_owner_of_the_node_is_let_in() -> None:
    def seen_as(uid: int) -> None:
        server.check_owner(struct.pack("3i", 4321, uid, uid), owner=1000)

    seen_as(1000)
    seen_as(0)
    with pytest.raises(UsageError, match="another user"):
        seen_as(1001)
