"""Writes specs/vectors/sync.json: what two sides of a sync session compute from their sets."""

from hashlib import sha256

from commonfab.protocol.sync import reconcile
from commonfab.protocol.sync.index import END, Index, id_of, key_of
from tests.vectors import Case

ABOUT = (
    "Sets of records in the order of time and id, and what a sync session says of them. keys: 8 "
    "bytes of time, 32 of id. sum: of the numbers of the ids, modulo 2^1024. digest: of the whole "
    "set, as in hello. promise: of the leader's salt. fingerprint: of the whole set as one range, "
    "with both salts. short_ids: of the keys in their order. Replayed by "
    "tests/protocol/sync/test_reconcile.py."
)
LEADER, FOLLOWER = bytes(range(16)), bytes(range(16, 32))
NOON = 1_795_000_000_000


def cases() -> list[Case]:
    ids = [sha256(bytes([n])).digest() for n in range(20)]
    return [
        _case("nothing", []),
        _case("one record", [key_of(NOON, ids[0])]),
        _case("two of one moment, in the order of their ids", [key_of(NOON, i) for i in ids[:2]]),
        _case("twenty", [key_of(NOON + 1000 * n, i) for n, i in enumerate(ids)]),
        _case("at time zero and at the last time", [key_of(0, ids[3]), key_of(2**53, ids[4])]),
    ]


def _case(about: str, keys: list[bytes]) -> Case:
    index = Index(keys)
    total = index.before(END)
    salt = LEADER + FOLLOWER
    ordered = index.keys(b"", END)
    return {
        "about": about,
        "keys": [key.hex() for key in ordered],
        "leader_salt": LEADER.hex(),
        "follower_salt": FOLLOWER.hex(),
        "sum": total[1].to_bytes(128, "big").hex(),
        "digest": reconcile.digest(total).hex(),
        "promise": reconcile.promise(LEADER).hex(),
        "fingerprint": reconcile.fingerprint(salt, total).hex(),
        "short_ids": [short.hex() for short in reconcile.short_ids(salt, map(id_of, ordered))],
    }
