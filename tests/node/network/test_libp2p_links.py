"""When a silent peer is given up, in virtual time."""

import pytest
import trio
import trio.testing

from commonfab.node.network.libp2p_links import wait_for_silence

EVERY_S = 15.0


class Peer:
    """Was last heard when the test began, and answers so many pings after a delay."""

    def __init__(self, *, answers_count: int, delay_s: float = 0.1) -> None:
        self.heard_at = trio.current_time()
        self.pings_count = 0
        self._answers_left = answers_count
        self._delay_s = delay_s

    def silence_s(self) -> float:
        return trio.current_time() - self.heard_at

    async def ping(self) -> None:
        self.pings_count += 1
        if not self._answers_left:
            await trio.sleep_forever()
        self._answers_left -= 1
        await trio.sleep(self._delay_s)
        self.heard_at = trio.current_time()


async def test_a_peer_that_never_answers_is_given_up_after_three_pings(
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer = Peer(answers_count=0)
    start = trio.current_time()

    await wait_for_silence(EVERY_S, peer.silence_s, peer.ping)

    assert peer.pings_count == 3
    assert trio.current_time() - start == pytest.approx(4 * EVERY_S)


async def test_a_peer_that_answers_is_kept_as_long_as_it_does(
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer = Peer(answers_count=100)

    await wait_for_silence(EVERY_S, peer.silence_s, peer.ping)

    assert peer.pings_count == 103


async def test_a_peer_that_answers_late_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(answers_count=0)

    async def speak_now_and_then() -> None:
        while True:
            await trio.sleep(2.5 * EVERY_S)
            peer.heard_at = trio.current_time()

    with trio.move_on_after(3600) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak_now_and_then)
            await wait_for_silence(EVERY_S, peer.silence_s, peer.ping)
            nursery.cancel_scope.cancel()

    assert scope.cancelled_caught


async def test_a_peer_that_speaks_by_itself_is_not_pinged(
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer = Peer(answers_count=100)

    async def speak_often() -> None:
        while True:
            await trio.sleep(EVERY_S / 2)
            peer.heard_at = trio.current_time()

    with trio.move_on_after(3600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak_often)
            await wait_for_silence(EVERY_S, peer.silence_s, peer.ping)

    assert peer.pings_count == 0
