"""What it costs to search among many designs, and to publish one more, beside plainer ways.

python -m tests.benchmarks.bench_catalogue
"""

import hashlib
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from msgspec import structs

from commonfab.node.manifests.reading import read_manifest
from commonfab.protocol.encoding import plain_text
from commonfab.protocol.envelope import identify
from commonfab.protocol.errors import CommonfabError
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.protocol.records import Design, Record
from commonfab.storage.catalogue.catalogue import Catalogue
from commonfab.storage.catalogue.entry import Entry
from commonfab.storage.catalogue.query import Query, fold
from commonfab.storage.ports import StoredRecord
from commonfab.storage.records import SqliteRecordStore
from tests.builders import a_design, a_part, body_of

DESIGNS = 100_000
AUTHORS = 3_000
LOT = 1000
RECORD_BYTES = 1200
SINGLES = 300
SEARCHES = 20
MATERIALS = ("PLA", "PLA", "PETG", "ABS", "birch plywood", "steel", "TPU")
PROCESSES = ("fff-printing", "fff-printing", "laser-cutting", "milling", "sewing")
LICENCES = ("CERN-OHL-S-2.0", "CC-BY-SA-4.0", "MIT", "CC0-1.0")
REAL = Path(__file__).parents[2] / "../shared/data/okh"
_WORDS = (
    "hand pump water gear box case frame holder wall hook lamp motor valve clamp bracket wheel "
    "chair table saw mill press jar lid spool rack stand grip lever crank rotor stator coil "
    "microscope ventilator plough seeder drone rover antenna sensor filter kiln loom oven"
)
WORDS = tuple(_WORDS.split())

Text = tuple[str, str]
"""A name and what it is for."""


def run() -> list[tuple[str, str]]:
    """Return rows of (what, how fast)."""
    chance = random.Random(1)
    texts = real_texts() or [made_up(chance) for _ in range(500)]
    made = designs(texts, chance)
    with tempfile.TemporaryDirectory() as folder:
        full, empty = Catalogue(Path(folder) / "full.db"), Catalogue(Path(folder) / "empty.db")
        entries = list(islice(made, DESIGNS))
        start = perf_counter()
        for at in range(0, DESIGNS, LOT):
            full.add(entries[at : at + LOT])
        filling = perf_counter() - start
        records = [
            record_store(Path(folder) / "full.sqlite", entries),
            record_store(Path(folder) / "empty.sqlite", []),
        ]
        rows = [
            ("names that the designs are made of", f"{len(texts)}"),
            ("entering all of them", f"{filling / DESIGNS * 1e6:.0f} us a design"),
            *search_rows(full, entries),
            *publish_rows(full, empty, made, *records),
        ]
        full.close()
        empty.close()
    return rows


def search_rows(full: Catalogue, entries: list[Entry]) -> Iterator[tuple[str, str]]:
    material, process = ("PETG",), ("fff-printing",)
    names = entries[0].name.split()
    word, words = names[0], " ".join(names[:2])
    two_words = Query(words=words, material=material, process=process)
    for what, query in (
        ("two words and two facets", two_words),
        ("one word and two facets", Query(words=word, material=material, process=process)),
        ("two letters and two facets", Query(words=word[:2], material=material, process=process)),
        ("two facets alone", Query(material=material, process=process)),
        ("two rare facets", Query(material=("steel",), process=("sewing",))),
        ("all, the newest first", Query()),
        ("what fits 180 x 180 x 180", Query(fits_um=(180_000, 180_000, 180_000))),
    ):
        found = full.search(query, 50)
        total = f"more than {found.total}" if found.is_more else f"{found.total}"
        took = seconds(partial(full.search, query, 50))
        yield f"a search among {DESIGNS:,}: {what}", f"{took * 1e3:.1f} ms ({total} found)"
    ours = seconds(partial(full.search, two_words, 50))
    scan = seconds(partial(scanned, entries, two_words), 3)
    like = seconds(like_of(entries, two_words), 3)
    yield "the same two words and facets by a loop in Python", f"{scan / ours:.0f} times as long"
    yield "by SQLite's LIKE on the same texts", f"{like / ours:.0f} times as long"


def scanned(entries: list[Entry], query: Query) -> list[Entry]:
    words = fold(query.words).split()
    tags = {("material", query.material[0]), ("process", query.process[0])}
    return [
        entry
        for entry in entries
        if tags <= set(entry.tags) and all(word in fold(" ".join(entry.texts)) for word in words)
    ]


def like_of(entries: list[Entry], query: Query) -> Callable[[], object]:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE design (texts TEXT, tags TEXT)")
    rows = ((" ".join(e.texts), " ".join(value for _, value in e.tags)) for e in entries)
    db.executemany("INSERT INTO design VALUES (?, ?)", rows)
    asked = [f"%{word}%" for word in query.words.split()]
    where = " AND ".join(["texts LIKE ?"] * len(asked) + ["tags LIKE ?"] * 2)
    values = [*asked, f"%{query.material[0]}%", f"%{query.process[0]}%"]
    return lambda: db.execute(f"SELECT * FROM design WHERE {where}", values).fetchall()  # noqa: S608


