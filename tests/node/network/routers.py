"""Home routers for tests: nodes in network namespaces of their own, and address translation
between them, all in user space.

    node --TUN--> its router --+
    node --TUN--> its router --+-- the internet, here a table of addresses
    relay --TUN----------------+

A router shows a port of its node in the same place to everybody, unless it is `is_symmetric`,
and lets in only what its node has first sent something to. Needs root, /dev/net/tun and `ip`.
"""

import array
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import trio

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_TCP = 6
_PACKET_BYTES = 65_535
_SYMMETRIC_FIRST_PORT = 20_000


def is_possible() -> bool:
    """Tell whether this machine lets us make namespaces."""
    return os.geteuid() == 0 and Path("/dev/net/tun").exists() and shutil.which("ip") is not None


def enter_namespace(address: str) -> int:
    """Move this process into a namespace of its own with one address; return its other end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"out", _IFF_TUN | _IFF_NO_PI))
    for words in (
        "link set lo up",
        f"addr add {address}/32 dev out",
        "link set out up",
        "route add default dev out",
    ):
        subprocess.run(["ip", *words.split()], check=True)  # noqa: S607  # wherever it is here
    return tun


@dataclass(slots=True)
class Router:
    """One household: its node's inner address, and how it is seen."""

    inner: str
    outer: str
    is_symmetric: bool = False
    ports: dict[tuple[int, str, int], int] = field(default_factory=dict[tuple[int, str, int], int])
    """The outer port of an inner one; of a symmetric router, also by who is spoken to."""
    let_in: set[tuple[int, str, int]] = field(default_factory=set[tuple[int, str, int]])
    """Outer port, and from whom something may come in there."""

    def go_out(self, packet: bytearray) -> None:
        source, target = _ends(packet)
        key = (source[1], *target) if self.is_symmetric else (source[1], "", 0)
        if key not in self.ports:
            first = _SYMMETRIC_FIRST_PORT + len(self.ports)
            self.ports[key] = first if self.is_symmetric else source[1]
        port = self.ports[key]
        self.let_in.add((port, *target))
        _rewrite(packet, source=(self.outer, port))

    def come_in(self, packet: bytearray) -> bool:
        source, target = _ends(packet)
        if (target[1], *source) not in self.let_in:
            return False
        inner = next(key[0] for key, port in self.ports.items() if port == target[1])
        _rewrite(packet, target=(self.inner, inner))
        return True


class Internet:
    """Carries packets between the ends that processes have handed over."""

    def __init__(self) -> None:
        self._routers: dict[int, Router | None] = {}
        self._by_outer: dict[str, int] = {}

    def attach(self, tun: int, outer: str, router: Router | None) -> None:
        os.set_blocking(tun, False)
        self._routers[tun] = router
        self._by_outer[outer] = tun

    async def carry_from(self, tun: int) -> None:
        """Carry what comes from one end until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(tun)
                packet = bytearray(os.read(tun, _PACKET_BYTES))
                if packet[0] >> 4 == 4 and packet[9] == _TCP:
                    self._carry(tun, packet)
        finally:
            del self._routers[tun]
            os.close(tun)

    def _carry(self, tun: int, packet: bytearray) -> None:
        router = self._routers[tun]
        if router is not None:
            router.go_out(packet)
        there = self._by_outer.get(_ends(packet)[1][0])
        if there not in self._routers:
            return
        household = self._routers[there]
        if household is None or household.come_in(packet):
            os.write(there, packet)


def _ends(packet: bytearray) -> tuple[tuple[str, int], tuple[str, int]]:
    at = (packet[0] & 15) * 4
    ports = struct.unpack_from("!HH", packet, at)
    hosts = [str(IPv4Address(bytes(packet[start : start + 4]))) for start in (12, 16)]
    return (hosts[0], ports[0]), (hosts[1], ports[1])


def _rewrite(
    packet: bytearray,
    source: tuple[str, int] | None = None,
    target: tuple[str, int] | None = None,
) -> None:
    at = (packet[0] & 15) * 4
    for end, host_at, port_at in ((source, 12, at), (target, 16, at + 2)):
        if end is not None:
            packet[host_at : host_at + 4] = IPv4Address(end[0]).packed
            struct.pack_into("!H", packet, port_at, end[1])
    struct.pack_into("!H", packet, 10, 0)
    struct.pack_into("!H", packet, 10, _checksum(packet[:at]))
    struct.pack_into("!H", packet, at + 16, 0)
    segment = bytes(packet[at:])
    pseudo = bytes(packet[12:20]) + struct.pack("!BBH", 0, _TCP, len(segment))
    struct.pack_into("!H", packet, at + 16, _checksum(pseudo + segment))


def _checksum(data: bytes | bytearray) -> int:
    words = array.array("H", bytes(data) + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return socket.ntohs(~total & 0xFFFF)


def receive_tun(from_child: socket.socket) -> int:
    """Take the end of a namespace that a child process sends."""
    _, tuns, _, _ = socket.recv_fds(from_child, 1, 1)
    return tuns[0]


def send_tun(to_parent: socket.socket, tun: int) -> None:
    socket.send_fds(to_parent, [b"t"], [tun])
