"""Promises between nodes: made, proven, broken, and lied about."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from commonfab.node import clock
from commonfab.node.network.frames import read_frame, write_frame
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.network.transport import Stream, StreamBroken, opened
from commonfab.node.node import Node
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.replicas import (
    ANSWER_BYTES_MAX,
    CHECK_MS,
    FAILURES_MAX,
    PROTOCOL,
    Challenge,
    Promise,
    Standing,
    encode_answer,
)
from commonfab.storage.cid import CID
from tests.node.village import a_home, eventually, living

from .test_keeping import forget_fresh, publish, root_of, take_away, two


async def promised(alice: Node, bob: Node, folder: Path) -> tuple[CID, Promise]:
    """Let Bob promise to keep what Alice published; return its root, and what she knows."""
    root = root_of(await publish(alice, folder / "block"))
    await bob.shelf.fetch(root, [alice.me])
    await bob.replicas.promise(root, 600_000, bob.started + DAY_MS)
    await eventually(lambda: alice.library.replicas.of(bytes(root), alice.started))
    (promise,) = alice.library.replicas.of(bytes(root), alice.started)
    return root, promise


async def check(node: Node, promise: Promise) -> Standing:
    """Check one promise now, whenever it is due, and return what is known then."""
    node.replicas.checks.note(promise, "silent", -CHECK_MS, 0.0)
    await node.replicas.round()
    return node.replicas.checks.standing(promise.holder, promise.root)


def serve(node: Node, answer: Callable[[Challenge], Awaitable[bytes | None]]) -> None:
    """Answer challenges to a node otherwise from now on; None ends the stream."""

    async def serve_stream(stream: Stream) -> None:
        while (message := await read_frame(stream)) is not None:
            said = await answer(Challenge.decode(message))
            if said is None:
                return
            await write_frame(stream, said)

    node.transport.serve(PROTOCOL, serve_stream)


@pytest.mark.rule("KEEPING-9")
@pytest.mark.parametrize("has_own_copy", [True, False])
async def test_who_has_the_tree_proves_it_to_one_who_has_it_and_to_one_who_has_not(
    tmp_path: Path, has_own_copy: bool
) -> None:
    async with two(tmp_path) as (alice, bob):
        root, promise = await promised(alice, bob, tmp_path)
        if not has_own_copy:
            take_away(alice)

        standing = await check(alice, promise)

        assert standing.passed_at > 0
        ((_, _, condition),) = alice.replicas.conditions(root)
        assert condition == "kept"


@pytest.mark.rule("KEEPING-11")
async def test_who_has_lost_the_tree_says_so_and_the_alarm_comes_and_goes(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        root, promise = await promised(alice, bob, tmp_path)
        lost = take_away(bob)

        for _ in range(FAILURES_MAX):
            assert alice.journal.warnings() == []
            await check(alice, promise)
        (warning,) = alice.journal.warnings()
        assert "bob promised to keep" in warning
        assert alice.journal.rejected(bob.me) == 0, "it did not lie"
        ((_, _, condition),) = alice.replicas.conditions(root)
        assert condition == "failed"

        bob.blocks.put_many(lost.items())
        for _ in range(FAILURES_MAX):
            await check(alice, promise)
        assert alice.journal.warnings() == []


@pytest.mark.rule("KEEPING-11")
@pytest.mark.parametrize("has_own_copy", [True, False])
async def test_wrong_bytes_are_a_lie_and_count_against_the_peer(
    tmp_path: Path, has_own_copy: bool
) -> None:
    async def lie(_challenge: Challenge) -> bytes:
        await trio.lowlevel.checkpoint()
        return encode_answer(b"these are not the bytes")

    async with two(tmp_path) as (alice, bob):
        _, promise = await promised(alice, bob, tmp_path)
        if not has_own_copy:
            take_away(alice)
        serve(bob, lie)

        standings = [await check(alice, promise) for _ in range(FAILURES_MAX)]

        assert [standing.is_failed for standing in standings] == [False, False, True]
        assert alice.journal.rejected(bob.me) == FAILURES_MAX
        assert any("wrong" in warning for warning in alice.journal.warnings())


@pytest.mark.rule("KEEPING-11")
async def test_a_peer_that_says_nothing_has_not_failed(tmp_path: Path) -> None:
    async def end(_challenge: Challenge) -> None:
        await trio.lowlevel.checkpoint()

    async with two(tmp_path) as (alice, bob):
        _, promise = await promised(alice, bob, tmp_path)
        serve(bob, end)

        standing = await check(alice, promise)

        assert (standing.failures, standing.passed_at) == (0, 0)
        assert standing.tries > 1
        assert alice.journal.rejected(bob.me) == 0


async def test_checks_outlive_a_restart(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        _, promise = await promised(alice, bob, tmp_path)
        before = await check(alice, promise)

        again = type(alice.replicas)(
            alice.transport,
            alice.blocks,
            alice.library,
            alice.keeping,
            alice.author,
            alice.announcing,
            alice.journal,
        )
        assert again.checks.standings() == [before]


async def test_a_promise_that_is_taken_back_holds_nothing_and_is_not_checked(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (alice, bob):
        root, promise = await promised(alice, bob, tmp_path)
        forget_fresh(bob)
        assert bob.keeping.reasons() == {root: ("promised",)}

        assert await bob.replicas.withdraw(root)
        assert not await bob.replicas.withdraw(root)

        assert bob.keeping.reasons() == {}
        await eventually(lambda: not alice.library.replicas.of(bytes(root), alice.started))
        await alice.replicas.round()
        assert alice.replicas.checks.standings() == []
        assert promise.holder == bob.me


def pass_time(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    """Set the clock of all nodes forward."""
    then = clock.now_ns()
    monkeypatch.setattr(clock, "now_ns", lambda: then + ms * 1_000_000)


@pytest.mark.rule("KEEPING-13")
async def test_a_promise_is_renewed_while_the_wish_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path) as (alice, bob):
        root, promise = await promised(alice, bob, tmp_path)
        await bob.keeping.wish(root, "block")
        await bob.replicas.round()
        assert alice.library.replicas.of(bytes(root), clock.now()) == [promise], "it is young"

        pass_time(monkeypatch, DAY_MS * 3 // 5)
        await bob.replicas.round()
        now = clock.now()

        (mine,) = bob.library.replicas.of(bytes(root), now)
        assert mine.until == now + promise.until - promise.at
        await eventually(lambda: alice.library.replicas.of(bytes(root), now) == [mine])


@pytest.mark.rule("KEEPING-13")
@pytest.mark.parametrize("gone", ["", "wish", "promise"])
async def test_a_promise_that_ended_while_its_node_was_off_is_made_again_if_it_is_still_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    home = a_home(tmp_path, "bob")
    async with living(home, MemoryNetwork()) as bob:
        root = root_of(await publish(bob, tmp_path / "block"))
        if gone != "wish":
            await bob.keeping.wish(root, "block")
        await bob.replicas.promise(root, 600_000, bob.started + DAY_MS)
        if gone == "promise":
            await bob.replicas.withdraw(root)

    pass_time(monkeypatch, 2 * DAY_MS)
    async with living(home, MemoryNetwork()) as bob:
        await bob.replicas.round()

        promised = bob.library.replicas.by(bob.me, clock.now())
        assert [promise.until > clock.now() for promise in promised] == ([] if gone else [True])


@pytest.mark.rule("KEEPING-13")
@pytest.mark.parametrize("gone", ["wish", "blocks", "promise"])
async def test_a_promise_without_its_wish_or_its_tree_is_left_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    async with two(tmp_path) as (alice, bob):
        root, promise = await promised(alice, bob, tmp_path)
        if gone != "wish":
            await bob.keeping.wish(root, "block")
        if gone == "blocks":
            take_away(bob)
            bob.shelf.doubt()
        if gone == "promise":
            await bob.replicas.withdraw(root)

        pass_time(monkeypatch, DAY_MS * 3 // 5)
        await bob.replicas.round()

        left = bob.library.replicas.of(bytes(root), clock.now())
        assert left == ([] if gone == "promise" else [promise])


@pytest.mark.rule("KEEPING-9")
async def test_a_holder_answers_only_well_formed_challenges(tmp_path: Path) -> None:
    async with two(tmp_path) as (alice, bob):
        root, _ = await promised(alice, bob, tmp_path)

        async with opened(alice.transport, bob.me, PROTOCOL) as stream:
            for cid, said in ((bytes(root), True), (b"no cid", False)):
                await write_frame(stream, Challenge(cid, 0, 10).encode())
                answer = await read_frame(stream, ANSWER_BYTES_MAX)
                assert answer is not None
                assert (answer[:1] == b"\x01") is said
            await write_frame(stream, b"nonsense")
            with pytest.raises(StreamBroken):
                await read_frame(stream)
