"""Frames that are almost right, from a seed: samples with a few small changes."""

from collections.abc import Callable, Sequence
from random import Random

_ODD = (
    *(bytes([byte]) for byte in (0, 1, 0x7F, 0x80, 0x81, 0x90, 0xA0, 0xC0, 0xC1, 0xC4, 0xFF)),
    *(b"\xff" * 4, b"\xff" * 10, b"\x80" * 9 + b"\x01", b"\x7f\xff\xff\xff"),
    *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"),
    *(b"\xcf" + b"\xff" * 8, b"\xed\xa0\x80"),
    *(b"\x91" * 40, b"\x81\xa1a" * 40, b"\xd3\x80" + bytes(7), b"\xcb\x7f\xf8" + bytes(6)),
)  # fmt: skip
"""Bytes that begin, end or overflow something in one format or another."""
_PIECE_BYTES_MAX = 64
_UNCHANGED = 0.1
"""A machine that has heard nothing true is in its first state for ever."""


class Mutants:
    """Endless, and the same for the same seed."""

    def __init__(self, samples: Sequence[bytes], seed: int) -> None:
        assert samples
        self._samples = samples
        self._random = Random(seed)
        self._changes: tuple[Callable[[bytearray, int, int], None], ...] = (
            self._flip, self._flip, self._set, self._put, self._drop, self._cut, self._repeat,
            self._splice,
        )  # fmt: skip

    def next(self) -> bytes:
        chance = self._random.random
        samples = self._samples
        sample = samples[int(chance() * len(samples))]
        if chance() < _UNCHANGED:
            return sample
        data = bytearray(sample)
        for _ in range(1 + int(chance() ** 3 * 5)):
            length = len(data)
            change = self._changes[int(chance() * len(self._changes))]
            change(data, int(chance() * length), length)
        return bytes(data)

    def _flip(self, data: bytearray, at: int, length: int) -> None:
        if length:
            data[at] ^= 1 << int(self._random.random() * 8)

    def _set(self, data: bytearray, at: int, length: int) -> None:
        if length:
            data[at] = int(self._random.random() * 256)

    def _put(self, data: bytearray, at: int, _length: int) -> None:
        data[at:at] = _ODD[int(self._random.random() * len(_ODD))]

    def _drop(self, data: bytearray, at: int, _length: int) -> None:
        del data[at : at + 1 + int(self._random.random() * 8)]

    def _cut(self, data: bytearray, at: int, _length: int) -> None:
        del data[at:]

    def _repeat(self, data: bytearray, at: int, _length: int) -> None:
        data[at:at] = data[at : at + 1 + int(self._random.random() * _PIECE_BYTES_MAX)]

    def _splice(self, data: bytearray, at: int, _length: int) -> None:
        other = self._samples[int(self._random.random() * len(self._samples))]
        begin = int(self._random.random() * (len(other) + 1))
        data[at : at + _PIECE_BYTES_MAX] = other[begin : begin + _PIECE_BYTES_MAX]
