"""What a node answers about whom a design owes what."""

from typing import Literal

from msgspec import Struct


class Work(Struct, frozen=True, kw_only=True):
    """A design that is owed something, or that one who makes it is owed by."""

    id: str
    """Of its record."""
    relation: Literal["", "fork", "remix"]
    """How the design above it came from it; empty: it is the design that was asked for."""
    below: int
    """How many steps of descent it is away."""
    name: str = ""
    """Empty: its record is not known here."""
    version: str = ""
    licence: str = ""
    licensor: str = ""
    duties: list[str] = []
    """In sentences, for whoever makes, changes or sells it."""


class Attribution(Struct, frozen=True, kw_only=True):
    """Who is to be named with a design, and what its licences ask."""

    works: list[Work]
    conflicts: list[str]
    """Where a design gives more than what it was made from lets it."""
