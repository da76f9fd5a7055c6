"""The ways to place the jobs of a town, each run on its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .central import Central
from .floor import Floor, Made, Planner, Result, result_of
from .network import Cut, Network
from .pairs import Pairs, pairs_of
from .simple import AtRandom, NearestEarliest, Sparrow
from .town import Town, a_town


class Way(StrEnum):
    COMMONFAB = "commonfab"
    CENTRAL = "CENTRAL, all-knowing"
    NEAREST = "earliest of the 8 nearest"
    SPARROW = "Sparrow, two probes"
    RANDOM = "random that fits"
    LIARS = "commonfab, one in ten lies"
    CUT = "commonfab, cut for a day"


Road = tuple[float, float, float, float]
"""From where to where a job went: longitude and latitude, twice; in degrees."""
LIARS = 0.1
DAYS = 3.0
QUICK_DAYS = 0.4
_LINES_MAX = 1_500

_PLANNERS: dict[Way, Callable[[Town, Pairs], Planner]] = {
    Way.CENTRAL: Central,
    Way.NEAREST: lambda _, pairs: NearestEarliest(pairs),
    Way.SPARROW: lambda _, pairs: Sparrow(pairs),
    Way.RANDOM: lambda _, pairs: AtRandom(pairs),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One town."""

    seed: int
    load: float
    is_quick: bool = False
    """A small town."""
    days: float = DAYS
    """Of orders."""

    def town(self) -> Town:
        shops = 10 if self.is_quick else 500
        return a_town(self.seed, load=self.load, shops=shops, days=self.days)

    def cut(self) -> Cut:
        """Return the middle third of the time."""
        return Cut(8.0 * self.days, 16.0 * self.days)


@dataclass(frozen=True, slots=True)
class Ran:
    """What one way came to in one town."""

    setting: Setting
    way: Way
    jobs: int
    result: Result
    letters: dict[str, float] = field(default_factory=dict[str, float])
    """By kind, a job; empty where nobody writes any."""
    roads: list[Road] = field(default_factory=list[Road])
    """Of some jobs."""


def run(setting: Setting, way: Way) -> Ran:
    town = setting.town()
    pairs = pairs_of(town, setting.seed)
    if way in _PLANNERS:
        made = Floor(town, _PLANNERS[way](town, pairs)).run()
        return Ran(setting, way, town.jobs, result_of(town, pairs, made))
    network = Network(
        town,
        setting.seed,
        liars=LIARS if way is Way.LIARS else 0.0,
        cut=setting.cut() if way is Way.CUT else None,
    )
    made = network.run()
    return Ran(
        setting,
        way,
        town.jobs,
        result_of(town, pairs, made),
        {kind: number / town.jobs for kind, number in network.letters.by_kind.items()},
        _roads(town, made),
    )


def _roads(town: Town, made: Made) -> list[Road]:
    shops = [town.shops[shop].place for shop, _ in town.machines()]
    step = max(1, town.jobs // _LINES_MAX)
    ends = [
        (shops[int(made.machine[job])], wish.place)
        for job, (wish, _) in enumerate(town.wanted())
        if job % step == 0
    ]
    return [
        (a.lon_udeg / 1e6, a.lat_udeg / 1e6, b.lon_udeg / 1e6, b.lat_udeg / 1e6) for a, b in ends
    ]
