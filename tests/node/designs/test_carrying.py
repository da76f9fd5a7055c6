"""What a node remembers of what others have by sync."""

from dataclasses import replace

from commonfab.node.designs.carrying import ARRIVED_MAX, Carrying, PeerState
from commonfab.node.library import Library
from commonfab.protocol.carrying.known import NOTHING
from commonfab.protocol.ids import RecordId, Timestamp
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import a_design
from tests.protocol.signers import ALICE


def test_a_record_is_not_taken_for_older_than_it_is_when_its_coming_is_forgotten() -> None:
    carrying = Carrying(ALICE.node, Library(MemoryRecordStore()), lambda _: Timestamp(0))
    long_synced = PeerState(Timestamp(0), NOTHING, None, synced=Timestamp(1))
    first = a_design()
    carrying.learn(first)
    for number in range(ARRIVED_MAX):
        carrying.learn(replace(first, id=RecordId(number.to_bytes(32, "big"))))

    assert not carrying.has_by_sync(long_synced, first.id)
