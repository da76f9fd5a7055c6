"""The laboratory's own parts; what it shows is run by `make lab`."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.simulation.cuts import SHAPES, Cut, draw

from . import machine
from .air import Air, Fate, Weather
from .sybils import address_of
from .town import start_inside

CALM = Weather(delay_ms=(10.0, 10.0), bytes_per_s=1000.0)
REASON = machine.why_not()


def test_a_packet_arrives_once_after_its_turn_and_its_delay() -> None:
    fate = Fate(seed=1)

    assert fate.dues(CALM, 0, 100, now=5.0) == pytest.approx([5.11])
    assert fate.dues(CALM, 0, 100, now=5.0) == pytest.approx([5.21])
    assert fate.dues(CALM, 1, 100, now=5.0) == pytest.approx([5.11])


def test_what_would_wait_too_long_for_its_turn_is_dropped() -> None:
    fate = Fate(seed=1)

    assert fate.dues(CALM, 0, 600, now=0.0)
    assert not fate.dues(CALM, 0, 1, now=0.0)
    assert fate.dues(CALM, 0, 1, now=0.2)


def test_as_many_are_lost_and_copied_as_the_weather_says() -> None:
    fate = Fate(seed=2)
    bad = Weather(loss=0.2, copies=0.1, bytes_per_s=1e12)

    counts = [len(fate.dues(bad, 0, 1, now=float(number))) for number in range(10_000)]

    assert 1_800 < counts.count(0) < 2_200
    assert 700 < counts.count(2) < 900


def test_the_same_seed_gives_the_same_fates() -> None:
    bad = Weather(loss=0.2, copies=0.1)
    one, other = Fate(seed=3), Fate(seed=3)

    assert [one.dues(bad, 0, 1, now=n) for n in range(99)] == [
        other.dues(bad, 0, 1, now=n) for n in range(99)
    ]


def test_a_cut_stops_one_way_or_both_and_a_flapping_one_at_times() -> None:
    halves, one_way = Cut("halves", (0, 1)), Cut("one-way", (0, 1))
    flapping = Cut("flapping", (0, 1), flaps_ms=100)

    assert [halves.stops(0, 1, 0), halves.stops(1, 0, 0), halves.stops(0, 0, 0)] == [1, 1, 0]
    assert [one_way.stops(0, 1, 0), one_way.stops(1, 0, 0)] == [0, 1]
    assert [flapping.stops(0, 1, at_ms) for at_ms in (0, 99, 100, 199, 200)] == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cut_of_each_shape_can_be_drawn_and_cuts_something(shape: str) -> None:
    cut = draw(Random(1), next(each for each in SHAPES if each == shape), 30)

    assert any(cut.stops(one, other, 0) for one in range(30) for other in range(30))


def test_eighty_sybils_have_eighty_addresses_in_four_networks() -> None:
    addresses = {address_of(number) for number in range(80)}

    assert len(addresses) == 80
    assert len({address.rpartition(".")[0] for address in addresses}) == 4


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_what_one_namespace_says_another_hears_and_a_cut_stops_it(tmp_path: Path) -> None:
    echo = [sys.executable, "-c", _ECHO]
    ask = [sys.executable, "-c", _ASK]
    with Air(1, Weather(delay_ms=(1.0, 2.0))) as air:
        echoing = start_inside(air, 0, ["10.1.0.2"], echo, tmp_path / "echo")
        asking = start_inside(air, 1, ["10.2.0.2"], ask, tmp_path / "ask")
        try:
            assert asking.wait(30) == 0, (tmp_path / "ask").read_text()
            air.cut = Cut("halves", (0, 1))
            cut_off = start_inside(air, 1, ["10.3.0.2"], ask, tmp_path / "cut")
            assert cut_off.wait(30) == 3, (tmp_path / "cut").read_text()
        finally:
            echoing.kill()
            echoing.wait()

    assert air.counts["carried"] > 0
    assert air.counts["cut"] > 0


_ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    here.bind(("10.1.0.2", 4411))
    while True:
        data, who = here.recvfrom(100)
        here.sendto(data, who)
"""
_ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
    here.settimeout(0.1)
    for _ in range(20):
        here.sendto(b"hello", ("10.1.0.2", 4411))
        try:
            sys.exit(here.recv(100) != b"hello")
        except TimeoutError:
            pass
sys.exit(3)
"""


def test_without_what_it_takes_the_laboratory_says_so_and_does_no_harm() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("skipped: this machine ")


_AS_NOBODY = """
import sys
from tests.lab import __main__, machine
machine.os.geteuid = lambda: 1000
sys.exit(__main__.main([]))
"""
