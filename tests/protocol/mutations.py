"""Bodies that are almost in the canonical form, from a seed: what the two readers must agree on."""

from random import Random
from typing import Any

import msgspec

from commonfab.protocol.limits import DEPTH_MAX, ITEMS_MAX, MAP_KEYS_MAX, TEXT_BYTES_MAX

_TEXTS = ["", "a", "bracket", "Grüße", "工房", "x" * 31, "y" * 32, "é" * 130]
_INTEGERS = [
    *(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63, 2**64 - 1),
    *(-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)),
]
_BINARIES = [b"", b"\x00", bytes(31), bytes(32), bytes(255), bytes(256)]
_HEADERS = [
    *(0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, *range(0xC0, 0xE0), 0xFF),
    *(b"\xd9\x05", b"\xda\x00\x20", b"\xdc\x00\x01", b"\xdd\xff\xff\xff\xff", b"\xcc\x05"),
    *(b"\xc5\x00\x01", b"\xde\x00\x01", b"\xdf\x00\x00\x00\x00"),
]
# A combining accent, a left-to-right mark, a line separator, half a surrogate pair, a long "/".
_ODD_TEXTS = [b"e\xcc\x81", b"\xe2\x80\x8e", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xc0\xaf"]


def body(random: Random) -> bytes:
    """Return a body that an encoder with sorted keys made: most are canonical."""
    value = _map(random, 1)
    if random.random() < 0.02:
        value["~"] = _extreme(random)
    return msgspec.msgpack.encode(value)


def mutated(data: bytes, random: Random) -> bytes:
    """Return `data` with a few small changes."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _mutate(changed, random)
    return bytes(changed)


def _map(random: Random, depth: int) -> dict[str, Any]:
    keys = sorted({random.choice("abcdefgh") * random.randint(1, 3) for _ in range(4)})
    return {key: _value(random, depth + 1) for key in keys}


def _value(random: Random, depth: int) -> Any:
    kind = random.randrange(10 if depth < 5 else 8)
    if kind < 3:
        return random.choice(_INTEGERS)
    if kind < 5:
        return random.choice(_TEXTS)
    if kind < 6:
        return random.choice(_BINARIES)
    if kind < 7:
        return random.random() < 0.5
    if kind < 8:
        return random.randint(-300, 300)
    if kind < 9:
        return [_value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 15, 16)))]
    return _map(random, depth)


def _extreme(random: Random) -> Any:
    """Return something at a bound, or one beyond it."""
    one_more = random.randint(0, 1)
    match random.randrange(4):
        case 0:
            nested: Any = []
            for _ in range(DEPTH_MAX - 2 + one_more):
                nested = [nested]
            return nested
        case 1:
            return [1] * random.choice((ITEMS_MAX - 2, ITEMS_MAX - 60, ITEMS_MAX))
        case 2:
            return "z" * (TEXT_BYTES_MAX + one_more)
        case _:
            return {f"{key:02}": key for key in range(MAP_KEYS_MAX + one_more)}


def _mutate(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data)) if data else 0
    header = random.choice(_HEADERS)
    new = bytes([header]) if isinstance(header, int) else header
    match random.randrange(8):
        case 0:
            data[at : at + 1] = bytes([data[at] ^ (1 << random.randrange(8))]) if data else b"\x80"
        case 1:
            data[at : at + 1] = new
        case 2:
            data[at:at] = new
        case 3:
            del data[at : at + random.randint(1, 4)]
        case 4:
            start = random.randrange(len(data)) if data else 0
            data[at:at] = data[start : start + random.randint(1, 12)]
        case 5:
            del data[at:]
        case 6:
            odd = random.choice(_ODD_TEXTS)
            data[at:at] = bytes([0xA0 + len(odd)]) + odd
        case _:
            data[at : at + 1] = random.randbytes(random.randint(1, 3))
