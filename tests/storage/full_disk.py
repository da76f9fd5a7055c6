"""A disk that is full, as far as this process can tell."""

import resource
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def files_limited_to(size: int) -> Generator[None]:
    """Let this process write no file beyond this size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
