"""What comes from strangers by file or block: CIDs, DAG-PB, UnixFS, CAR, sealed files."""

import io
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from nacl.bindings import crypto_scalarmult, crypto_sign_ed25519_sk_to_curve25519

from commonfab.protocol import multihash
from commonfab.protocol.carrying import known, sealing
from commonfab.protocol.errors import PeerError, ResourceError, UsageError
from commonfab.protocol.meeting import invitation
from commonfab.storage.car import bundle
from commonfab.storage.car.car import Reader, encode_header, encode_section
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import unixfs
from commonfab.storage.unixfs.dagpb import Link, Node, decode, encode, fields
from commonfab.storage.unixfs.data import Entry
from commonfab.storage.unixfs.read import list_folder, read_file, resolve, stat, walk
from commonfab.storage.unixfs.write import add_entries, add_file
from tests.builders import NOON
from tests.protocol.signers import ALICE

from .target import Feed, Target

_SECRET = crypto_sign_ed25519_sk_to_curve25519(ALICE.seed + ALICE.node)
_SALT = bytes(known.SALT_BYTES)
_READ_BYTES_MAX = 1 << 20
UNREADABLE = (PeerError, ResourceError, UsageError)
"""Blocks are missing, and symbolic links are not read: the world's fault, and a person's."""
_SMALL = replace(unixfs.profile_named(unixfs.DEFAULT_PROFILE), chunk_bytes=16, width=3)


def _tree() -> MemoryBlockStore:
    """Return a store with files of several levels, and folders, one of them split."""
    blocks = MemoryBlockStore()
    small = add_file(blocks, io.BytesIO(b"small"), _SMALL)
    large = add_file(blocks, io.BytesIO(bytes(range(256)) * 2), _SMALL)
    entries = [
        Entry(f"name {number}", (small if number % 2 else large)[0], 5) for number in range(40)
    ]
    folder = add_entries(blocks, entries[:5], _SMALL)
    add_entries(blocks, [*entries, Entry("below", folder.cid, 5)], _SMALL)
    return blocks


def _dag_pb(random: Random) -> Sequence[bytes]:
    blocks = _tree()
    return [blocks.get(cid) for cid in blocks.cids() if cid.codec == DAG_PB]


def _opened_unixfs() -> Feed:
    blocks = _tree()

    def feed(data: bytes) -> None:
        cid = CID.of(data, codec=DAG_PB)
        blocks.put(cid, data)
        refused: list[Exception] = []
        for reading in _READINGS:
            try:
                reading(blocks, cid)
            except UNREADABLE as error:
                refused.append(error)
        blocks.delete(cid)
        if len(refused) == len(_READINGS):
            raise refused[0]

    return feed


def _read(blocks: MemoryBlockStore, cid: CID) -> None:
    for _ in read_file(blocks, cid, bytes_max=_READ_BYTES_MAX):
        pass


def _list(blocks: MemoryBlockStore, cid: CID) -> None:
    list_folder(blocks, cid)
    stat(blocks, cid)


def _walk(blocks: MemoryBlockStore, cid: CID) -> None:
    for _ in walk(blocks, cid, blocks_max=200):
        pass


def _resolve(blocks: MemoryBlockStore, cid: CID) -> None:
    resolve(blocks, cid, "below/name 1")


_READINGS = (_read, _list, _walk, _resolve)


def _cars(random: Random) -> Sequence[bytes]:
    blocks = _tree()
    cids = list(blocks.cids())
    sections = [encode_section(cid, blocks.get(cid)) for cid in cids]
    return [
        encode_header(cids[:roots]) + b"".join(random.sample(sections, random.randint(0, 6)))
        for roots in (0, 1, 2, 3)
        for _ in range(4)
    ]


def _read_car(data: bytes) -> None:
    reader = Reader(io.BytesIO(data), len(data))
    for _ in reader.items():
        pass


def _bundles(random: Random) -> Sequence[bytes]:
    return [*_dag_pb(random), *(_folder_of(random) for _ in range(8))]


