"""Where a node keeps its blocks: on its own disk, or in a Kubo that it looks after."""

from pathlib import Path

import trio

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.kubo.blocks import KuboBlockStore
from commonfab.storage.kubo.fallback import BlocksWithKubo
from commonfab.storage.kubo.rpc import KuboRpc

from ..journal import Journal

LOOK_S = 20.0
"""Between two looks whether Kubo is there."""
WARNING = "kubo"


def open_store(folder: Path, kubo: str) -> DiskBlockStore | BlocksWithKubo:
    """Return the store for these settings; nothing is asked of Kubo yet."""
    disk = DiskBlockStore(folder)
    return BlocksWithKubo(disk, KuboBlockStore(KuboRpc(kubo))) if kubo else disk


async def look_after(
    store: DiskBlockStore | BlocksWithKubo,
    journal: Journal,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Use Kubo while it is there, and warn while it is not. Ready after the first look."""
    if isinstance(store, BlocksWithKubo):
        await look(store, journal)
    task_status.started()
    while isinstance(store, BlocksWithKubo):
        await trio.sleep(LOOK_S)
        await look(store, journal)


async def look(store: BlocksWithKubo, journal: Journal) -> None:
    """Find out whether Kubo is there, and say what changed."""
    was_there = store.is_there
    await trio.to_thread.run_sync(store.look, abandon_on_cancel=True)
    if store.is_there and not was_there:
        journal.tell("kubo_up", version=store.version, address=store.kubo.rpc.address)
    if store.trouble:
        journal.warn(WARNING, store.trouble)
    else:
        journal.clear(WARNING)
