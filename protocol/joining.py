"""Parts that are made of the others: an assembly, and what is welded together."""

from collections.abc import Sequence

from .records import Part

JOINING = frozenset({"assembly", "mechanical-assembly", "welding"})
"""Processes that make one thing of several parts."""


def joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return those parts of a design that are made of its others; none, if it has no others."""
    found = tuple(part for part in parts if part.process in JOINING)
    return found if len(found) < len(parts) else ()
