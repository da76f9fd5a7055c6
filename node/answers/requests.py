"""What a node answers about requests that wait for a person."""

from msgspec import Struct


class RequestLine(Struct, frozen=True, kw_only=True):
    """One request on which a person is to decide."""

    id: str
    buyer: str
    buyer_name: str
    part: str
    design: str
    """Empty: its record is not known here."""
    material: str
    pieces: int
    seconds: int
    """Machine time at ordinary speed."""
    by: int
    """When it should be there; 0: no date."""
    at: int
    until: int
    """When it lapses, if nobody decides."""
