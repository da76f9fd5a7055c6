"""Keeps within the day's budget of a metered link: drops first what is least missed.

    below 60 %     all is heard
    from 60 %      nothing of the world beyond the areas here
    from 80 %      nothing of the areas around, only of the own
    from 100 %     nothing is heard any more; what this node has to say is still said

What is not heard must not come by sync instead: the sessions that this node begins by itself are
then about the areas that are left, at 100 % the own one. Letters about orders, files that somebody
here asked for, and sessions that a person or another node begins go on. What was passed over comes
by sync on the next day.
"""

import msgspec
import trio

from commonfab.protocol.gossip.areas import Topic, area_of, heard_at
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import Place
from commonfab.protocol.sync.subset import ALL, Subset

from .. import clock
from ..journal import Journal
from ..library import Library
from ..network.metering import Traffic
from ..syncing import Syncing
from .gossip import Gossip

_LOOK_S = 60.0
_NOTE = "traffic of the day"
_STEPS = ((100, "gossip is no longer heard"), (80, "only the own area is heard"))
_FIRST = (60, "nothing is heard of the world beyond the areas around")


class Day(msgspec.Struct):
    """What moved on one day, in days since 1970 UTC."""

    day: int
    bytes: int = 0


class Thrift:
    """One for each node."""

    def __init__(
        self,
        place: Place,
        budget_mb: int,
        traffic: Traffic,
        gossip: Gossip,
        syncing: Syncing,
        library: Library,
        journal: Journal,
    ) -> None:
        """`budget_mb`: megabytes (10^6) a day, both ways; 0: there is no budget."""
        self._place = place
        self._budget_bytes = budget_mb * 10**6
        self._traffic = traffic
        self._gossip = gossip
        self._syncing = syncing
        self._library = library
        self._journal = journal
        data = library.note(_NOTE)
        self._day = msgspec.msgpack.decode(data, type=Day) if data else Day(0)
        self._counted = 0
        """Of what moved since the start, what the day has in it."""

    @property
    def today_bytes(self) -> int:
        """What moved today, until now."""
        return self._today().bytes

    @property
    def budget_bytes(self) -> int:
        return self._budget_bytes

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look from time to time until cancelled."""
        task_status.started()
        while True:
            await self.look()
            await trio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Count what moved, and hear of as much as the budget leaves."""
        self._day, self._counted = self._today(), self._traffic.ever.both
        if not self._budget_bytes:
            return
        await self._library.keep_notes({_NOTE: msgspec.msgpack.encode(self._day)})
        used_percent = 100 * self._day.bytes // self._budget_bytes
        self._gossip.hear(topics_at(self._place, used_percent))
        self._syncing.subset = subset_at(self._place, used_percent)
        step = next((each for each in (*_STEPS, _FIRST) if used_percent >= each[0]), None)
        if step is None:
            self._journal.clear("budget")
        else:
            self._journal.warn(
                "budget", f"{step[0]} % of the day's network budget is used: {step[1]}"
            )

    def _today(self) -> Day:
        today = clock.now() // DAY_MS
        before = self._day.bytes if self._day.day == today else 0
        return Day(today, before + self._traffic.ever.both - self._counted)


def topics_at(place: Place, used_percent: int) -> frozenset[Topic]:
    """Return what is heard when so much of the budget is used."""
    if used_percent >= 100:
        return frozenset()
    if used_percent >= 80:
        return frozenset([area_of(place)])
    if used_percent >= 60:
        return frozenset(topic for topic in heard_at([place]) if topic)
    return heard_at([place])


def subset_at(place: Place, used_percent: int) -> Subset:
    """Return what is synced when so much of the budget is used."""
    if used_percent < 60:
        return ALL
    return Subset(areas=tuple(sorted(topics_at(place, min(used_percent, 99)))))
