"""The file of wishes: what a power cut, a full disk and a rotten bit do to it."""

import errno
from pathlib import Path

import pytest

from commonfab.protocol.ids import Timestamp
from commonfab.storage.cid import CID, DAG_PB
from commonfab.storage.pins import PinLog, Wish
from commonfab.storage.ports import StoreFull

HOOK, PUMP = (CID.of(name, codec=DAG_PB) for name in (b"hook", b"pump"))
NOON = Timestamp(43_200_000)


def test_a_power_cut_anywhere_in_the_last_line_loses_at_most_that_line(tmp_path: Path) -> None:
    path = tmp_path / "pins.log"
    PinLog(path).wish(HOOK, NOON, "hook")
    first = path.stat().st_size
    PinLog(path).wish(PUMP, NOON, "pump")
    whole = path.read_bytes()

    for length in range(first, len(whole) - 1):
        path.write_bytes(whole[:length])
        pins = PinLog(path, sync=lambda _: None)
        assert (pins.wishes(), pins.is_damaged) == ({HOOK: Wish(NOON, "hook")}, False), length


@pytest.mark.rule("KEEPING-4")
def test_every_flipped_bit_is_noticed_and_remembered_until_a_person_has_looked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pins.log"
    PinLog(path).wish(HOOK, NOON, "hook")
    whole = path.read_bytes()

    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        pins = PinLog(path, sync=lambda _: None)
        assert pins.is_damaged == (not pins.wishes()), bit
        pins.damaged.unlink(missing_ok=True)

    path.write_bytes(b"?" + whole)
    assert PinLog(path).is_damaged
    assert PinLog(path).is_damaged, "also after the next start"
    PinLog(path).damaged.unlink()
    assert not PinLog(path).is_damaged


def test_a_full_disk_refuses_a_wish_and_spoils_nothing(tmp_path: Path) -> None:
    is_full = False

    def sync(_handle: int) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "no room")

    pins = PinLog(tmp_path / "pins.log", sync=sync)
    pins.wish(HOOK, NOON, "hook")
    is_full = True
    with pytest.raises(StoreFull):
        pins.wish(PUMP, NOON, "pump")
    is_full = False

    assert pins.wishes() == PinLog(tmp_path / "pins.log").wishes() == {HOOK: Wish(NOON, "hook")}
    pins.wish(PUMP, NOON, "pump")
    assert PinLog(tmp_path / "pins.log").wishes() == {
        HOOK: Wish(NOON, "hook"),
        PUMP: Wish(NOON, "pump"),
    }


def test_the_file_stays_short_however_often_a_tree_is_used(tmp_path: Path) -> None:
    path = tmp_path / "pins.log"
    pins = PinLog(path, sync=lambda _: None)

    for at in range(5_000):
        pins.use(HOOK, Timestamp(at))

    assert len(path.read_bytes().splitlines()) < 1_100
    assert PinLog(path).uses() == {HOOK: 4_999}
