"""The content of the files in specs/vectors/unixfs.json, made on the spot."""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20


class Content:
    """A file that is not there: the first `size` bytes of the key stream that `seed` names."""

    def __init__(self, seed: str, size: int) -> None:
        key = hashlib.sha256(seed.encode()).digest()
        self._stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
        self._left = size

    def read(self, size: int, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return self._stream.update(bytes(size))


def content(seed: str, size: int) -> bytes:
    return Content(seed, size).read(size)
