"""The cases of specs/vectors/encoding.json: bodies to accept with their values, and to refuse."""

from typing import Any

from commonfab.protocol import encoding
from commonfab.protocol.limits import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    ITEMS_MAX,
    MAP_KEYS_MAX,
    TEXT_BYTES_MAX,
)
from tests.vectors import Case

ABOUT = (
    "The canonical form of specs/encoding.md. accept: the bytes are the canonical form of the"
    " value, which is left out where it is long. refuse: the bytes break the rule. Pieces are"
    " repeated as often as their number says, and joined."
)

Pieces = list[tuple[str, int]]

_VALUES: dict[str, dict[str, Any]] = {
    "an empty map": {},
    "positive integers of every length": {
        "a": [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53, 2**63, 2**64 - 1]
    },
    "negative integers of every length": {
        "a": [-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)]
    },
    "booleans": {"no": False, "yes": True},
    "texts of every header": {"a": ["", "x" * 31, "x" * 32, "x" * 255, "x" * 256]},
    "binaries of every header": {"a": [b"", b"\xff" * 255, b"\xff" * 256]},
    "arrays of every header": {"a": [[], [1] * 15, [1] * 16]},
    "a map of fifteen keys": {f"{key:02}": key for key in range(15)},
    "a map of sixteen keys": {f"{key:02}": key for key in range(16)},
    "keys in the order of their bytes": {" ": 0, "A": 1, "Z": 2, "a": 3, "aa": 4, "b": 5, "~": 6},
    "text of many scripts": {"a": "Grüße, 工房, мастерская, 🛠"},
    "text with a joiner that cannot be seen": {"a": "\u0646\u0645\u06cc\u200c\u062e"},
}


def _nested(levels: int) -> Pieces:
    """A map with arrays in arrays, `levels` containers in all."""
    return [("81a161", 1), ("91", levels - 2), ("90", 1)]


def _values(count: int) -> Pieces:
    """A map with one array: `count` values in all."""
    return [(f"81a161dc{count - 2:04x}", 1), ("01", count - 2)]


def _keys(count: int) -> Pieces:
    return [(f"de{count:04x}", 1), *((f"a2{0x3030 + key:04x}01", 1) for key in range(count))]


def _text(length: int) -> Pieces:
    return [(f"81a161da{length:04x}", 1), ("78", length)]


def _body(size: int) -> Pieces:
    """A body of `size` bytes, most of them in one binary and some in another."""
    rest = size - len("82a161c4ff") // 2 - 255 - len("a162c5ffff") // 2
    return [("82a161c4ff", 1), ("00", 255), (f"a162c5{rest:04x}", 1), ("00", rest)]


_AT_THE_BOUNDS: dict[str, Pieces] = {
    "nested as deep as allowed": _nested(DEPTH_MAX),
    "as many values as allowed": _values(ITEMS_MAX),
    "as many keys as allowed": _keys(MAP_KEYS_MAX),
    "a text as long as allowed": _text(TEXT_BYTES_MAX),
    "a body as long as allowed": _body(BODY_BYTES_MAX),
}

