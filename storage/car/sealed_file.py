"""A file sealed for one node, written and read a chunk at a time (protocol/carrying/sealing.py).

The writer stands between whoever writes a file and the file; the reader gives back what was
written as a file that can be read from anywhere, and holds one chunk.
"""

import errno
import io
import os
from typing import BinaryIO, Protocol

from commonfab.protocol.carrying import sealing
from commonfab.protocol.carrying.sealing import (
    SEALED_CHUNK_BYTES,
    SEALED_HEAD_BYTES,
    SEALED_TAG_BYTES,
)
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId

_WHOLE_BYTES = SEALED_CHUNK_BYTES + SEALED_TAG_BYTES


class Sink(Protocol):
    """Where a file is written to."""

    @property
    def size_bytes(self) -> int:
        """Written so far."""
        ...

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None:
        """Have it whole and durable."""
        ...

    def close(self) -> None: ...


class SealedSink:
    """Seals what is written, and writes it on."""

    def __init__(self, sink: Sink, to: NodeId, one_time: bytes, content_bytes: int) -> None:
        """`content_bytes`: what will be written, in all."""
        head, self._key = sealing.seal_for(to, one_time)
        self._sink = sink
        self._waiting = bytearray(sealing.start_of_text(content_bytes))
        self._index = 0
        self._left = content_bytes
        self._padding = sealing.text_length(content_bytes) - content_bytes - len(self._waiting)
        sink.write(head)

    @property
    def size_bytes(self) -> int:
        """Written so far, of the sealed file."""
        return self._sink.size_bytes

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        assert self._left >= 0
        self._add(data)

    def finish(self) -> None:
        assert self._left == 0
        while self._padding:
            zeros = min(self._padding, SEALED_CHUNK_BYTES)
            self._padding -= zeros
            self._add(bytes(zeros))
        self._put(bytes(self._waiting), is_last=True)
        self._sink.finish()

    def close(self) -> None:
        self._sink.close()

    def _add(self, data: bytes) -> None:
        self._waiting += data
        at = 0
        # The last chunk is known as such only in the end, so one always waits.
        while len(self._waiting) - at > SEALED_CHUNK_BYTES:
            self._put(bytes(self._waiting[at : at + SEALED_CHUNK_BYTES]), is_last=False)
            at += SEALED_CHUNK_BYTES
        del self._waiting[:at]

    def _put(self, data: bytes, *, is_last: bool) -> None:
        self._sink.write(sealing.seal_chunk(self._key, self._index, data, is_last=is_last))
        self._index += 1


class SealedSource(io.RawIOBase):
    """The content of a sealed file. A part that was changed reads as a disk that fails."""

    def __init__(self, file: BinaryIO, size_bytes: int, agree: sealing.Agree) -> None:
        """Raises `Malformed` if it is no sealed file, or not one for this node."""
        super().__init__()
        self._file = file
        file.seek(0)
        self._key = sealing.key_of(file.read(SEALED_HEAD_BYTES), agree)
        self._is_here = (-1, b"")
        self._start = len(sealing.start_of_text(0))
        self._chunks = sealing.chunks_in_file(size_bytes)
        self.content_bytes = sealing.content_length(self._chunk(0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.content_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self.content_bytes - self._at)
        wanted = left if size < 0 else min(size, left)
        found = bytearray()
        while len(found) < wanted:
            index, at = divmod(self._start + self._at, SEALED_CHUNK_BYTES)
            if index >= self._chunks:
                break
            piece = self._opened(index)[at : at + wanted - len(found)]
            if not piece:
                break
            found += piece
            self._at += len(piece)
        return bytes(found)

    def _opened(self, index: int) -> bytes:
        try:
            return self._chunk(index)
        except Malformed as error:
            raise OSError(errno.EIO, str(error)) from error

    def _chunk(self, index: int) -> bytes:
        if self._is_here[0] != index:
            self._file.seek(SEALED_HEAD_BYTES + index * _WHOLE_BYTES)
            sealed = self._file.read(_WHOLE_BYTES)
            is_last = index == self._chunks - 1
            data = sealing.open_chunk(self._key, index, sealed, is_last=is_last)
            self._is_here = (index, data)
        return self._is_here[1]
