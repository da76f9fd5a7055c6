"""The virtual printer: it takes its time, and tells the truth about how it ended."""

import pytest
import trio
import trio.testing

from commonfab.node.machines.port import Outcome, Work
from commonfab.node.machines.virtual import WARM_UP_S, VirtualPrinter, VirtualSettings
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import RecordId


def a_work(fence: int = 1, pieces: int = 2) -> Work:
    return Work(RecordId(bytes(32)), fence, "hook", pieces, 3690, 20_000, 120)


async def test_it_takes_the_estimated_time(autojump_clock: trio.testing.MockClock) -> None:
    started = trio.current_time()

    outcome = await VirtualPrinter().make(a_work())

    assert outcome == Outcome(True, 2, 3690, 20_000, 120 * 3690 * 1000 // 3600)
    assert trio.current_time() - started == pytest.approx(3690)


async def test_in_time_lapse_the_clock_is_short_and_the_work_is_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    started = trio.current_time()

    outcome = await VirtualPrinter(VirtualSettings(time_lapse=100)).make(a_work())

    assert trio.current_time() - started == pytest.approx(36.9)
    assert outcome.machine_seconds == 3690


async def test_it_warms_up_runs_and_is_idle_again(autojump_clock: trio.testing.MockClock) -> None:
    printer = VirtualPrinter()
    states = [printer.condition().state]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(printer.make, a_work())
        for seconds in (WARM_UP_S / 2, WARM_UP_S, 3690):
            await trio.sleep(seconds)
            states.append(printer.condition().state)

    assert states == ["idle", "preparing", "running", "idle"]


async def test_paused_it_stands_still(autojump_clock: trio.testing.MockClock) -> None:
    printer = VirtualPrinter()
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(printer.make, a_work())
        await trio.sleep(1000)
        printer.pause()
        await trio.sleep(500)
        assert printer.condition().state == "paused"
        await trio.sleep(500)
        printer.resume()

    assert trio.current_time() - started > 3690 + 800


async def test_cancelled_it_hands_over_the_pieces_that_are_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    printer = VirtualPrinter()
    ended: list[Outcome] = []

    async def make() -> None:
        ended.append(await printer.make(a_work(pieces=4)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(make)
        await trio.sleep(WARM_UP_S + 3600 * 0.6)
        printer.cancel("the buyer wants no more")

    (outcome,) = ended
    assert not outcome.made
    assert outcome.pieces == 2
    assert outcome.reason == "the buyer wants no more"
    assert 0 < outcome.mass_mg < 20_000
    assert printer.condition().state == "idle"


async def test_told_to_fail_it_fails_halfway_and_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    printer = VirtualPrinter(VirtualSettings(fails_every=2))

    first = await printer.make(a_work(1))
    second = await printer.make(a_work(2))

    assert first.made
    assert (second.made, second.pieces) == (False, 1)
    assert printer.condition().state == "failed"


async def test_a_job_that_was_told_to_start_before_the_last_one_finds_the_machine_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    printer = VirtualPrinter()
    await printer.make(a_work(fence=7))

    with pytest.raises(UsageError, match="another job"):
        await printer.make(a_work(fence=7))


async def test_it_makes_one_thing_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    printer = VirtualPrinter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(printer.make, a_work(1))
        await trio.sleep(1000)
        with pytest.raises(UsageError, match="running"):
            await printer.make(a_work(2))
