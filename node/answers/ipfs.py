"""What a running node answers about Kubo and pinning services, as typed values."""

from .node import Answer


class StoreLine(Answer, frozen=True):
    """One of the places where this node keeps blocks."""

    name: str
    """embedded, kubo"""
    place: str
    blocks: int
    size_bytes: int


class KuboLine(Answer, frozen=True):
    """What Kubo says of itself. All that it has, not only what this node keeps there."""

    version: str
    id: str
    peers: int
    repo_bytes: int
    repo_bytes_max: int
    blocks: int
    received_bytes: int
    sent_bytes: int
    is_synced: bool
    """False: it acknowledges a block before the disk has it."""


class IpfsStatus(Answer, frozen=True):
    stores: list[StoreLine]
    kubo: KuboLine | None
    """Nothing if none is configured, or it is away."""
    trouble: str
    """Why Kubo is not used; empty if it is, or if none is configured."""
    takes_new: str
    """embedded, kubo: where new blocks go."""
    services: list[str]


class Imported(Answer, frozen=True):
    root: str
    blocks: int
    size_bytes: int


class Exported(Answer, frozen=True):
    root: str
    to: str
    """A folder, or "kubo"."""
    files: int
    """Written; 0 for Kubo."""
    blocks: int
    """Given to Kubo; 0 for a folder."""
    size_bytes: int


class Migrated(Answer, frozen=True):
    to: str
    blocks: int
    copied: int
    verified: int
    size_bytes: int
    deleted: int
    left: list[str]
    """Still where they were: damaged, or not for Kubo."""


class KuboCollected(Answer, frozen=True):
    blocks: int


class RemotePin(Answer, frozen=True):
    service: str
    root: str
    name: str
    status: str
    """queued, pinning, pinned, failed"""
    created: str


class RemoteUnpinned(Answer, frozen=True):
    service: str
    root: str
    requests: int
