"""Weights by name: what a buyer may ask for in a word, and what a community adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from commonfab.protocol.errors import UsageError

from .weights import Weights

USUAL = "mine"
"""What is used where the settings name no other: what they change of it is all it says."""

BUILT_IN: Mapping[str, Mapping[str, float]] = {
    "cheap": {"waiting_minor_per_hour": 1.0, "carbon_minor_per_kg": 0.0},
    "fast": {"waiting_minor_per_hour": 200.0, "lateness_minor_per_hour": 2_000.0},
    "near": {"transport_minor_per_km": 20.0},
    "green": {"carbon_minor_per_kg": 3_000.0, "waiting_minor_per_hour": 1.0},
    USUAL: {},
}
"""What each changes of the default: tens of times more or less of what it is called after.
Conventions of ours."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """Those of one node."""

    currency: str = "EUR"
    own: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    """What its settings change or add: a name of a built-in one changes that."""
    usual: str = USUAL

    def names(self) -> list[str]:
        return list(dict.fromkeys([*BUILT_IN, *self.own]))

    def weights(self, name: str) -> Weights:
        """Return a profile's weights; the empty name is that of the usual one.

        Raises `UsageError` for a name that there is not, and for a number that is no weight.
        """
        name = name or self.usual
        if name not in BUILT_IN and name not in self.own:
            raise UsageError(f"{name}: no such profile; there are {', '.join(self.names())}")
        changes = {**BUILT_IN.get(name, {}), **self.own.get(name, {})}
        known = [each.name for each in fields(Weights) if each.name != "currency"]
        for weight in changes:
            if weight not in known:
                raise UsageError(f"{weight}: no such weight; there are {', '.join(known)}")
        return Weights(currency=self.currency, **changes)