def _folder_of(random: Random) -> bytes:
    names = random.sample(["records", "designs", "known", "other"], 3)
    links = (Link(CID.of(name.encode(), codec=RAW), name, 3) for name in names)
    return encode(Node(tuple(sorted(links, key=lambda link: link.name)), b"\x08\x01"))


def _opened_bundle() -> Feed:
    blocks = _tree()

    def feed(data: bytes) -> None:
        cid = CID.of(data, codec=DAG_PB)
        blocks.put(cid, data)
        try:
            bundle.find_contents(blocks, cid)
            bundle.census(blocks, cid)
        finally:
            blocks.delete(cid)

    return feed


def _cids(random: Random) -> Sequence[bytes]:
    blocks = _tree()
    found = [bytes(cid) for cid in blocks.cids()]
    return [*found, found[0][2:], b"\x01\x55\x00\x03abc", b"\x01\x70\x00\x02\x0a\x00"]


def _read_cid(data: bytes) -> None:
    multihash.hash_of(data)
    multihash.hash_of(data[2:])
    cid = CID.from_bytes(data)
    assert CID.parse(str(cid)) == cid
    assert CID.from_bytes(bytes(cid)) == cid


def _sealed(random: Random) -> Sequence[bytes]:
    head, key = sealing.seal_for(ALICE.node, b"\x07" * 32)
    return [head + sealing.seal_chunk(key, 0, sealing.start_of_text(6) + b"secret", is_last=True)]


def _agree(public: bytes) -> bytes:
    return crypto_scalarmult(_SECRET, public)


def _open_sealed(data: bytes) -> None:
    sealing.addressee(data)
    key = sealing.key_of(data, _agree)
    text = sealing.open_chunk(key, 0, data[sealing.SEALED_HEAD_BYTES :], is_last=True)
    sealing.content_length(text)


def _known_sets(random: Random) -> Sequence[bytes]:
    items = [random.randbytes(32) for _ in range(30)]
    return [known.encode(items[:count], _SALT)[1] for count in (0, 1, 5, 30)]


def _invitations(random: Random) -> Sequence[bytes]:
    made = invitation.Invitation(
        host=ALICE.node, addresses=("/ip4/192.0.2.7/tcp/4001",), secret=bytes(16), until=NOON
    )
    return [made.text().encode()]


TARGETS = (
    Target(
        name="CIDs",
        reads=("storage/cid.py:from_bytes", "protocol/multihash.py:hash_of"),
        samples=_cids,
        opened=lambda: _read_cid,
    ),
    Target(
        name="DAG-PB",
        reads=(
            "storage/unixfs/dagpb.py:decode",
            "storage/unixfs/dagpb.py:fields",
            "storage/unixfs/dagpb.py:read_varint",
        ),
        samples=_dag_pb,
        opened=lambda: lambda data: (list(fields(data)), decode(data)),
    ),
    Target(
        name="UnixFS",
        reads=("storage/unixfs/read.py:links",),
        samples=_dag_pb,
        opened=_opened_unixfs,
        refusals=UNREADABLE,
    ),
    Target(
        name="CAR", reads=("storage/car/car.py:Reader",), samples=_cars, opened=lambda: _read_car
    ),
    Target(
        name="bundles",
        reads=("storage/bundle.py:find_contents",),
        samples=_bundles,
        opened=_opened_bundle,
        refusals=(PeerError, ResourceError),
    ),
    Target(
        name="sealed files",
        reads=(
            "protocol/carrying/sealing.py:addressee",
            "protocol/carrying/sealing.py:key_of",
            "protocol/carrying/sealing.py:open_chunk",
            "protocol/carrying/sealing.py:content_length",
        ),
        samples=_sealed,
        opened=lambda: _open_sealed,
    ),
    Target(
        name="what somebody has",
        reads=("protocol/carrying/known.py:Known",),
        samples=_known_sets,
        opened=lambda: lambda data: b"x" in known.Known(_SALT, 30, data),
    ),
    Target(
        name="invitations",
        reads=("protocol/meeting/invitation.py:read",),
        samples=_invitations,
        opened=lambda: lambda data: invitation.read(data.decode("utf-8", "replace")),
        refusals=(UsageError,),
    ),
)
