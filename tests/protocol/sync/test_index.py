"""The order of time and id: a set with sums, against the same thing done plainly."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commonfab.protocol.sync.index import (
    END,
    KEY_BYTES,
    MODULUS,
    Index,
    id_of,
    key_of,
    number,
)

# Few times, and ids that begin chunks or never do.
ids = st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 7, 8, 9])).map(
    lambda ends: bytes([ends[0]]) * 31 + bytes([ends[1]])
)
keys = st.builds(key_of, st.integers(0, 3), ids)
bounds = st.one_of(keys, keys.map(lambda key: key[:9]), st.binary(max_size=KEY_BYTES))


class _AgainstASet(RuleBasedStateMachine):
    """Whatever comes and goes, in whatever order, the index is the one made of what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.plain: set[bytes] = set()
        self.index = Index()

    @rule(added=st.lists(keys, max_size=60))
    def add(self, added: list[bytes]) -> None:
        for key in added:
            self.index.add(key)
        self.plain.update(added)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        here = st.sampled_from(sorted(self.plain)) if self.plain else keys
        for key in data.draw(st.lists(here | keys, max_size=40)):
            self.index.remove(key)
            self.plain.discard(key)

    @rule(key=keys)
    def ask(self, key: bytes) -> None:
        assert (key in self.index) == (key in self.plain)

    @rule(low=bounds, high=bounds)
    def sum_up(self, low: bytes, high: bytes) -> None:
        low, high = min(low, high), max(low, high)
        inside = sorted(key for key in self.plain if low <= key < high)

        assert self.index.keys(low, high) == inside
        assert self.index.between(low, high) == (len(inside), sum(map(number, inside)) % MODULUS)

    @rule(low=bounds, high=bounds, parts=st.integers(2, 64))
    def cut(self, low: bytes, high: bytes, parts: int) -> None:
        low, high = min(low, high), max(low, high)
        found = [low, *self.index.cut(low, high, parts), high]

        assert len(found) - 1 <= parts
        if len(self.index.keys(low, high)) > 1:
            assert len(found) > 2
            assert all(self.index.between(one, other)[0] for one, other in pairwise(found))

    @invariant()
    def is_the_set(self) -> None:
        assert self.index.keys(b"", END) == sorted(self.plain)
        assert len(self.index) == len(self.plain)


TestIndex = _AgainstASet.TestCase


def many(count: int) -> list[bytes]:
    return [
        key_of(n, number(n.to_bytes(40, "big")).to_bytes(128, "big")[:32]) for n in range(count)
    ]


def test_a_large_index_is_the_same_however_it_was_made() -> None:
    some = many(5000)
    grown = Index()
    for key in [*some[::2], *reversed(some[1::2])]:
        grown.add(key)

    assert grown.before(END) == Index(some).before(END)
    assert grown.keys(b"", END) == some
    for at in range(0, 5000, 37):
        assert grown.between(some[at // 3], some[at]) == Index(some[at // 3 : at]).before(END)


def test_cuts_are_nearly_equal_and_stand_where_both_sides_have_sums() -> None:
    mine, theirs = many(5000), many(5000)
    del theirs[1234]
    one, other = Index(mine), Index(theirs)

    found = [b"", *one.cut(b"", END, 16), END]
    counts = [one.between(low, high)[0] for low, high in pairwise(found)]
    same = [one.between(low, high) == other.between(low, high) for low, high in pairwise(found)]

    assert len(counts) == 16
    assert max(counts) - min(counts) < 64
    assert same.count(False) == 1


def test_keys_that_never_begin_a_chunk_are_cut_nevertheless() -> None:
    odd = [key_of(5, n.to_bytes(31, "big") + b"\x01") for n in range(3000)]
    index = Index(odd[::2])
    for key in odd[1::2]:
        index.add(key)

    (middle,) = index.cut(odd[100], odd[102], 64)

    assert len(index.cut(b"", END, 64)) > 50
    assert odd[100] < middle <= odd[101]


def test_an_empty_index_has_nothing() -> None:
    index = Index([key_of(1, bytes(32))])
    index.remove(key_of(1, bytes(32)))

    assert index.before(END) == (0, 0)
    assert index.keys(b"", END) == []
    assert index.cut(b"", END, 4) == []
    assert len(index) == 0


@given(st.integers(0, 2**53), st.binary(min_size=32, max_size=32))
def test_a_key_ends_with_its_id_and_stands_where_its_time_does(at: int, identifier: bytes) -> None:
    key = key_of(at, identifier)

    assert id_of(key) == identifier
    assert len(key) == KEY_BYTES
    assert key < key_of(at + 1, bytes(32)) <= END
