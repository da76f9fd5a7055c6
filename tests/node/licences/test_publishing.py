"""What publishing says of a licence, beside those of the designs that it was made from."""

from pathlib import Path

import pytest
import trio

from commonfab.node.designs import publishing
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.protocol.records import Origin
from tests.node.village import MANIFEST, a_home, living, write_block


async def say_nothing(_said: object) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("licence", "remarks"),
    [
        (
            "MIT",
            [
                "made from Block: what is made from CC-BY-SA-4.0 stays under it, and MIT is"
                " another; name another licence, or ask Alice"
            ],
        ),
        ("CC-BY-SA-4.0", []),
    ],
)
async def test_a_licence_that_gives_more_than_the_ancestors_lets_it_is_said_at_publish(
    tmp_path: Path, licence: str, remarks: list[str]
) -> None:
    manifest = MANIFEST.replace("CC0-1.0", "CC-BY-SA-4.0")
    fork = manifest.replace("CC-BY-SA-4.0", licence).replace('"Block"', '"Fork"')
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        block = write_block(tmp_path / "block", manifest=manifest)
        first = (await publishing.publish(alice, block, say_nothing)).record
        origins = (Origin(design=first.id, relation="fork"),)
        folder = write_block(tmp_path / "fork", manifest=fork)

        done = await publishing.publish(alice, folder, say_nothing, origins)

    assert [remark for remark in done.remarks if "made from" in remark] == remarks
