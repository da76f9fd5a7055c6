"""Sealed for one node: what a file's bytes become that only its addressee can open.

    file    head 72 | chunk …
    head    "CFSEAL1\\n" | addressee's key 32 | one-time X25519 key 32
    chunk   64 KiB of the text (the last one: 0 to 64 KiB) and a tag of 16 bytes
    text    u64 length | content | zeros, so that only the size's first digits can be told

The key of a file comes from X25519 between the one-time key and the addressee's node key, and
BLAKE2b over that and the head. Chunks are ChaCha20-Poly1305 (RFC 8439); the nonce is the
chunk's number and whether it is the last, so none can be moved, left out or cut off unseen.
Nothing here says who sealed it: that stands inside, signed. Rules: specs/bundle.md.
"""

from collections.abc import Callable
from hashlib import blake2b

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_sign_ed25519_pk_to_curve25519,
)
from nacl.exceptions import CryptoError

from ..errors import Malformed, UsageError
from ..ids import NODE_ID_BYTES, NodeId

SEALED_MAGIC = b"CFSEAL1\n"
SEALED_HEAD_BYTES = 72
SEALED_CHUNK_BYTES = 64 * 1024
SEALED_TAG_BYTES = 16
SECRET_BYTES = 32

_LENGTH_BYTES = 8
_KEY_AT = len(SEALED_MAGIC) + NODE_ID_BYTES

Agree = Callable[[bytes], bytes]
"""Returns the X25519 secret that this node's key shares with a public one."""


def seal_for(to: NodeId, one_time: bytes) -> tuple[bytes, bytes]:
    """Return the head and the key of a file for `to`. `one_time`: 32 random bytes, never used
    again. Raises `UsageError` if nothing can be sealed for such a key."""
    assert len(one_time) == SECRET_BYTES
    head = SEALED_MAGIC + to + crypto_scalarmult_base(one_time)
    try:
        shared = crypto_scalarmult(one_time, crypto_sign_ed25519_pk_to_curve25519(to))
    except CryptoError as error:
        raise UsageError("nothing can be sealed for this key: it is none of a node") from error
    return head, _key(head, shared)


def addressee(head: bytes) -> NodeId:
    """Return for whom a file is sealed, or raise `Malformed` if it is no sealed file."""
    if len(head) < SEALED_HEAD_BYTES or not head.startswith(SEALED_MAGIC):
        raise Malformed("not a sealed file")
    return NodeId(head[len(SEALED_MAGIC) : _KEY_AT])


def key_of(head: bytes, agree: Agree) -> bytes:
    """Return the key of a file that is sealed for the node whose `agree` this is."""
    addressee(head)
    try:
        return _key(head[:SEALED_HEAD_BYTES], agree(head[_KEY_AT:SEALED_HEAD_BYTES]))
    except CryptoError as error:
        raise Malformed("a sealed file with a one-time key that is none") from error


def seal_chunk(key: bytes, index: int, data: bytes, *, is_last: bool) -> bytes:
    assert len(data) <= SEALED_CHUNK_BYTES
    return crypto_aead_chacha20poly1305_ietf_encrypt(data, None, _nonce(index, is_last), key)


def open_chunk(key: bytes, index: int, sealed: bytes, *, is_last: bool) -> bytes:
    """Return what was sealed, or raise `Malformed` if this is not it."""
    if len(sealed) < SEALED_TAG_BYTES:  # The library does not look.
        raise Malformed(f"sealed part {index + 1} is cut off")
    try:
        return crypto_aead_chacha20poly1305_ietf_decrypt(sealed, None, _nonce(index, is_last), key)
    except CryptoError as error:
        raise Malformed(f"sealed part {index + 1} was changed, or the file was cut") from error


def start_of_text(content_bytes: int) -> bytes:
    """Return what stands before the content."""
    return content_bytes.to_bytes(_LENGTH_BYTES, "big")


def content_length(start: bytes) -> int:
    """Return the length of the content, from the text's first bytes. A file that was cut has
    less of it. Raises `Malformed` for more than a file can hold."""
    length = int.from_bytes(start[:_LENGTH_BYTES], "big")
    if len(start) < _LENGTH_BYTES or length >> 62:
        raise Malformed("a sealed file that claims more than a file can hold")
    return length


def text_length(content_bytes: int) -> int:
    """Return the bytes of the whole text: rounded up so that at most its highest bits count,
    which adds an eighth at most, and little to what is large (the scheme Padmé)."""
    return padded(content_bytes + _LENGTH_BYTES)


def padded(length: int) -> int:
    step = _step(length)
    return -(-length // step) * step


def sealed_length(content_bytes: int) -> int:
    """Return the bytes of the file for a content of so many."""
    text = text_length(content_bytes)
    return SEALED_HEAD_BYTES + text + SEALED_TAG_BYTES * chunks_of(text)


def chunks_of(text_bytes: int) -> int:
    return max(1, -(-text_bytes // SEALED_CHUNK_BYTES))


def room_for_content(file_bytes: int) -> int:
    """Return the longest content of which the sealed file has at most `file_bytes`; may be
    negative."""
    whole = SEALED_CHUNK_BYTES + SEALED_TAG_BYTES
    chunks, rest = divmod(file_bytes - SEALED_HEAD_BYTES, whole)
    text = chunks * SEALED_CHUNK_BYTES + max(0, rest - SEALED_TAG_BYTES)
    return (text // _step(text) * _step(text) if text > 0 else text) - _LENGTH_BYTES


def chunks_in_file(file_bytes: int) -> int:
    """Return how many chunks a file of so many bytes has; the last of one that was cut is
    another one than was sealed."""
    return max(1, -(-(file_bytes - SEALED_HEAD_BYTES) // (SEALED_CHUNK_BYTES + SEALED_TAG_BYTES)))


def _step(length: int) -> int:
    """Return the power of two that a text of this length is a multiple of (Padmé)."""
    if length < 2:
        return 1
    exponent = length.bit_length() - 1
    return 1 << (exponent - exponent.bit_length())


def _nonce(index: int, is_last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([is_last])


def _key(head: bytes, shared: bytes) -> bytes:
    return blake2b(head + shared, digest_size=32, person=b"commonfab seal 1").digest()
