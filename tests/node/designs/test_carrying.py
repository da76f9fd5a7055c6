"""What a node remembers of what others have by sync."""

from dataclasses import replace

from commonfab.node import clock
from commonfab.node.designs.carrying import ARRIVED_MAX, Carrying, PeerState
from commonfab.node.library import Library
from commonfab.protocol.carrying.known import NOTHING
from commonfab.protocol.ids import RecordId, Timestamp
from commonfab.storage.memory import MemoryRecordStore
from tests.builders import a_design
from tests.protocol.signers import ALICE


def never_synced() -> Carrying:
    return Carrying(ALICE.node, Library(MemoryRecordStore()), lambda _: (Timestamp(0), ()))


def synced_at(at: Timestamp, *declined: RecordId) -> PeerState:
    return PeerState(Timestamp(0), NOTHING, None, synced=at, declined=declined)


def test_what_a_peer_did_not_believe_when_it_synced_it_has_not() -> None:
    carrying, believed, declined = never_synced(), a_design(stream="design/1"), a_design()
    for record in (believed, declined):
        carrying.learn(record)
    state = synced_at(Timestamp(clock.now() + 1), declined.id)

    assert carrying.has_by_sync(state, believed.id)
    assert not carrying.has_by_sync(state, declined.id)


def test_a_record_is_not_taken_for_older_than_it_is_when_its_coming_is_forgotten() -> None:
    carrying = never_synced()
    long_synced = synced_at(Timestamp(1))
    first = a_design()
    carrying.learn(first)
    for number in range(ARRIVED_MAX):
        carrying.learn(replace(first, id=RecordId(number.to_bytes(32, "big"))))

    assert not carrying.has_by_sync(long_synced, first.id)
