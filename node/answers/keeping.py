"""What a running node answers about what it keeps; an interface, as in node.py."""

from .node import Answer


class PinLine(Answer, frozen=True):
    """A tree that a reason holds."""

    root: str
    name: str
    """Of the design; empty where its record is not known here."""
    reasons: list[str]
    """mine, wished, promised, in use"""
    is_here: bool
    """Whether all of it is on this node's disk."""
    until: int = 0
    """Of this node's promise; 0: there is none."""


class Dropped(Answer, frozen=True):
    root: str
    name: str
    was_held: bool
    reasons: list[str]
    """That hold it still."""


class CollectedLine(Answer, frozen=True):
    is_dry_run: bool
    before_bytes: int
    after_bytes: int
    held_bytes: int
    """Of what a reason holds."""
    quota_bytes: int
    blocks: int
    spared: int
    roots: list[str]
    """Trees that were removed, the one used last first."""
    has_hole: bool
    """A block is lost that leads to others, so nothing was removed."""


class ScrubbedLine(Answer, frozen=True):
    started: int
    ended: int
    blocks: int
    bytes: int
    damaged: int
    unmended: int
    """Damaged blocks that no connected peer has."""


class KeepingState(Answer, frozen=True):
    """How well this node keeps what it keeps."""

    here_bytes: int
    quota_bytes: int
    scrub_started: int
    """Of the last pass, or of the one under way; 0: there was none."""
    scrub_ended: int
    """0: it is under way."""
    unmended: int
    """Damaged blocks that no connected peer has."""
    promised: int
    """Trees that this node has promised to keep."""
    checked: int
    """Promises of others that this node checks."""
    failing: list[str]
    """Of these, what fails: each with its holder's name, and the tree's."""


class HolderLine(Answer, frozen=True):
    node: str
    name: str
    until: int
    condition: str
    """kept, unchecked, off grid, failed"""
    passed_at: int
    """When it last proved that it has the tree; 0: never."""
    failures: int


class ReplicasLine(Answer, frozen=True):
    """The copies of one tree."""

    root: str
    name: str
    reasons: list[str]
    copies: int
    """This node's own among them, where it holds one for a reason."""
    places: int
    off_grid: int
    only_copy: str
    """It is "you", if this node has the only copy that is not off grid."""
    holders: list[HolderLine]
