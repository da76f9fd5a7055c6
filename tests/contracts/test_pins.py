"""What every `PinStore` promises: the one in a file and the one in memory."""

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from commonfab.protocol.ids import Timestamp
from commonfab.storage.cid import CID, DAG_PB
from commonfab.storage.pins import MemoryPins, PinLog, PinStore, Wish

Make = Callable[[Path], PinStore]
TWINS: dict[str, Make] = {"log": PinLog, "memory": lambda _: MemoryPins()}
HOOK, PUMP = (CID.of(name, codec=DAG_PB) for name in (b"hook", b"pump"))
NOON = Timestamp(43_200_000)


@pytest.fixture(params=TWINS)
def pins(request: pytest.FixtureRequest, tmp_path: Path) -> PinStore:
    return TWINS[request.param](tmp_path / "pins.log")


def test_a_wish_stays_until_it_is_dropped_once(pins: PinStore) -> None:
    pins.wish(HOOK, NOON, "hook")
    assert pins.wishes() == {HOOK: Wish(NOON, "hook")}

    assert pins.drop(HOOK)
    assert not pins.drop(HOOK)
    assert pins.wishes() == {}


def test_both_versions_of_a_cid_are_one_wish_and_one_use(pins: PinStore) -> None:
    v0 = CID.of(b"hook", codec=DAG_PB, version=0)

    pins.wish(v0, NOON, "hook")
    pins.use(v0, NOON)

    assert pins.wishes() == {HOOK: Wish(NOON, "hook")}
    assert pins.uses() == {HOOK: NOON}
    pins.forget([v0])
    assert pins.drop(v0)
    assert not pins.uses()


def test_a_new_store_is_empty_and_not_damaged(pins: PinStore) -> None:
    assert (pins.wishes(), pins.uses(), pins.is_damaged) == ({}, {}, False)


class _AgainstDicts(RuleBasedStateMachine):
    """Any order of calls leaves a store equal to two dictionaries, also when opened again."""

    @staticmethod
    @abstractmethod
    def make(path: Path) -> PinStore: ...

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "pins.log")
        self.pins = self.make(self.path)
        self.wishes: dict[CID, Wish] = {}
        self.uses: dict[CID, int] = {}

    roots = st.sampled_from([HOOK, PUMP])
    times = st.integers(0, 2**53).map(Timestamp)

    @rule(root=roots, at=times, name=st.text(max_size=3))
    def wish(self, root: CID, at: Timestamp, name: str) -> None:
        self.pins.wish(root, at, name)
        self.wishes[root] = Wish(at, name)

    @rule(root=roots)
    def drop(self, root: CID) -> None:
        assert self.pins.drop(root) == (self.wishes.pop(root, None) is not None)

    @rule(root=roots, at=times)
    def use(self, root: CID, at: Timestamp) -> None:
        self.pins.use(root, at)
        self.uses[root] = at

    @rule(gone=st.lists(roots))
    def forget(self, gone: list[CID]) -> None:
        self.pins.forget(gone)
        for root in gone:
            self.uses.pop(root, None)

    @rule()
    def open_again(self) -> None:
        if isinstance(self.pins, PinLog):
            self.pins = self.make(self.path)

    @invariant()
    def is_equal(self) -> None:
        assert (self.pins.wishes(), self.pins.uses()) == (self.wishes, self.uses)

    def teardown(self) -> None:
        self.folder.cleanup()


class _Log(_AgainstDicts):
    @staticmethod
    def make(path: Path) -> PinStore:
        return PinLog(path, sync=lambda _: None)


class _Memory(_AgainstDicts):
    @staticmethod
    def make(path: Path) -> PinStore:
        return MemoryPins()


TestLog = _Log.TestCase
TestLog.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestMemory = _Memory.TestCase
