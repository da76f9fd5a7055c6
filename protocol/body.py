"""What all records are made of: values, and the fields that every body begins with."""

from typing import Annotated

from msgspec import Meta, Struct

from .fields import Count, Name


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a record. What equals its default is left out of the encoding."""


class Body(Value, frozen=True, kw_only=True):
    """What every record begins with."""

    stream: Name
    """The kind, alone or followed by "/" and what tells the author's streams of it apart."""
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    at: Count
    """When the author says that it was signed."""
    until: Count = 0
    """When it stops being true; 0: never."""
