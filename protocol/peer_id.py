"""How a node's key is written where libp2p's names are used: `12D3Koo…`.

A peer id is a multihash; for an Ed25519 key it is the `identity` one, so the key itself stands
in it and can be read back (libp2p specs, peer-ids/peer-ids.md). This does without the library,
which takes a second to import.
"""

from .errors import Malformed, UsageError
from .ids import NODE_ID_BYTES, NodeId

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {letter: digit for digit, letter in enumerate(_ALPHABET)}

_PREFIX = bytes([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])
"""Identity multihash of 36 bytes; in them, a protobuf with key type 1 (Ed25519) and 32 bytes."""

_HASHED_LENGTH = 46
"""The id of a longer key is its hash, from which nobody can get the key."""
_TEXT_LENGTH = 52
"""The prefix fixes the size of the number, so every such peer id has this many letters."""


def peer_text(node: NodeId) -> str:
    """Return the peer id of a node's key, as people and multiaddrs write it."""
    return _base58(peer_bytes(node))


def parse_peer(text: str) -> NodeId:
    """Return the key in a peer id, or raise `UsageError` if it is not one of an Ed25519 key."""
    if len(text) == _HASHED_LENGTH and text.startswith("Qm"):
        raise UsageError(f"{text} is a peer id, but not one of an Ed25519 key; it may be of RSA")
    if len(text) != _TEXT_LENGTH or not all(letter in _DIGITS for letter in text):
        raise UsageError(f"{text!r:.80} is not a peer id; one looks like 12D3KooW… (52 letters)")
    number = 0
    for letter in text:
        number = number * 58 + _DIGITS[letter]
    size = len(_PREFIX) + NODE_ID_BYTES
    data = number.to_bytes(size, "big") if number.bit_length() <= size * 8 else b""
    if not data.startswith(_PREFIX) or _base58(data) != text:
        raise UsageError(f"{text} is a peer id, but not one of an Ed25519 key")
    return NodeId(data[len(_PREFIX) :])


def peer_bytes(node: NodeId) -> bytes:
    """Return the peer id of a node's key as libp2p sends it."""
    assert len(node) == NODE_ID_BYTES
    return _PREFIX + node


def read_peer_bytes(data: bytes) -> NodeId:
    """Return the key in a peer id, or raise `Malformed` if it is not one of an Ed25519 key."""
    if len(data) != len(_PREFIX) + NODE_ID_BYTES or not data.startswith(_PREFIX):
        raise Malformed(f"not the peer id of an Ed25519 key: {data.hex():.80}")
    return NodeId(data[len(_PREFIX) :])


def _base58(data: bytes) -> str:
    zeros = len(data) - len(data.lstrip(b"\0"))
    number = int.from_bytes(data, "big")
    letters: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    return "1" * zeros + "".join(reversed(letters))
