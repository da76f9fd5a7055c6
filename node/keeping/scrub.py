"""The scrub: once a week, all that is stored is read and hashed, slowly.

What is damaged is put aside as it is read, and fetched again from peers. Where it stands is
saved after each stretch, so that a restart goes on there.
"""

from collections.abc import Awaitable, Callable

import msgspec
import trio
from msgspec import Struct, structs

from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.limits import DAY_MS
from commonfab.storage.cid import CID
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.ports import BlockDamaged, BlockMissing

from .. import clock
from ..journal import Journal
from ..library import Library

EVERY_MS = 7 * DAY_MS
RATE_BYTES_S = 4 << 20
"""A gentle reading: 20 GB take an hour and a half, and other work hardly notices."""
STRETCH_BLOCKS = 64
"""Read before the place is saved and others have their turn."""
_LOOK_S = 600.0
_NOTE = "scrub"

Progress = Callable[["Scrubbed"], Awaitable[None]]


class Scrubbed(Struct, frozen=True, kw_only=True):
    """Where a pass stands, and what it found."""

    started: int = 0
    ended: int = 0
    """0: it is not done."""
    after: str = ""
    """The last block that was read, in the order of their names."""
    blocks: int = 0
    bytes: int = 0
    damaged: int = 0


class Scrub:
    """One for each node."""

    def __init__(
        self,
        blocks: GuardedBlocks,
        library: Library,
        mend: Callable[[], Awaitable[None]],
        journal: Journal,
    ) -> None:
        """`mend` fetches again what was found damaged."""
        self._blocks = blocks
        self._library = library
        self._mend = mend
        self._journal = journal
        self._passing = trio.Lock()

    def state(self) -> Scrubbed:
        """Return where the last pass stands."""
        saved = self._library.note(_NOTE)
        try:
            return msgspec.json.decode(saved, type=Scrubbed) if saved else Scrubbed()
        except msgspec.DecodeError:
            return Scrubbed()  # Of an older program: it begins anew.

    async def run(self) -> None:
        """Make a pass each week, until cancelled."""
        while True:
            state = self.state()
            is_due = clock.now() >= state.started + EVERY_MS
            if is_due or not state.ended:
                try:
                    await self.make_pass(rate_bytes_s=RATE_BYTES_S, anew=is_due)
                except CommonfabError as error:
                    self._journal.warn("scrub", f"the weekly scrub stopped: {error}")
                else:
                    self._journal.clear("scrub")
            await trio.sleep(_LOOK_S)

    async def make_pass(
        self, *, rate_bytes_s: float, anew: bool, progress: Progress | None = None
    ) -> Scrubbed:
        """Read all blocks, or those that the last pass did not come to, and mend at the end."""
        async with self._passing:
            state = self.state()
            if anew or state.ended or not state.started:
                state = Scrubbed(started=clock.now())
            waiting = await trio.to_thread.run_sync(self._names_after, state.after)
            for first in range(0, len(waiting), STRETCH_BLOCKS):
                stretch = waiting[first : first + STRETCH_BLOCKS]
                read = await trio.to_thread.run_sync(self._read, state, stretch)
                await self._save(read)
                if progress is not None:
                    await progress(read)
                await trio.sleep((read.bytes - state.bytes) / rate_bytes_s)
                state = read
            await self._mend()
            state = structs.replace(state, ended=clock.now())
            await self._save(state)
            self._journal.tell("scrubbed", blocks=state.blocks, damaged=state.damaged)
            return state

    async def _save(self, state: Scrubbed) -> None:
        await self._library.keep_notes({_NOTE: msgspec.json.encode(state)})

    def _names_after(self, after: str) -> list[str]:
        return sorted(name for name in map(str, self._blocks.cids()) if name > after)

    def _read(self, state: Scrubbed, names: list[str]) -> Scrubbed:
        read = damaged = 0
        for name in names:
            try:
                read += len(self._blocks.get(CID.parse(name)))
            except BlockMissing:
                continue  # Collected since.
            except BlockDamaged:
                damaged += 1
        return structs.replace(
            state,
            after=names[-1],
            blocks=state.blocks + len(names),
            bytes=state.bytes + read,
            damaged=state.damaged + damaged,
        )
