"""What is fuzzed: one target for each way in which bytes of strangers are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from commonfab.protocol.errors import PeerError

Feed = Callable[[bytes], object]
"""Reads one frame as the node would. What it returns is not looked at."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A frame may be refused with one of `refusals`; any other exception is a defect."""

    name: str
    reads: tuple[str, ...]
    """The functions that it goes through, as `package/module.py:name`."""
    serves: tuple[str, ...] = ()
    """The constants that name the protocols whose handlers read such frames, likewise."""
    samples: Callable[[Random], Sequence[bytes]]
    """Frames in form."""
    opened: Callable[[], Feed]
    """Makes what reads them, in a fresh state."""
    refusals: tuple[type[Exception], ...] = (PeerError,)
