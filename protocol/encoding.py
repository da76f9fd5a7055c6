"""One canonical msgpack form for every value, and a reader that refuses any other.

Two encoders need to disagree only once to fork the network. So a value has exactly one
encoding (specs/encoding.md), the bytes that were signed are kept and passed on as they
are, and bytes that are not in that form are refused before anything looks inside.

One library reads and another writes: a form is accepted only where both agree on it. The
reader, msgspec, does not set memory aside for a length that is merely claimed.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, cast

import msgpack  # type: ignore[import-untyped]  # _pack gives it one
import msgspec

from .errors import Malformed
from .limits import BODY_BYTES_MAX, DEPTH_MAX, ITEMS_MAX, MAP_KEYS_MAX, TEXT_BYTES_MAX

Value = int | bool | str | bytes | list["Value"] | dict[str, "Value"]

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**64 - 1

_pack = cast("Callable[[Any], bytes]", msgpack.packb)  # pyright: ignore[reportUnknownMemberType]

# C0 and C1 controls, DEL, line and paragraph separators, the characters that turn the
# direction of text around, and halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def encode(value: dict[str, Value], bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return the canonical bytes of `value`.

    Raises `Malformed` where `value` has no canonical form: a float, text that is not NFC
    or has control characters, a bound that is passed. So what this node writes, it can read.
    """
    try:
        data = _pack(_sorted(value))
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise Malformed(f"a value without a canonical form: {error}") from error
    decode(data, bytes_max)
    return data


def decode(data: bytes, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Value]:
    """Return the map that `data` is the canonical form of, or raise `Malformed`."""
    if len(data) > bytes_max:
        raise Malformed(f"a body of {len(data)} bytes; the limit is {bytes_max}")
    try:
        value: Any = msgspec.msgpack.decode(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not msgpack: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the outermost value is not a map")
    _Walk().check(value, 1)
    # The walk has fixed types, order and text. What is left are longer forms of the same
    # value, and keys given twice, of which the reader has kept one.
    if _pack(value) != data:
        raise Malformed("not the shortest form, or a key given twice")
    return value  # pyright: ignore[reportUnknownVariableType]  # _Walk has checked every part


class _Walk:
    """One look at everything in a decoded value, counting as it goes."""

    def __init__(self) -> None:
        self._values = 1  # the outermost map

    def check(self, value: Any, depth: int) -> None:
        kind = value.__class__
        if kind is str:
            check_text(value)
        elif kind is int or kind is bool or kind is bytes:
            pass
        elif kind is dict:
            self._check_map(value, depth)
        elif kind is list:
            self._count(len(value), depth)
            for item in value:
                self.check(item, depth + 1)
        else:
            raise Malformed(f"{kind.__name__} has no place in a record")

    def _check_map(self, value: dict[Any, Any], depth: int) -> None:
        if len(value) > MAP_KEYS_MAX:
            raise Malformed(f"a map of {len(value)} keys; the limit is {MAP_KEYS_MAX}")
        self._count(len(value), depth)
        last = ""
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or not key.isprintable():
                raise Malformed("a key that is not plain ASCII text")
            if key <= last:
                raise Malformed(f"key {key[:32]!r} is out of order or empty")
            last = key
            self.check(item, depth + 1)

    def _count(self, values: int, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise Malformed(f"nested more than {DEPTH_MAX} deep")
        self._values += values
        if self._values > ITEMS_MAX:
            raise Malformed(f"more than {ITEMS_MAX} values")


def check_text(text: str) -> None:
    """Raise `Malformed` unless `text` is NFC, short, and free of control characters."""
    if text.isascii():
        if len(text) > TEXT_BYTES_MAX:
            raise Malformed(f"a text of {len(text)} bytes; the limit is {TEXT_BYTES_MAX}")
        if not text.isprintable():
            raise Malformed("a text with control characters")
        return
    if _UNSAFE.search(text):
        raise Malformed("a text with control characters")
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise Malformed(f"a text of over {TEXT_BYTES_MAX} bytes")
    if not unicodedata.is_normalized("NFC", text):
        raise Malformed("a text that is not in Unicode's normal form C")


def plain_text(text: str) -> str:
    """Return `text` as a record may carry it: NFC, on one line, without control characters.

    Its length stays the caller's to bound.
    """
    safe = _UNSAFE.sub(lambda found: " " if found[0].isspace() else "", text)
    # Normalise last: an accent may meet its letter only when what stood between is gone.
    return unicodedata.normalize("NFC", " ".join(safe.split()))


def _sorted(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item) for item in value]
    return value
