"""How the disk says no, in this program's words."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from .ports import StoreBroken, StoreFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def reporting(path: str) -> Generator[None]:
    """Turn every `OSError` of the block into `StoreFull` or `StoreBroken` about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull(path) from error
        raise StoreBroken(path, error.strerror or repr(error)) from error