_REFUSED: dict[str, list[tuple[str, str]]] = {
    "ENCODING-1": [
        ("nothing", ""),
        ("an array outermost", "9101"),
        ("an integer outermost", "01"),
        ("a byte after the end", "8000"),
        ("a second map after the end", "8080"),
        ("a map that ends before its value", "81a161"),
        ("a text that ends early", "81a161a26b"),
        ("a binary that ends early", "81a161c40200"),
        ("an array that ends early", "81a1619201"),
        ("a map of 2^32 - 1 keys that are not there", "dfffffffff"),
        ("an array of 2^32 - 1 elements that are not there", "81a161ddffffffff"),
        ("a text of 4 GiB that is not there", "81a161dbffffffff"),
        ("a binary of 4 GiB that is not there", "81a161c6ffffffff"),
    ],
    "ENCODING-2": [
        ("nil", "81a161c0"),
        ("float32", "81a161ca3f800000"),
        ("float64", "81a161cb3ff0000000000000"),
        ("not a number", "81a161cb7ff8000000000000"),
        ("negative zero", "81a161cb8000000000000000"),
        ("the byte c1", "81a161c1"),
        ("fixext 1", "81a161d40500"),
        ("ext 8 without data", "81a161c70005"),
        ("ext 32 of 4 GiB", "81a161c9ffffffff05"),
        ("a timestamp", "81a161d6ff00000001"),
    ],
    "ENCODING-3": [
        ("an integer as key", "810102"),
        ("an integer as key of an inner map", "81a161810102"),
        ("a binary as key", "81c4016101"),
        ("nil as key", "81c001"),
        ("an array as key", "819001"),
        ("a map as key", "818001"),
        ("an empty key", "81a001"),
        ("a key twice", "82a16101a16102"),
        ("a key twice, apart", "83a16101a16202a16101"),
        ("keys out of order", "82a16201a16102"),
        ("keys out of order in an inner map", "81a16182a16201a16102"),
        ("a longer key before its beginning", "82a2616101a16102"),
        ("a key that is not ASCII", "81a2c3a901"),
        ("a key with a control character", "81a2610001"),
        ("a key with DEL", "81a17f01"),
    ],
    "ENCODING-4": [
        ("5 as uint8", "81a161cc05"),
        ("5 as int8", "81a161d005"),
        ("200 as uint16", "81a161cd00c8"),
        ("200 as int16", "81a161d100c8"),
        ("60,000 as uint32", "81a161ce0000ea60"),
        ("2^31 as int64", "81a161d30000000080000000"),
        ("2^32 as int64", "81a161d30000000100000000"),
        ("1 as uint64", "81a161cf0000000000000001"),
        ("-1 as int8", "81a161d0ff"),
        ("-33 as int16", "81a161d1ffdf"),
        ("-129 as int32", "81a161d2ffffff7f"),
        ("-1 as int64", "81a161d3ffffffffffffffff"),
    ],
    "ENCODING-5": [
        ("a text of 1 byte with an 8 bit header", "81a161d90178"),
        ("a text of 1 byte with a 16 bit header", "81a161da000178"),
        ("a text of 1 byte with a 32 bit header", "81a161db0000000178"),
        ("a binary of 1 byte with a 16 bit header", "81a161c5000100"),
        ("a binary of 1 byte with a 32 bit header", "81a161c60000000100"),
        ("an array of 1 with a 16 bit header", "81a161dc000101"),
        ("an array of 1 with a 32 bit header", "81a161dd0000000101"),
        ("an inner map of 1 with a 16 bit header", "81a161de0001a16101"),
        ("an outermost map of 1 with a 16 bit header", "de0001a16101"),
        ("an outermost map of 1 with a 32 bit header", "df00000001a16101"),
        ("a key of 1 byte with an 8 bit header", "81d9016101"),
    ],
    "ENCODING-6": [
        ("UTF-8 that is cut", "81a161a1c3"),
        ("UTF-8 that is too long for its character", "81a161a2c0af"),
        ("half a surrogate pair", "81a161a3eda080"),
        ("beyond Unicode's end", "81a161a4f4908080"),
        ("an accent that normal form C joins", "81a161a365cc81"),
        ("accents out of order", "81a161a561cc81cca3"),
        ("the Angstrom sign, which normal form C replaces", "81a161a3e284ab"),
        ("NUL", "81a161a100"),
        ("a line feed", "81a161a10a"),
        ("DEL", "81a161a17f"),
        ("a line feed after an accent", "81a161a3c3a90a"),
        ("DEL after an accent", "81a161a3c3a97f"),
        ("a C1 control", "81a161a2c285"),
        ("a line separator", "81a161a3e280a8"),
        ("a right-to-left mark", "81a161a3e2808f"),
        ("a right-to-left override", "81a161a3e280ae"),
        ("a first strong isolate", "81a161a3e281a8"),
        ("an Arabic letter mark", "81a161a2d89c"),
    ],
}

_BEYOND_THE_BOUNDS: dict[str, Pieces] = {
    "nested one too deep": _nested(DEPTH_MAX + 1),
    "nested ten thousand deep": _nested(10_000),
    "maps nested ten thousand deep": [("81a161", 10_000), ("80", 1)],
    "one value too many": _values(ITEMS_MAX + 1),
    "one key too many": _keys(MAP_KEYS_MAX + 1),
    "a text one byte too long": _text(TEXT_BYTES_MAX + 1),
    "a text of two bytes a character, too long": [("81a161da1002", 1), ("c3a9", 2049)],
    "a body one byte too long": _body(BODY_BYTES_MAX + 1),
    "arrays in arrays that each claim thousands": [("81a161", 1), ("dc0fff", 900), ("00", 4095)],
}


def join(pieces: Pieces) -> bytes:
    return b"".join(bytes.fromhex(piece) * times for piece, times in pieces)


def plain(value: encoding.Value) -> Any:
    """Return `value` as JSON can say it: see specs/encoding.md, Vectors."""
    match value:
        case bytes():
            return {"bin": value.hex()}
        case bool() | str():
            return value
        case int():
            return value if abs(value) <= 2**53 else {"int": str(value)}
        case dict():
            return {key: plain(value[key]) for key in value}
        case _:
            return [plain(item) for item in value]


def cases() -> list[Case]:
    """Return the cases, in the order of the rules."""
    found: list[Case] = []
    for name, value in _VALUES.items():
        data = encoding.encode(value)
        found.append(_case(name, "accept", hex=data.hex(), value=plain(value)))
    for name, pieces in _AT_THE_BOUNDS.items():
        found.append(_case(name, "accept", pieces=pieces))
    for rule, forms in _REFUSED.items():
        for name, data_hex in forms:
            found.append(_case(name, "refuse", rule=rule, hex=data_hex))
    for name, pieces in _BEYOND_THE_BOUNDS.items():
        found.append(_case(name, "refuse", rule="ENCODING-7", pieces=pieces))
    return found


def _case(name: str, verdict: str, **fields: object) -> Case:
    return {"name": name, "verdict": verdict, **fields}
