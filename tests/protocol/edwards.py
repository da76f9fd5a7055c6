"""The curve of Ed25519 in plain arithmetic (RFC 8032), for making signatures that no signer makes.

Slow and open to side channels: for tests only. Points are (x, y), both modulo `P`.
"""

import hashlib

Point = tuple[int, int]

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
"""The order of the large subgroup; the whole group has 8 times as many points."""

_D = -121665 * pow(121666, -1, P) % P
_ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY: Point = (0, 1)


def add(left: Point, right: Point) -> Point:
    (x1, y1), (x2, y2) = left, right
    product = _D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def negative(point: Point) -> Point:
    return -point[0] % P, point[1]


def multiply(factor: int, point: Point) -> Point:
    total = IDENTITY
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point:
    """Return the point, also of an encoding that is not canonical, or raise `ValueError`."""
    number = int.from_bytes(data, "little")
    y = (number & (2**255 - 1)) % P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * _ROOT_OF_MINUS_1 % P
    if x * x % P != square:
        raise ValueError("no point of the curve")
    return (-x % P if x & 1 != number >> 255 else x), y


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
ORDER_8 = next(
    point
    for point in (multiply(L, decode(bytes([n]) + bytes(31))) for n in (3, 4, 5, 6, 9, 10))
    if multiply(4, point) != IDENTITY
)
"""A point of order 8: it makes all eight of small order."""


def small_order(point: Point) -> bool:
    return multiply(8, point) == IDENTITY


def challenge(r: bytes, key: bytes, text: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % L


def verify(key: bytes, text: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is valid by the letter of specs/envelope.md, ENVELOPE-5."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    try:
        points = decode(key), decode(r)
    except ValueError:
        return False
    if s >= L or any(small_order(point) for point in points) or encode(points[0]) != key:
        return False
    total = add(multiply(s, BASE), negative(multiply(challenge(r, key, text), points[0])))
    return encode(total) == r
