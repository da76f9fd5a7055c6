"""The veil of a private network: who has its key hears libp2p, anybody else hears noise.

libp2p's pre-shared keys (libp2p specs, pnet/Private-Networks-PSK-V1.md): each side sends 24 bytes
by chance, and what follows them under XSalsa20. It hides, and proves nothing: the handshake
inside does that. py-libp2p's own takes 8 bytes and plain Salsa20, which no other program speaks.
"""

import os
import struct

from Crypto.Cipher import Salsa20
from libp2p.exceptions import BaseLibp2pError

NONCE_BYTES = 24
_KEY_BYTES = 32
_FIRST_LINE = b"\x13/multistream/1.0.0\n"
"""What every libp2p connection begins with."""
_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)
_MASK = 0xFFFFFFFF


class NotOfThisNetwork(BaseLibp2pError):
    """The other side has another key, or none."""


class Veil:
    """Both directions of one connection."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == _KEY_BYTES
        self._key = key
        self._hides: Salsa20.Salsa20Cipher | None = None
        self._shows: Salsa20.Salsa20Cipher | None = None
        self._nonce = bytearray()
        self._first = bytearray()

    @property
    def is_trusted(self) -> bool:
        """Whether the other side has shown that it has the key."""
        return len(self._first) == len(_FIRST_LINE)

    def hide(self, data: bytes) -> bytes:
        """Return what is to be sent."""
        if self._hides is not None:
            return self._hides.encrypt(data)
        nonce = os.urandom(NONCE_BYTES)
        self._hides = _cipher(self._key, nonce)
        return nonce + self._hides.encrypt(data)

    def show(self, data: bytes) -> bytes:
        """Return what was meant by bytes that came; raise `NotOfThisNetwork` at a wrong start."""
        if self._shows is None:
            missing = NONCE_BYTES - len(self._nonce)
            self._nonce += data[:missing]
            data = data[missing:]
            if self._nonce.startswith(_FIRST_LINE):  # It says no more before it is answered.
                raise NotOfThisNetwork("the other side has no key of a private network")
            if len(self._nonce) < NONCE_BYTES:
                return b""
            self._shows = _cipher(self._key, bytes(self._nonce))
        plain = self._shows.decrypt(data)
        if not self.is_trusted:
            self._first += plain[: len(_FIRST_LINE) - len(self._first)]
            if not _FIRST_LINE.startswith(bytes(self._first)):
                raise NotOfThisNetwork("the other side has not the key of this private network")
        return plain


def _cipher(key: bytes, nonce: bytes) -> Salsa20.Salsa20Cipher:
    """Return XSalsa20: Salsa20 with a key made of the key and the first 16 bytes."""
    return Salsa20.new(key=hsalsa20(key, nonce[:16]), nonce=nonce[16:])


def hsalsa20(key: bytes, nonce: bytes) -> bytes:
    """Return the 32 bytes of HSalsa20 (D. J. Bernstein, Extending the Salsa20 nonce)."""
    first, second = struct.unpack("<4I", key[:16]), struct.unpack("<4I", key[16:])
    c, n = _CONSTANTS, struct.unpack("<4I", nonce)
    x = [c[0], *first, c[1], *n, c[2], *second, c[3]]
    for _ in range(10):
        for at in _COLUMNS + _ROWS:
            _quarter_round(x, *at)
    return struct.pack("<8I", x[0], x[5], x[10], x[15], x[6], x[7], x[8], x[9])


_COLUMNS = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
_ROWS = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))


def _quarter_round(x: list[int], a: int, b: int, c: int, d: int) -> None:
    x[b] ^= _rotated(x[a] + x[d], 7)
    x[c] ^= _rotated(x[b] + x[a], 9)
    x[d] ^= _rotated(x[c] + x[b], 13)
    x[a] ^= _rotated(x[d] + x[c], 18)


def _rotated(value: int, by: int) -> int:
    value &= _MASK
    return (value << by | value >> (32 - by)) & _MASK
