"""Ways to have an order made: values that read the same everywhere.

Made in `choosing.py`; the command line and the page show them as they are. Nothing heavy is
imported here, so that a command reads them quickly. Times are milliseconds since 1970,
money is in minor units, rounded up.
"""

from msgspec import Struct


class Making(Struct, frozen=True):
    """One job on one machine."""

    part: str
    pieces: int
    owner: str
    """The node's key, hexadecimal."""
    workshop: str
    machine: str
    start_ms: int
    ready_ms: int
    arrival_ms: int
    """Where the parts come together."""
    price_minor: int
    """Machine, material and energy."""
    transport_minor: int
    distance_m: int | None
    """To where the parts come together; None: the workshop has not said where it is."""
    mass_mg: int
    co2e_mg: int
    """Of machine and transport."""


class Journey(Struct, frozen=True):
    """What goes from one workshop to where the parts come together, or from there to the buyer."""

    workshop: str
    owner: str
    goods: tuple[str, ...]
    """Each as "4 x hook"."""
    deliveries: int
    distance_m: int | None
    mass_mg: int
    arrival_ms: int


class Way(Struct, frozen=True):
    """One way to have it all made."""

    profiles: tuple[str, ...]
    """What has to count how much for this way to be the best: one name is enough."""
    currency: str
    price_minor: int
    """Of making and transport."""
    there_ms: int
    """When the last of it is at the buyer's."""
    co2e_mg: int
    makings: tuple[Making, ...]
    journeys: tuple[Journey, ...]
    joined_by: str
    """The workshop that puts the parts together; empty: the buyer does, or there is one part."""
    late_ms: int
    """How far `there_ms` is beyond the date that was asked for; 0: in time."""


class Ways(Struct, frozen=True):
    """Those of which no other is cheaper, sooner and better for the climate, the cheapest first."""

    at: int
    """When the machines were compared."""
    ways: tuple[Way, ...]
