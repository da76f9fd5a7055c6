"""Writes specs/vectors/carried.json: sets, sealed files and notes that go along with bundles."""

from collections.abc import Callable

from nacl.bindings import crypto_sign_ed25519_sk_to_curve25519

from commonfab.protocol.carrying import known, notes, sealing
from commonfab.protocol.carrying.notes import Delivery, Summary
from commonfab.protocol.carrying.wishes import Area, Wish
from commonfab.storage.car.sealed_file import SealedSink
from tests.protocol.signers import ALICE, BOB
from tests.vectors import Case

ABOUT = (
    "`known`: items, a salt, and the bytes that say which they are. `sealed`: a content, the "
    "one-time secret, the addressee's Ed25519 seed and X25519 secret, and the whole file; or a "
    "file (`broken`) that does not open. `note`: a note's fields that are not plain, its "
    "author's seed, and its envelope."
)
_SALT = bytes(range(16))
_ONE_TIME = bytes(range(32, 64))


class _Memory:
    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        """It is all there."""

    def close(self) -> None:
        """Nothing is open."""


def cases() -> list[Case]:
    items = [number.to_bytes(32, "big") for number in range(10)]
    return [
        _known("no items", []),
        _known("one item", items[:1]),
        _known("ten items", items),
        _sealed("empty", b""),
        _sealed("a line", b"A hook for a wall.\n"),
        _broken("another addressee", lambda file: file[:8] + ALICE.node + file[40:]),
        _broken("cut", lambda file: file[:-1]),
        _broken("a bit", lambda file: file[:-1] + bytes([file[-1] ^ 1])),
        _note("a delivery", Delivery(at=5, file_sha256=bytes(32), size_bytes=7)),
        _note("a summary", _SUMMARY),
    ]


_SUMMARY = Summary(
    at=1_795_000_000_000,
    to=BOB.node,
    wishes=(
        Wish(tag="medical", budget_bytes=4_000_000_000),
        Wish(area=Area(lat_udeg=45_000_000, lon_udeg=5_000_000, radius_m=100_000)),
    ),
    salt=_SALT,
    count=0,
    left_out=2,
)


def _known(name: str, items: list[bytes]) -> Case:
    count, data = known.encode(items, _SALT)
    return {
        "name": f"known: {name}",
        "items": [item.hex() for item in items],
        "salt": _SALT.hex(),
        "count": count,
        "known": data.hex(),
    }


def seal(content: bytes) -> bytes:
    memory = _Memory()
    sink = SealedSink(memory, BOB.node, _ONE_TIME, len(content))
    sink.write(content)
    sink.finish()
    return bytes(memory.data)


def _sealed(name: str, content: bytes) -> Case:
    return {
        "name": f"sealed: {name}",
        "content": content.hex(),
        "one_time": _ONE_TIME.hex(),
        "seed": BOB.seed.hex(),
        "secret": crypto_sign_ed25519_sk_to_curve25519(BOB.seed + BOB.node).hex(),
        "sealed": seal(content).hex(),
    }


def _broken(name: str, change: Callable[[bytes], bytes]) -> Case:
    file = change(seal(b"A hook for a wall.\n"))
    assert len(file) > sealing.SEALED_HEAD_BYTES
    return {"name": f"sealed: {name}", "seed": BOB.seed.hex(), "broken": file.hex()}


def _note(name: str, note: notes.Note) -> Case:
    return {
        "name": f"note: {name}",
        "kind": type(note).__name__.lower(),
        "at": note.at,
        "seed": ALICE.seed.hex(),
        "note": notes.sign(note, ALICE).hex(),
    }
