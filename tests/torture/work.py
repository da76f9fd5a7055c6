"""What is tortured: two whole nodes in one process. One publishes, the other fetches.

They are those of the daemon, with a network in memory in the place of libp2p. What a node has
acknowledged is said on a pipe at once, and only then: one line an acknowledgement.
"""

import os
import random
import signal
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from commonfab.node.designs import publishing
from commonfab.node.home.folder import Home
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.errors import CommonfabError, ResourceError
from commonfab.protocol.records import Design, Record
from commonfab.storage.cid import CID
from tests.node.village import living

NODES = PUBLISHER, FETCHER = "alice", "bob"
FILE_BYTES_MAX = 20_000
FILES_MAX = 6
RETRY_S = 0.02

MANIFEST = """\
okhv = "2.4"
name = "{name}"
repo = "https://example.org/block"
version = "1"
license = "CC0-1.0"
licensor = "Alice"
function = "Is published while the power is not to be trusted."

[[part]]
name = "program"
tsdc = "3DP"
export = ["part-0.bin"]
material = "PLA"
printing-process = "FDM"
seconds = 60
mass = 1
"""

Say = Callable[[str], None]


def begin(folder: Path, beside: Path, seed: int) -> tuple[int, int]:
    """Fork a process that works in `folder` until it is killed; return its pid and its pipe.

    Its drafts are `beside`, and what it died of, if it was not killed, in errors.txt there.

    A fork of this warm interpreter has nothing but what the disk remembers, as a new process
    does, and starts a hundred times as fast. The caller must not have run trio or threads.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        trio.run(_work, folder, beside, seed, partial(_say, writing))
    except* ResourceError:  # As a full disk may end it.
        _say(writing, "ended")
    except* BaseException as others:  # The parent judges it.
        (beside / "errors.txt").write_text("".join(traceback.format_exception(others)))
    finally:
        os._exit(1)


def _say(pipe: int, line: str) -> None:
    os.write(pipe, f"{line}\n".encode())


async def _work(folder: Path, beside: Path, seed: int, say: Say) -> None:
    network = MemoryNetwork()
    async with (
        living(Home(folder / PUBLISHER), network) as publisher,
        living(Home(folder / FETCHER), network) as fetcher,
    ):
        await fetcher.transport.connect(publisher.transport.addresses()[0])
        say("ready")
        async with trio.open_nursery() as nursery:
            chance = random.Random(seed)
            while True:
                design = await _publish(publisher, a_draft(beside, chance), say)
                if design is not None:
                    nursery.start_soon(_fetch, fetcher, publisher, design, say)


async def _publish(node: Node, draft: Path, say: Say) -> Record | None:
    try:
        published = await publishing.publish(node, draft, _hear_nothing)
    except ResourceError as error:
        say(f"refused {error}")
        await trio.sleep(RETRY_S)
        return None
    say(f"kept {PUBLISHER} {published.record.id.hex()} {_root(published.record)}")
    return published.record


async def _fetch(node: Node, source: Node, design: Record, say: Say) -> None:
    while design.id not in node.library.designs:  # noqa: ASYNC110  # It may come by sync.
        await trio.sleep(RETRY_S)
    try:
        await node.shelf.fetch(_root(design), [source.me])
    except CommonfabError as error:
        say(f"refused {error}")
        return
    say(f"kept {FETCHER} {design.id.hex()} {_root(design)}")


async def _hear_nothing(_: object) -> None:
    await trio.lowlevel.checkpoint()


def _root(design: Record) -> CID:
    assert isinstance(design.body, Design)
    return CID.from_bytes(design.body.root)


def a_draft(drafts: Path, chance: random.Random) -> Path:
    """Write the files of a new design."""
    name = f"Design {chance.randbytes(6).hex()}"
    folder = drafts / name
    folder.mkdir()
    (folder / "okh.toml").write_text(MANIFEST.format(name=name))
    for number in range(chance.randint(1, FILES_MAX)):
        data = chance.randbytes(chance.randrange(1, FILE_BYTES_MAX))
        (folder / f"part-{number}.bin").write_bytes(data)
    return folder
