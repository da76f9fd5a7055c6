"""Holds: what was touched while one was open is not collected under its holder's feet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.ports import BlockDamaged, BlockMissing

DATA = [b"%d" % number for number in range(5)]
CIDS = [CID.of(data, codec=RAW) for data in DATA]


def test_a_damaged_block_is_told_of_as_it_is_read(tmp_path: Path) -> None:
    blocks = GuardedBlocks(DiskBlockStore(tmp_path))
    told: list[CID] = []
    blocks.on_damage = told.append
    blocks.put(CIDS[0], DATA[0])
    next((tmp_path / "blocks").rglob(f"{CIDS[0]}")).write_bytes(b"1")

    with pytest.raises(BlockDamaged):
        blocks.get(CIDS[0])
    assert told == [CIDS[0]]


def test_a_denied_block_is_for_nobody_and_can_still_be_deleted() -> None:
    blocks = GuardedBlocks(MemoryBlockStore())
    blocks.put(CIDS[0], DATA[0])
    blocks.put(CIDS[1], DATA[1])

    blocks.denied = frozenset([CIDS[0].as_v1()])

    assert not blocks.has(CIDS[0])
    with pytest.raises(BlockMissing):
        blocks.get(CIDS[0])
    assert blocks.get(CIDS[1]) == DATA[1]
    with blocks.sweep() as delete:
        assert delete(CIDS[0])
    assert not blocks.inner.has(CIDS[0])


class Interleaved(RuleBasedStateMachine):
    """Publishers and fetchers and sweeps in any order of their steps.

    A publisher was told for each of its blocks that it is here; a sweep has marked nothing, so
    it wants every block there is. No publisher ever misses a block before its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blocks = GuardedBlocks(MemoryBlockStore())
        self.holders: list[tuple[Iterator[None], set[CID]]] = []
        self.sweeps: list[Iterator[None]] = []

    @precondition(lambda self: len(self.holders) < 3)
    @rule()
    def begin_to_hold(self) -> None:
        def hold() -> Iterator[None]:
            with self.blocks.hold():
                yield

        holding = hold()
        next(holding)
        self.holders.append((holding, set()))

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), which=st.integers(0, 4), looks=st.booleans())
    def step(self, data: st.DataObject, which: int, looks: bool) -> None:
        _, relied_on = self.holders[data.draw(st.integers(0, len(self.holders) - 1))]
        if looks:
            if self.blocks.has(CIDS[which]):
                relied_on.add(CIDS[which])
        else:
            self.blocks.put(CIDS[which], DATA[which])
            relied_on.add(CIDS[which])

    @rule(which=st.integers(0, 4))
    def leave_behind(self, which: int) -> None:
        self.blocks.inner.put(CIDS[which], DATA[which])

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def end_to_hold(self, data: st.DataObject) -> None:
        holding, _ = self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1)))
        next(holding, None)

    @precondition(lambda self: len(self.sweeps) < 2)
    @rule()
    def begin_to_sweep(self) -> None:
        def sweep() -> Iterator[None]:
            with self.blocks.sweep() as delete:
                for cid in CIDS:
                    yield
                    delete(cid)

        sweeping = sweep()
        next(sweeping)
        self.sweeps.append(sweeping)

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data())
    def sweep_on(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.sweeps) - 1))
        if next(self.sweeps[index], self) is self:
            del self.sweeps[index]

    @invariant()
    def nobody_lost_what_he_relies_on(self) -> None:
        for _, relied_on in self.holders:
            assert all(self.blocks.inner.has(cid) for cid in relied_on)

    @precondition(lambda self: not self.holders and not self.sweeps)
    @invariant()
    def nothing_is_remembered_for_nobody(self) -> None:
        with self.blocks.sweep() as delete:
            assert all(map(delete, CIDS))


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