def record_store(path: Path, entries: list[Entry]) -> SqliteRecordStore:
    store = SqliteRecordStore(path, identify=identify)
    for at in range(0, len(entries), LOT):
        store.put_many(a_row(entry) for entry in entries[at : at + LOT])
    return store


def a_row(entry: Entry) -> StoredRecord:
    """Return a row as large as the record of a design, which nobody will read."""
    data = hashlib.shake_128(entry.id).digest(RECORD_BYTES)
    return StoredRecord(
        id=entry.id,
        author=entry.author,
        kind="design",
        stream=entry.stream,
        seq=entry.seq,
        at=Timestamp(entry.at),
        until=Timestamp(0),
        data=data,
    )


def publish_rows(
    full: Catalogue,
    empty: Catalogue,
    made: Iterator[Entry],
    full_store: SqliteRecordStore,
    empty_store: SqliteRecordStore,
) -> Iterator[tuple[str, str]]:
    """One by one, each in a commit of its own, turn by turn in both."""
    took: dict[str, list[float]] = {"full": [], "empty": []}
    whole: dict[str, list[float]] = {"full": [], "empty": []}
    used: dict[str, float] = {"full": 0.0, "empty": 0.0}
    for entry in islice(made, SINGLES):
        row = a_row(entry)
        for name, catalogue, store in (("full", full, full_store), ("empty", empty, empty_store)):
            start = perf_counter()
            store.put_many([row])
            entering, start_used = perf_counter(), process_time()
            catalogue.add([entry])
            took[name].append(perf_counter() - entering)
            used[name] += process_time() - start_used
            whole[name].append(perf_counter() - start)
    middle = median(whole["full"])
    yield f"record and entry of one more among {DESIGNS:,}", f"{middle * 1e6:.0f} us"
    yield "against an empty node, the middle one", f"{middle / median(whole['empty']):.2f} times"
    yield "the mean", f"{sum(whole['full']) / sum(whole['empty']):.2f} times"
    middle = median(took["full"])
    yield f"entering one more among {DESIGNS:,}, the middle one", f"{middle * 1e6:.0f} us"
    yield (
        "against an empty catalogue, the middle one",
        f"{middle / median(took['empty']):.2f} times",
    )
    yield "the mean", f"{sum(took['full']) / sum(took['empty']):.2f} times"
    yield "processor time", f"{used['full'] / used['empty']:.2f} times"


def designs(texts: list[Text], chance: random.Random) -> Iterator[Entry]:
    base = body_of(a_design(), Design)
    for number in range(2 * DESIGNS):
        name, function = chance.choice(texts)
        parts = tuple(
            a_part(
                name=f"{chance.choice(WORDS)} {part}",
                material=chance.choice(MATERIALS),
                process=chance.choice(PROCESSES),
                bbox_um=(
                    chance.randrange(5_000, 400_000),
                    chance.randrange(5_000, 400_000),
                    20_000,
                ),
            )
            for part in range(chance.randrange(1, 5))
        )
        body = structs.replace(
            base,
            name=f"{name} {chance.choice(WORDS)}"[:120],
            function=f"{function} {chance.choice(WORDS)}",
            licence=chance.choice(LICENCES),
            stream=f"design/{number}",
            seq=number + 1,
            at=number,
            parts=parts,
        )
        identifier = RecordId(hashlib.sha256(b"design %d" % number).digest())
        author = NodeId(hashlib.sha256(b"author %d" % chance.randrange(AUTHORS)).digest())
        record = Record(identifier, author, "design", body, b"")
        yield Entry.of(record, maker=f"Workshop {author.hex()[:6]}", made=0, is_honest=True)


def real_texts() -> list[Text]:
    """Return the names and functions of real manifests, where they are on this machine."""
    found: list[Text] = []
    for path in sorted(REAL.rglob("*")):
        if path.suffix in (".toml", ".yml") and path.is_file():
            try:
                manifest = read_manifest(path)
            except CommonfabError:
                continue
            found.append((plain_text(manifest.name)[:100], plain_text(manifest.function)[:500]))
    return found


def made_up(chance: random.Random) -> Text:
    return " ".join(chance.choices(WORDS, k=3)), " ".join(chance.choices(WORDS, k=12))


def seconds(task: Callable[[], object], times: int = SEARCHES) -> float:
    """Return how long the middle one of several runs takes."""
    took: list[float] = []
    for _ in range(times):
        start = perf_counter()
        task()
        took.append(perf_counter() - start)
    return median(took)


if __name__ == "__main__":
    for row in run():
        print(f"{row[0]:62} {row[1]}")
