"""The twelve cases on which Ed25519 libraries disagree, as records that only arithmetic can make.

The cases are those of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020): keys
and first halves of the signature (R) of small and mixed order, second halves (S) that are too
large, and encodings that are not canonical. Each is built for the text that a record's author
signs, and comes as a whole frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.protocol.edwards import (
    BASE,
    IDENTITY,
    ORDER_8,
    L,
    P,
    add,
    challenge,
    decode,
    encode,
    multiply,
)

_SECRET = 0x1A2B3C4D5E6F << 200 | 0xC0FFEE
_NONCE = 0x314159265358 << 196 | 0xBADCAB1E
_DOMAIN = b"commonfab/1/revocation"

OfChallenge = Callable[[int], int]
Condition = Callable[[int], bool]


@dataclass(frozen=True)
class OddSignature:
    """A record that is signed oddly."""

    name: str
    key: bytes
    signature: bytes
    body: bytes

    @property
    def signed(self) -> bytes:
        return _signed(self.key, self.body)

    @property
    def frame(self) -> bytes:
        head = b"CFR1\x01" + self.key + self.signature
        return head + _with_length(_DOMAIN, 2) + _with_length(self.body, 4)


def all_cases() -> Iterator[OddSignature]:
    """Yield the cases 0 to 11."""
    yield from _of_small_and_mixed_order()
    yield from _with_large_s()
    yield from _with_encodings_that_are_not_canonical()


def _of_small_and_mixed_order() -> Iterator[OddSignature]:
    small, small_part = encode(ORDER_8), ORDER_8
    key = encode(add(multiply(_SECRET, BASE), small_part))
    r = encode(add(multiply(_NONCE, BASE), small_part))
    plain_r = encode(multiply(_NONCE, BASE))

    def vanish(h: int) -> bool:
        """The parts of small order cancel: the equation holds as it stands."""
        return (h + 1) % 8 == 0

    def remain(h: int) -> bool:
        """They do not, nor if 8h is reduced first: it holds only times 8."""
        return h % 8 not in (0, 7) and 8 * h % L % 8 != 0

    yield _make("0: key and R of small order, S = 0", small, small, lambda _: 0, vanish)
    yield _make("1: key of small order, R of mixed", small, r, lambda _: _NONCE, vanish)
    yield _make("2: key of mixed order, R of small", key, small, lambda h: h * _SECRET, vanish)
    yield _make("3: key and R of mixed order", key, r, _ordinary, vanish)
    yield _make("4: key and R of mixed order, holds only times 8", key, r, _ordinary, remain)
    yield _make("5: key of mixed order, holds only times 8", key, plain_r, _ordinary, remain)


def _with_large_s() -> Iterator[OddSignature]:
    key, r = encode(multiply(_SECRET, BASE)), encode(multiply(_NONCE, BASE))

    def reduced(h: int) -> int:
        return _ordinary(h) % L

    def largest(h: int) -> int:
        return reduced(h) + (2**256 - 1 - reduced(h)) // L * L

    yield _make("6: S + L", key, r, lambda h: reduced(h) + L, _always, reduce=False)
    yield _make("7: S + the largest multiple of L", key, r, largest, _always, reduce=False)


def _with_encodings_that_are_not_canonical() -> Iterator[OddSignature]:
    """A y of P or more, which stands for y - P."""
    mixed_key = encode(add(multiply(_SECRET, BASE), ORDER_8))
    one = _Encodings((P + 1).to_bytes(32, "little"), encode(IDENTITY))
    zero = _Encodings(P.to_bytes(32, "little"), bytes(32))  # a point of order 4
    mixed_r = encode(add(multiply(_NONCE, BASE), decode(zero.canonical)))

    def for_r(h: int) -> int:
        return h * _SECRET

    def for_key(_h: int) -> int:
        return _NONCE

    def no_small_part(h: int) -> bool:
        return h % 8 == 0

    def vanish(h: int) -> bool:
        return (h + 1) % 4 == 0

    for name, hashed, other in (
        ("8: R not canonical, hashed as if it were", one.canonical, one.sent),
        ("9: R not canonical, hashed as it is", one.sent, one.canonical),
    ):
        yield _make(
            name, mixed_key, one.sent, for_r, no_small_part, hashed_r=hashed, unless_r=other
        )
    for name, hashed, other in (
        ("10: key not canonical, hashed as if it were", zero.canonical, zero.sent),
        ("11: key not canonical, hashed as it is", zero.sent, zero.canonical),
    ):
        yield _make(name, zero.sent, mixed_r, for_key, vanish, hashed_key=hashed, unless_key=other)


@dataclass(frozen=True)
class _Encodings:
    sent: bytes
    canonical: bytes


def _ordinary(h: int) -> int:
    return _NONCE + h * _SECRET


def _always(_h: int) -> bool:
    return True


def _make(
    name: str,
    key: bytes,
    r: bytes,
    s: OfChallenge,
    condition: Condition,
    *,
    reduce: bool = True,
    hashed_key: bytes = b"",
    hashed_r: bytes = b"",
    unless_key: bytes = b"",
    unless_r: bytes = b"",
) -> OddSignature:
    """Try bodies until the challenge h meets the condition, and sign that one with `s(h)`.

    `hashed_…` goes into the challenge instead of what is sent; with `unless_…` in its place
    the condition must fail, so that the case tells one kind of library from the other.
    """
    for number in range(128):
        body = b"\x81\xa1n" + bytes([number])
        text = _signed(key, body)
        h = challenge(hashed_r or r, hashed_key or key, text)
        if unless_key + unless_r and condition(challenge(unless_r or r, unless_key or key, text)):
            continue
        if condition(h):
            half = s(h) % L if reduce else s(h)
            return OddSignature(name, key, r + half.to_bytes(32, "little"), body)
    raise AssertionError(f"{name}: no body of 128 would do")


def _signed(key: bytes, body: bytes) -> bytes:
    return b"CFSIG1\0" + _with_length(_DOMAIN, 2) + key + _with_length(body, 4)


def _with_length(part: bytes, length_bytes: int) -> bytes:
    return len(part).to_bytes(length_bytes, "big") + part
