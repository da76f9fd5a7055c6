"""One workshop as the view knows it, but for the columns of its machines."""

from dataclasses import dataclass

from .places import Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    name: str = ""
    place: Vector | None = None
    standing: float
    tier: int = 0
    """As in columns.py."""
    place_until: int = 0
    """When its workshop record expires; 0: never."""
    machines: tuple[int, ...] = ()
    """Rows, as are the stocks."""
    stocks: tuple[int, ...] = ()
    power: str = ""
    """What a kilowatt-hour costs the climate there, in words."""
