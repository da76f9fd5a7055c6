"""What the runs have to reach, and whether they do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .letters import MAKING, NEGOTIATING
from .ways import Ran, Setting, Way

CENTRAL_MAX = 1.03
NEGOTIATING_MAX = 8.0
MAKING_MAX = 4.0
BETTER_MIN: dict[Way, float] = {Way.NEAREST: 1.3, Way.SPARROW: 1.5, Way.RANDOM: 1.7}
LIARS_MAX = 1.05
CUT_MAX = 1.02


@dataclass(frozen=True, slots=True)
class Gate:
    """One figure over several runs, of which the worst counts."""

    what: str
    is_upper: bool
    """The bound is the most it may be; else the least."""
    bound: float
    values: list[float]

    @property
    def worst(self) -> float:
        return max(self.values) if self.is_upper else min(self.values)

    @property
    def is_held(self) -> bool:
        return self.worst <= self.bound if self.is_upper else self.worst >= self.bound


def gates(ran: Sequence[Ran]) -> list[Gate]:
    """Return the gates that these runs say something about."""
    of = {(each.setting, each.way): each for each in ran}
    plain = [each for each in ran if each.way is Way.COMMONFAB]
    found = [
        Gate(
            "cost, to CENTRAL's", True, CENTRAL_MAX, _ratios(of, plain, Way.CENTRAL, is_other=False)
        ),
        *(
            Gate(f"{way}: cost, to commonfab's", False, least, _ratios(of, plain, way))
            for way, least in BETTER_MIN.items()
        ),
        Gate("letters to negotiate, a job", True, NEGOTIATING_MAX, _said(plain, NEGOTIATING)),
        Gate("letters to start and finish, a job", True, MAKING_MAX, _said(plain, MAKING)),
        Gate(
            "cost with one in ten lying, to without", True, LIARS_MAX, _ratios(of, plain, Way.LIARS)
        ),
        Gate("cost with a day's cut, to without", True, CUT_MAX, _ratios(of, plain, Way.CUT)),
    ]
    return [gate for gate in found if gate.values]


def _ratios(
    of: dict[tuple[Setting, Way], Ran], plain: Iterable[Ran], way: Way, *, is_other: bool = True
) -> list[float]:
    """Return what another way costs for each EUR of commonfab, or the other way round."""
    found: list[float] = []
    for ours in plain:
        other = of.get((ours.setting, way))
        if other is not None:
            ratio = other.result.eur / ours.result.eur
            found.append(ratio if is_other else 1 / ratio)
    return found


def _said(plain: Iterable[Ran], kinds: frozenset[str]) -> list[float]:
    return [sum(number for kind, number in each.letters.items() if kind in kinds) for each in plain]
