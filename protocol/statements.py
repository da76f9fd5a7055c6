"""The kinds of records in which nodes say what they think of each other, and what they promise."""

from typing import Annotated, Literal

from msgspec import Meta

from .body import Body, Value
from .fields import Cid, Count, Node, Text
from .limits import DENIALS_MAX


class Vouch(Body, frozen=True, kw_only=True):
    """The author knows a node and stands up for it. The newest in its stream counts, which is
    "vouch/" and the subject in hexadecimal."""

    subject: Node
    weight_permille: Annotated[int, Meta(ge=0, le=1000)]
    """How far the author would trust it with a job of its own; 0 takes the vouch back."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    """What for, in words for people."""


class Denial(Value, frozen=True, kw_only=True):
    """Something that the author of a deny-list will have nothing to do with."""

    what: Literal["author", "design", "root"]
    name: Annotated[bytes, Meta(min_length=4, max_length=80)]
    """A node, a design's record, or the CID of a root as version 1."""
    reason: Annotated[str, Meta(max_length=200)] = ""


class Denylist(Body, frozen=True, kw_only=True):
    """What the author denies. Nobody is held to it who has not subscribed to it."""

    entries: Annotated[tuple[Denial, ...], Meta(max_length=DENIALS_MAX)]


class Revocation(Body, frozen=True, kw_only=True):
    """The author's own key is not to be trusted from `since` on."""

    since: Count
    reason: Text


class Replica(Body, frozen=True, kw_only=True):
    """The author promises to keep a tree of blocks until `until`, and to prove it when asked.
    The stream is made from the root (specs/keeping.md); the newest in it counts."""

    root: Cid
    """As version 1, so that it is one root to all."""
    size_bytes: Count
    """About how much it is."""
    withdrawn: bool = False
    """The promise is taken back; `until` is that of the promise."""
