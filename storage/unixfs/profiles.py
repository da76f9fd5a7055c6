"""How a folder of files becomes blocks, by name: two profiles give one file two CIDs.

The first two are those of IPIP-499, the third is what Kubo does when it is only told to use
CIDs of version 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from commonfab.protocol.errors import UsageError

from ..cid import Version


@dataclass(frozen=True, slots=True)
class Profile:
    """What decides the CIDs of a design, beside its files."""

    chunk_bytes: int
    width: int
    """Links of one node of a file."""
    raw_leaves: bool
    cid_version: Version
    folder_size: Literal["links", "block"]
    """What of a folder must not exceed `FOLDER_BYTES_MAX`: its names and CIDs, or its block."""


PROFILES: Final[Mapping[str, Profile]] = {
    "unixfs-v0-2015": Profile(
        256 * 1024, 174, raw_leaves=False, cid_version=0, folder_size="links"
    ),
    "unixfs-v1-2025": Profile(1024**2, 1024, raw_leaves=True, cid_version=1, folder_size="block"),
    "kubo-cidv1": Profile(256 * 1024, 174, raw_leaves=True, cid_version=1, folder_size="links"),
}
DEFAULT_PROFILE: Final = "unixfs-v1-2025"


def profile_named(name: str) -> Profile:
    """Return a profile; `UsageError` names those that there are."""
    if name not in PROFILES:
        raise UsageError(f"no profile is called {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]
