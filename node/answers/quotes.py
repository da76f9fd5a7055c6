"""What a running node answers about prices: what making a design would take, and why so."""

from msgspec import Struct

from .node import Answer

Range = tuple[int, int]


class PartQuote(Answer, frozen=True, kw_only=True):
    """Some pieces of one part on one machine; money in hundredths, time in seconds."""

    part: str
    pieces: int
    workshop: str
    machine: str
    why_not: str = ""
    """Why this machine cannot; then the rest says nothing."""
    plates: int = 0
    """0: it is not known how many pieces are made at once."""
    seconds: int = 0
    seconds_range: Range = (0, 0)
    """Eight of ten such jobs lie in it; so for mass and price."""
    mass_mg: int = 0
    mass_range: Range = (0, 0)
    energy_mwh: int = 0
    co2e_mg: int = 0
    price_minor: int = 0
    price_range: Range = (0, 0)
    currency: str = ""
    basis: str = ""
    """What it rests on: "mesh", "sliced", "the design says", each with "corrected by N jobs"."""
    risks: tuple[str, ...] = ()


class Quoted(Answer, frozen=True, kw_only=True):
    design: str
    quantity: int
    quotes: tuple[PartQuote, ...]


class QuoteWanted(Struct, forbid_unknown_fields=True):
    design: str
    quantity: int = 1
    machine: str = ""
    """One of this node's; empty: any."""
    workshop: str = ""
    """Name or peer id; empty: this node's, or where it has no machine, all that are known."""
    everywhere: bool = False
    """All workshops that are known."""
    slice: bool = False
    """Slice for this node's machines that can, and have not."""
