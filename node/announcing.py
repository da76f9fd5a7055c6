"""Tells others what this workshop is, and what its machines can do now."""

from collections.abc import Sequence

import trio

from commonfab.protocol import events
from commonfab.protocol.author import Author, Head
from commonfab.protocol.errors import CommonfabError, Malformed, UsageError
from commonfab.protocol.gossip import news
from commonfab.protocol.limits import DAY_MS, SECOND_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Capacity, Record, Workshop

from . import clock
from .driver import Driver
from .home import config
from .journal import Journal
from .library import Library
from .machines.fleet import Fleet
from .network.transport import Transport

WORKSHOP_TERM_MS = 30 * DAY_MS
"""A workshop's record is signed anew when half of its life is over."""
_FLOOR_S = 2.0
"""Between two capacity records: however much changes, others hear no more often."""


class Announcing:
    """One for each node."""

    def __init__(
        self,
        author: Author,
        fleet: Fleet,
        library: Library,
        driver: Driver,
        transport: Transport,
        journal: Journal,
    ) -> None:
        self._author = author
        self._fleet = fleet
        self._library = library
        self._driver = driver
        self._transport = transport
        self._journal = journal
        self._changed = trio.Event()
        self._said: Capacity | None = None
        """What others were last told of the machines."""

    def capacity_changed(self) -> None:
        """Say that a machine's queue or state is not what it was."""
        self._changed.set()

    async def announce(self, record: Record) -> None:
        """Keep a public record of this node's own; what is kept is gossiped."""
        await self._driver.keep(record)

    async def run(
        self,
        settings: config.Settings,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Renew the workshop's records until cancelled."""
        is_started = False
        while True:
            self._changed = trio.Event()
            try:
                await self._renew_workshop(settings)
                await self.renew_capacity(settings.trade.capacity_s)
            except CommonfabError as error:
                self._journal.warn("announcing", str(error))
            else:
                self._journal.clear("announcing")
            if not is_started:
                is_started = True
                task_status.started()
            await trio.sleep(_FLOOR_S)
            with trio.move_on_after(self._renewal_in_s(settings.trade.capacity_s)):
                await self._changed.wait()

    async def renew_capacity(self, every_s: int) -> None:
        """Tell what the machines can do, if that is news or was not said for a while."""
        machines = frozenset(m.id for m in self._fleet.configured if self._fleet.takes_jobs(m.id))
        await self._driver.handle(events.MachinesChanged(machines))
        now = clock.now()
        if self._said is not None and self._renewal_in_s(every_s) > 0:
            seen = self._fleet.capacity(Head(stream="capacity", seq=1, at=now))
            if not news.is_news(self._said, seen):
                return
        body = self._fleet.capacity(self._author.head("capacity", now))
        try:
            record = self._author.sign(body)
        except Malformed as error:
            raise UsageError(
                f"these machines do not fit into one record ({error}), so nobody hears of them; "
                "shorten their models, list fewer materials, or run a second node for some"
            ) from error
        await self.announce(record)
        self._said = body

    def _renewal_in_s(self, every_s: int) -> float:
        """Return how long others may still go by what they were last told."""
        said_at = self._said.at if self._said else clock.now()
        return max(0.0, (said_at - clock.now()) / SECOND_MS + every_s)

    async def _renew_workshop(self, settings: config.Settings) -> None:
        now = clock.now()
        known = self._library.workshops.get(self._author.node)
        workshop = settings.workshop
        place = workshop.place_for_others()
        addresses = self._addresses(settings.network.announce)
        if known is not None and known.until - now > WORKSHOP_TERM_MS // 2:
            said = (known.name, known.about, known.place, known.addresses)
            if said == (workshop.name, workshop.about, place, addresses):
                return
        body = Workshop(
            **self._author.head("workshop", now),
            until=now + WORKSHOP_TERM_MS,
            name=workshop.name,
            about=workshop.about,
            place=place,
            addresses=addresses,
        )
        await self.announce(self._author.sign(body))

    def _addresses(self, announced: Sequence[str]) -> tuple[str, ...]:
        own = self._transport.addresses()
        peer = peer_text(self._author.node)
        return tuple(dict.fromkeys([*(f"{a}/p2p/{peer}" for a in announced), *own]))[:16]
