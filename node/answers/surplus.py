"""What a node answers about pieces that were made on its machines and that nobody took."""

from msgspec import Struct


class SurplusLine(Struct, frozen=True, kw_only=True):
    """One job with good pieces over and above those that were taken."""

    lease: str
    buyer: str
    buyer_name: str
    machine: str
    part: str
    design: str
    """Its record's id."""
    design_name: str
    """Empty: its record is not known here."""
    material: str
    pieces: int
    mass_mg: int
    """Of these pieces, as their share of the job."""
    at: int
    """When they were made."""
