"""What a node answers about designs that are made to measure."""

from msgspec import Struct


class Measure(Struct, frozen=True, kw_only=True):
    """One thing that a buyer chooses."""

    name: str
    title: str
    about: str
    limits: str
    """In words, with the unit."""
    example: str
    """What it is in the design's own files."""
