"""Searching and showing at a node: what was published is found, with its kin and pictures."""

from pathlib import Path

import pytest

from commonfab.node.api import browsing
from commonfab.node.api.api import Api
from commonfab.node.api.browsing import Search
from commonfab.node.designs.publishing import publish
from commonfab.node.library import Library
from commonfab.node.manifests import reading
from commonfab.node.meshes.picture import png_to_text
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.encoding import plain_text
from commonfab.protocol.errors import CommonfabError, UsageError
from commonfab.protocol.records import Origin, Record
from commonfab.storage.catalogue.query import Query
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import a_design, a_workshop
from tests.node.manifests.okh_data import real_manifests
from tests.node.village import MANIFEST, a_home, living, write_block
from tests.protocol.signers import ALICE, BOB


async def say(_what: object) -> None:
    """Nobody listens."""


async def published(node: Node, folder: Path, text: str, *origins: Origin) -> Record:
    path = write_block(folder, manifest=text)
    return (await publish(node, path, say, origins)).record


async def test_what_is_published_is_found_by_facets_and_shown_with_its_kin(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        text = MANIFEST.replace("[[part]]", 'documentation-language = "en"\n\n[[part]]', 1)
        first = await published(node, tmp_path / "a", text)
        second = await published(node, tmp_path / "b", text.replace('"1"', '"2"'))
        other = text.replace('name = "Block"', 'name = "Wedge"')
        fork = await published(
            node, tmp_path / "c", other, Origin(design=first.id, relation="fork")
        )

        found = await browsing.search(
            node,
            Search(
                query="blo",
                material=["pla"],
                language=["EN"],
                fits_um=(20_000, 20_000, 20_000),
                by="for",
            ),
        )
        small = await browsing.search(node, Search(fits_um=(20_000, 20_000, 19_999)))
        nobody = await browsing.search(node, Search(by="nobody"))
        shown = await browsing.show(node, second)
        forked = await browsing.show(node, fork)

    assert [each.id for each in found.designs] == [second.id.hex(), fork.id.hex()]
    assert [(v.name, v.designs) for v in found.facets["author"]] == [("Forge", 2)]
    assert (small.total, nobody.total, found.known, found.missing) == (0, 0, 3, 0)
    assert [(v.version, v.is_newest) for v in shown.versions] == [("2", True), ("1", False)]
    assert [(k.relation, k.name) for k in shown.derived] == [("fork", "Wedge")]
    assert [(k.relation, k.name, k.version) for k in forked.derived_from] == [
        ("fork", "Block", "1")
    ]


async def test_the_same_files_from_another_origin_are_another_version(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        origin = Origin(design=bytes(32), relation="remix")
        plain = await published(node, tmp_path / "a", MANIFEST)
        remix = await published(node, tmp_path / "a", MANIFEST, origin)

        assert plain.id != remix.id
        assert (await published(node, tmp_path / "a", MANIFEST, origin)).id == remix.id
        with pytest.raises(UsageError, match="an earlier version of this very design"):
            await published(
                node, tmp_path / "a", MANIFEST, Origin(design=plain.id, relation="fork")
            )


async def test_each_part_is_drawn_once_and_kept(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        design = await published(node, tmp_path / "a", MANIFEST)

        (drawn,) = await browsing.pictures(node, design)
        made = inode(drawn.path)
        (again,) = await browsing.pictures(node, design)

    assert drawn == again
    assert made == inode(drawn.path)
    assert "█" in as_text(drawn.path)


def inode(path: str) -> int:
    return Path(path).stat().st_ino


def as_text(path: str) -> str:
    return png_to_text(Path(path).read_bytes(), 40, colour=False)


async def test_a_part_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        design = await published(node, tmp_path / "a", MANIFEST)
        lost = a_design(root=design.body.root)  # type: ignore[attr-defined]  # it is a design

        (drawn,) = await browsing.pictures(node, lost)

    assert drawn.path == ""
    assert "bracket.stl" in drawn.why


async def test_only_what_has_files_here_is_found_if_that_is_asked(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        here = await published(node, tmp_path / "a", MANIFEST)
        away = a_design(BOB, name="Block elsewhere", stream="design/away")
        await node.library.keep([away, a_workshop(BOB)])

        found = await browsing.search(node, Search(query="block", here=True))
        both = await browsing.search(node, Search(query="block"))

    assert [each.id for each in found.designs] == [here.id.hex()]
    assert both.total == 2


async def test_what_is_asked_in_another_form_is_refused(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "Forge"), MemoryNetwork()) as node:
        ask = Api(node).handlers()["designs"]
        for params in ({"limit": 10**6}, {"sort": "luck"}, {"fits_um": [1, 2]}, {"colour": "red"}):
            with pytest.raises(UsageError):
                await ask(params, say)


@pytest.fixture
def manifests() -> list[Path]:
    return real_manifests()


async def test_real_designs_are_found_by_their_names(manifests: list[Path]) -> None:
    names: dict[str, None] = {}
    for path in manifests:
        try:
            names[plain_text(reading.read_manifest(path).name)[:120]] = None
        except CommonfabError:
            continue
    library = Library(MemoryRecordStore())
    library.load()
    designs = {
        name: a_design(ALICE, name=name, stream=f"design/{i}") for i, name in enumerate(names)
    }
    await library.keep(list(designs.values()))

    for name, design in list(designs.items())[::5]:
        if len(name.split()) <= 32 and any(character.isalnum() for character in name):
            found, _ = await library.designs.search(Query(words=name), 1000)
            assert design.id in found.ids, name
    library.close()
