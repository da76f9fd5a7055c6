"""The one link of the laboratory, in user space: packets go in, and come out late, twice or not.

A thread carries them between the devices of all namespaces. What happens to each is drawn from
the seed, in the order in which they come, which is not the seed's to say.
"""

import heapq
import os
import selectors
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.simulation.cuts import Cut

PACKET_BYTES_MAX = 65_536
_QUEUED_S_MAX = 0.5
"""A sender's packets that would wait longer for its turn are dropped, as a router would."""
_PACKETS_AT_ONCE = 64


@dataclass(frozen=True)
class Weather:
    """What the link does to packets."""

    delay_ms: tuple[float, float] = (5.0, 30.0)
    loss: float = 0.0
    copies: float = 0.0
    bytes_per_s: float = 4_000_000.0
    """Of each sender."""


class Fate:
    """Draws what becomes of each packet. Times are seconds."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._free_at: dict[int, float] = {}
        """When each sender's last packet is out."""

    def dues(self, weather: Weather, sender: int, size: int, now: float) -> list[float]:
        """Return when a packet arrives: once, twice or never."""
        begins = max(now, self._free_at.get(sender, now))
        if begins - now > _QUEUED_S_MAX:
            return []
        self._free_at[sender] = begins + size / weather.bytes_per_s
        if self._random.random() < weather.loss:
            return []
        count = 2 if self._random.random() < weather.copies else 1
        low, high = weather.delay_ms
        return [
            self._free_at[sender] + self._random.uniform(low, high) / 1000 for _ in range(count)
        ]


class Air:
    """Use as a block: the thread runs as long."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self.weather = weather
        self.cut: Cut | None = None
        self.counts = Counter[str]()
        """Packets that were carried, lost, and cut off."""
        self._fate = Fate(seed)
        self._begin = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._devices: dict[bytes, tuple[int, int]] = {}
        """Of each address, the party and its device."""
        self._heap: list[tuple[float, int, int, bytes]] = []
        self._number = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="air")

    def __enter__(self) -> "Air":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for device in {device for _, device in self._devices.values()}:
            os.close(device)

    def join(self, party: int, addresses: list[str], device: int) -> None:
        """Connect a device. Parties are numbered as in a `Cut`."""
        os.set_blocking(device, False)
        with self._lock:
            for address in addresses:
                self._devices[socket.inet_aton(address)] = party, device
        self._selector.register(device, selectors.EVENT_READ, party)

    def _run(self) -> None:
        while not self._over.is_set():
            wait_s = 0.05
            if self._heap:
                wait_s = min(wait_s, max(0.0, self._heap[0][0] - time.monotonic()))
            for key, _ in self._selector.select(wait_s):
                self._take(key.fd, key.data)
            self._deliver()

    def _take(self, device: int, sender: int) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            try:
                packet = os.read(device, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:  # Its namespace is gone.
                self._selector.unregister(device)
                return
            self._judge(packet, sender)

    def _judge(self, packet: bytes, sender: int) -> None:
        with self._lock:
            found = self._devices.get(packet[16:20]) if packet[0] >> 4 == 4 else None
        if found is None:
            return
        receiver, device = found
        now = time.monotonic()
        cut = self.cut
        if cut is not None and cut.stops(sender, receiver, round((now - self._begin) * 1000)):
            self.counts["cut"] += 1
            return
        dues = self._fate.dues(self.weather, sender, len(packet), now)
        self.counts["carried" if dues else "lost"] += 1
        for due in dues:
            self._number += 1
            heapq.heappush(self._heap, (due, self._number, device, packet))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, _, device, packet = heapq.heappop(self._heap)
            try:
                os.write(device, packet)
            except OSError:
                self.counts["lost"] += 1
