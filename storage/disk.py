"""How the disk says no, in this program's words."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from .ports import StoreBroken, StoreFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def reporting(path: str, way_out: str = "") -> Generator[None]:
    """Turn every `OSError` of the block into `StoreFull` or `StoreBroken` about `path`.

    `way_out`: what to do; without one, the path is in this node's home.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise (StoreFull(path, way_out) if way_out else StoreFull(path)) from error
        why = error.strerror or repr(error)
        raise StoreBroken(path, f"{why}; {way_out}" if way_out else why) from error
