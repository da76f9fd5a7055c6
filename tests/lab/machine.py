"""What this machine must allow for the laboratory: namespaces of one's own, and devices in them."""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys

CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
DEVICE = "air"
_TUN = "/dev/net/tun"


def why_not() -> str:
    """Return what is missing here, in words that begin with "this machine"; empty if nothing is."""
    if not sys.platform.startswith("linux"):
        return "this machine has no network namespaces: it does not run Linux"
    if os.geteuid() != 0:
        return "this machine lets only root make network namespaces; run it as root"
    if shutil.which("ip") is None:
        return "this machine has no ip command (iproute2)"
    if not os.path.exists(_TUN):
        return f"this machine has no {_TUN}"
    tried = subprocess.run(
        [sys.executable, "-m", "tests.lab.machine"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        last = tried.stderr.strip().splitlines()[-1:]
        return f"this machine allows no network namespace with a device: {' '.join(last)}"
    return ""


def enter_namespace(addresses: list[str]) -> int:
    """Leave all networks but one device with these addresses; return what carries its packets."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    _ip("link", "set", "lo", "up")
    for address in addresses:
        _ip("address", "add", f"{address}/8", "dev", DEVICE)
    _ip("link", "set", DEVICE, "up")
    return device


def _ip(*words: str) -> None:
    program = shutil.which("ip")
    assert program is not None
    subprocess.run([program, *words], check=True)


if __name__ == "__main__":
    enter_namespace(["10.0.0.1"])
