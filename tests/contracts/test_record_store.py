"""What every `RecordStore` promises: the one in SQLite and the one in memory."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commonfab.protocol.admission import Place
from commonfab.protocol.errors import Malformed
from commonfab.protocol.ids import NodeId, RecordId, Timestamp
from commonfab.storage.memory import MemoryRecordStore
from commonfab.storage.ports import Mark, Outline, Proof, Quarantined, RecordStore, StoredRecord
from commonfab.storage.records import SqliteRecordStore

ALICE, BOB = NodeId(b"A" * 32), NodeId(b"B" * 32)
NEVER = Timestamp(0)


def identify(data: bytes) -> RecordId:
    return RecordId(sha256(data).digest())


def a_record(
    *,
    author: NodeId = ALICE,
    kind: str = "capacity",
    stream: str = "capacity",
    seq: int = 0,
    at: int = 1000,
    until: int = 0,
    body: str = "",
) -> StoredRecord:
    data = f"{author.hex()} {kind} {stream} {seq} {at} {until} {body}".encode()
    return StoredRecord(
        id=identify(data),
        author=author,
        kind=kind,
        stream=stream,
        seq=seq,
        at=Timestamp(at),
        until=Timestamp(until),
        data=data,
    )


Make = Callable[[Path], RecordStore]
TWINS: dict[str, Make] = {
    "sqlite": lambda path: SqliteRecordStore(path / "records.sqlite", identify=identify),
    "memory": lambda _: MemoryRecordStore(),
}


@pytest.fixture(params=TWINS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordStore]:
    store = TWINS[request.param](tmp_path)
    yield store
    store.close()


def test_a_record_is_got_as_it_was_put(store: RecordStore) -> None:
    record = a_record(until=2000)

    assert store.put_many([record]) == []

    assert store.get(record.id) == record
    assert store.has(record.id)


def test_a_record_that_is_not_here_is_none(store: RecordStore) -> None:
    assert store.get(a_record().id) is None
    assert not store.has(a_record().id)
    assert list(store.find()) == []


def test_the_same_record_twice_is_kept_once(store: RecordStore) -> None:
    record = a_record()

    assert store.put_many([record, record]) == []
    assert store.put_many([record]) == []

    assert list(store.find()) == [record]


def test_a_second_record_in_one_place_is_given_back_and_the_others_are_kept(
    store: RecordStore,
) -> None:
    first, second, other = a_record(body="one"), a_record(body="two"), a_record(author=BOB)
    store.put_many([first])

    assert store.put_many([second, other]) == [second]

    assert set(store.find()) == {first, other}


def test_a_second_record_in_one_place_is_noticed_within_one_call(store: RecordStore) -> None:
    first, second = a_record(body="one"), a_record(body="two")

    assert store.put_many([first, second]) == [second]


def test_a_second_record_is_noticed_in_a_place_below_the_mark(store: RecordStore) -> None:
    first, second = a_record(seq=1, body="one"), a_record(seq=1, body="two")
    store.put_many([first, a_record(seq=2)])

    assert store.put_many([second]) == [second]


def test_a_second_record_is_noticed_after_the_first_has_expired(store: RecordStore) -> None:
    store.put_many([a_record(until=2000, body="one")])
    store.remove_expired(Timestamp(2000), ())
    second = a_record(body="two")

    assert store.put_many([second]) == [second]
    assert list(store.find()) == []


def test_records_are_found_by_kind_author_and_stream_in_order_of_time(store: RecordStore) -> None:
    late = a_record(at=3000, kind="design", stream="designs", seq=1)
    early = a_record(at=1000, kind="design", stream="designs", seq=2)
    bobs = a_record(at=2000, kind="design", stream="designs", author=BOB)
    capacity = a_record(at=4000)
    store.put_many([late, early, bobs, capacity])

    assert list(store.find()) == [early, bobs, late, capacity]
    assert list(store.find(kind="design")) == [early, bobs, late]
    assert list(store.find(author=ALICE)) == [early, late, capacity]
    assert list(store.find(author=ALICE, stream="capacity")) == [capacity]
    assert list(store.find(kind="design", author=BOB)) == [bobs]
    assert list(store.find(kind="lease")) == []


def test_records_of_one_moment_are_found_in_order_of_their_ids(store: RecordStore) -> None:
    records = [a_record(seq=seq) for seq in range(20)]
    store.put_many(records)

    assert [record.id for record in store.find()] == sorted(record.id for record in records)


def test_what_is_found_may_change_while_it_is_read(store: RecordStore) -> None:
    store.put_many([a_record(seq=seq, at=seq, until=100) for seq in range(4)])

    found = store.find()
    next(found)
    store.put_many([a_record(seq=9, at=9)])
    store.remove_expired(Timestamp(100), ())

    assert all(store.has(record.id) or record.until for record in found)


def test_ids_are_those_of_the_kinds_asked_for_in_order_of_time(store: RecordStore) -> None:
    design = a_record(kind="design", seq=0, at=2000)
    capacity = a_record(kind="capacity", seq=1, at=1000)
    lease = a_record(kind="lease", seq=2, at=1500)
    store.put_many([design, capacity, lease])

    assert store.ids(["design", "capacity"]) == [capacity.id, design.id]
    assert store.ids([]) == []


def test_a_mark_is_the_highest_place_of_a_stream_and_never_goes_down(store: RecordStore) -> None:
    third, second = a_record(seq=3, until=2000), a_record(seq=2)
    bobs = a_record(author=BOB, seq=7)
    store.put_many([third, bobs])
    store.put_many([second])

    store.remove_expired(Timestamp(2000), ())

    assert store.marks() == {
        (ALICE, "capacity"): Mark(3, third.id),
        (BOB, "capacity"): Mark(7, bobs.id),
    }
    assert list(store.find(author=ALICE)) == [second]


def test_each_stream_of_an_author_has_its_own_places(store: RecordStore) -> None:
    one, two = a_record(stream="one", seq=5), a_record(stream="two", seq=5)

    assert store.put_many([one, two]) == []

    assert len(store.marks()) == 2


def test_only_what_has_ended_is_removed_and_not_what_is_to_be_kept(store: RecordStore) -> None:
    ended = a_record(seq=0, until=2000)
    later = a_record(seq=1, until=2001)
    never = a_record(seq=2)
    receipt = a_record(seq=3, until=2000, kind="receipt")
    store.put_many([ended, later, never, receipt])

    assert store.remove_expired(Timestamp(2000), ["receipt"]) == 1

    assert set(store.find()) == {later, never, receipt}
    assert store.remove_expired(Timestamp(2000), ()) == 1


def test_the_largest_numbers_are_kept_and_larger_ones_are_malformed(store: RecordStore) -> None:
    largest = a_record(seq=2**63 - 1, at=2**63 - 1, until=2**63 - 1)
    store.put_many([largest])

    assert store.get(largest.id) == largest
    with pytest.raises(Malformed, match="outside"):
        replace(largest, seq=2**63)
    with pytest.raises(Malformed, match="outside"):
        replace(largest, at=Timestamp(-1))
    with pytest.raises(Malformed, match="outside"):
        replace(largest, until=Timestamp(2**63))


def test_the_first_proof_for_a_place_stays(store: RecordStore) -> None:
    proof = Proof(author=ALICE, stream="capacity", seq=4, first=b"one", second=b"two")
    bobs = replace(proof, author=BOB)

    store.put_proof(bobs)
    store.put_proof(proof)
    store.put_proof(replace(proof, second=b"three"))

    assert store.proofs() == [proof, bobs]


def test_quarantine_keeps_the_newest_under_each_id(store: RecordStore) -> None:
    one = Quarantined(RecordId(b"1" * 32), "torn", b"bytes")
    two = Quarantined(RecordId(b"2" * 32), "forged", b"", sender=BOB)

    for item in (two, replace(one, reason="older"), one):
        store.put_quarantine(item)

    assert store.quarantine() == [one, two]


def test_a_note_is_replaced_by_a_newer_one(store: RecordStore) -> None:
    assert store.get_note("order/1") is None

    store.put_notes({"order/1": b"old"})
    store.put_notes({"order/1": b"new", "order/2": b""})

    assert store.get_note("order/1") == b"new"
    assert store.get_note("order/2") == b""


class _AgainstEachOther(RuleBasedStateMachine):
    """Any order of calls leaves the twins with the same answers."""

    rows = st.builds(
        a_record,
        author=st.sampled_from([ALICE, BOB]),
        kind=st.sampled_from(["design", "capacity"]),
        stream=st.sampled_from(["one", "two"]),
        seq=st.integers(0, 3),
        at=st.integers(0, 2),
        until=st.integers(0, 3),
        body=st.sampled_from(["", "x"]),
    )

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory: RecordStore = MemoryRecordStore()
        self.sqlite = TWINS["sqlite"](Path(self.folder.name))

    @rule(rows=st.lists(rows, max_size=6))
    def put(self, rows: list[StoredRecord]) -> None:
        assert self.sqlite.put_many(rows) == self.memory.put_many(rows)

    @rule(now=st.integers(0, 3), keep=st.sampled_from([(), ("design",)]))
    def remove_expired(self, now: int, keep: tuple[str, ...]) -> None:
        removed = self.sqlite.remove_expired(Timestamp(now), keep)
        assert removed == self.memory.remove_expired(Timestamp(now), keep)

    @rule()
    def open_again(self) -> None:
        self.sqlite.close()
        self.sqlite = TWINS["sqlite"](Path(self.folder.name))

    @invariant()
    def are_equal(self) -> None:
        assert list(self.sqlite.find()) == list(self.memory.find())
        assert list(self.sqlite.find(kind="design", author=BOB)) == list(
            self.memory.find(kind="design", author=BOB)
        )
        assert self.sqlite.marks() == self.memory.marks()
        assert self.sqlite.ids(["design"]) == self.memory.ids(["design"])

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()


TestTwins = _AgainstEachOther.TestCase
TestTwins.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)


def test_the_outlines_of_a_kind_are_those_of_its_records_by_time(store: RecordStore) -> None:
    design = a_record(at=1000, kind="design", stream="design/x", seq=1)
    bobs = a_record(at=2000, kind="design", stream="design/y", seq=7, author=BOB)
    store.put_many([bobs, design, a_record(at=500, kind="workshop", stream="workshop", seq=1)])

    assert store.outlines("design") == [
        Outline(Place(row.author, row.stream, row.seq, row.id), row.at, len(row.data))
        for row in (design, bobs)
    ]
