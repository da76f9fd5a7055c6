"""The catalogue's file: absent, damaged, of another version, locked, or on a full disk."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from commonfab.protocol.errors import UsageError
from commonfab.storage.catalogue.catalogue import Catalogue, CatalogueDamaged
from commonfab.storage.catalogue.query import Query
from commonfab.storage.ports import StoreBroken, StoreFull
from tests.storage.catalogue_entries import an_entry
from tests.storage.full_disk import files_limited_to


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.db"


def filled(path: Path) -> Path:
    with closing(Catalogue(path)) as catalogue:
        catalogue.add(an_entry(f"Pump {i}", function="x" * 400) for i in range(50))
    return path


def test_what_was_entered_is_there_when_the_file_is_opened_again(path: Path) -> None:
    with closing(Catalogue(filled(path))) as catalogue:
        assert len(catalogue.ids()) == 50
        assert catalogue.search(Query(words="pump"), limit=3).total == 50


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _cut_to_a_few_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def _overwrite(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


def _make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1000")


def _drop_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE tag")


@pytest.mark.parametrize(
    "harm", [_truncate, _cut_to_a_few_bytes, _overwrite, _make_newer, _drop_a_table]
)
def test_a_file_that_is_not_what_was_written_can_be_made_anew(
    path: Path, harm: Callable[[Path], None]
) -> None:
    harm(filled(path))
    entry = an_entry()

    with closing(Catalogue(path)) as catalogue:
        try:
            catalogue.add([entry])
            catalogue.search(Query(words="hand"), limit=3)
        except CatalogueDamaged:
            catalogue.clear()
            catalogue.add([entry])

        assert catalogue.search(Query(words="hand"), limit=3).ids == [entry.id]


def test_pages_of_rubbish_are_noticed_or_harmless(path: Path) -> None:
    """Whatever a search answers, it is an answer or says that the file is damaged."""
    whole = filled(path).read_bytes()
    noticed = 0
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        for name in ("-wal", "-shm"):
            Path(f"{path}{name}").unlink(missing_ok=True)
        with closing(Catalogue(path)) as catalogue:
            try:
                assert catalogue.search(Query(words="pump"), limit=3).total <= 50
                catalogue.add([an_entry()])
            except CatalogueDamaged:
                noticed += 1

    assert noticed > 0


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE diary (page)")
    before = path.read_bytes()

    with pytest.raises(UsageError, match=r"catalogue\.db is not a catalogue.*move it away"):
        Catalogue(path)

    assert path.read_bytes() == before


def test_a_file_that_another_process_has_open_says_so(path: Path) -> None:
    with closing(Catalogue(filled(path))) as first:
        first.ids()
        with pytest.raises(StoreBroken, match="another process has it open"):
            Catalogue(path)


def test_on_a_full_disk_nothing_is_half_entered_and_the_rest_is_found(path: Path) -> None:
    with closing(Catalogue(filled(path))) as catalogue:
        with files_limited_to(path.stat().st_size), pytest.raises(StoreFull, match="no room"):
            enter_without_end(catalogue)

        found = catalogue.search(Query(words="pump"), limit=3)
        entered = len(catalogue.ids())
        assert found.total == 50
        assert catalogue.search(Query(), limit=1).total == entered


def enter_without_end(catalogue: Catalogue) -> None:
    for i in range(1000):
        catalogue.add([an_entry(f"New {i}", function="y" * 2000)])


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="none/catalogue"):
        Catalogue(tmp_path / "none" / "catalogue.db")


def test_a_file_that_vanishes_is_made_again(path: Path) -> None:
    filled(path)
    shutil.rmtree(path.parent)
    path.parent.mkdir()

    with closing(Catalogue(path)) as catalogue:
        assert catalogue.ids() == set()
