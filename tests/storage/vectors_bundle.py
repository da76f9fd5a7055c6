"""Writes specs/vectors/bundle.json: whole files, and what a reader makes of each."""

from commonfab.storage.car.bundle import NamedTree, SealedRecord, lay_out
from commonfab.storage.car.car import encode_header, encode_section
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs.dagpb import Link, Node, encode
from tests.protocol.signers import ALICE
from tests.vectors import Case

ABOUT = (
    "Whole CAR files. `roots` and `blocks` are the CIDs that a reader takes from the file, in its "
    "order; `refused` is how many sections are refused alone, `damaged` whether the file stops "
    "making sense before its end. `refused_at_once` is part of what is said of a file of which "
    "nothing is read. The first file is a bundle: of its records, the bytes in the vector are not "
    "signed ones."
)

_FILE = b"A hook for a wall.\n"
_RECORDS = (SealedRecord("workshop", b"a workshop's record"), SealedRecord("design", b"a record"))


def cases() -> list[Case]:
    file = CID.of(_FILE, codec=RAW)
    header, section = encode_header([file]), encode_section(file, _FILE)
    inner = header + section
    version_2 = bytes.fromhex("0aa16776657273696f6e02") + bytes(16)
    version_2 += b"".join(n.to_bytes(8, "little") for n in (51, len(inner), 51 + len(inner)))
    wrong = encode_section(file, b"A hook for a well.\n")
    of_cbor = b"\x01\x71" + bytes(file)[2:]
    strange = bytes((len(of_cbor) + 1,)) + of_cbor + b"\xa0"
    long_form = bytes((section[0] | 0x80, 0)) + section[1:]
    huge = b"\x80\x80\x80\x80\x80\x80\x80\x80\x10"
    return [
        _bundle(),
        _case("one block", inner, [file], [file]),
        _case("no block, no root", encode_header([]), [], []),
        _case("version 2 with an index", version_2 + inner + b"index", [file], [file]),
        _case("a wrong hash", header + wrong + section, [file], [file], refused=1),
        _case("a kind of block not read", header + strange + section, [file], [file], refused=1),
        _case("cut in a block", inner + section[:-1], [file], [file], damaged=True),
        _case("a section of no bytes", inner + b"\0" + section, [file], [file], damaged=True),
        _case("a length in a longer form", inner + long_form, [file], [file], damaged=True),
        _case("a length of 2^60", inner + huge, [file], [file], damaged=True),
        {"name": "version 3", "file": (header[:-1] + b"\3").hex(), "refused_at_once": "header"},
        {"name": "a header of 2^60 bytes", "file": huge.hex(), "refused_at_once": "a header of"},
        {"name": "empty", "file": "", "refused_at_once": "not a CAR"},
    ]


def _bundle() -> Case:
    blocks = MemoryBlockStore()
    file = CID.of(_FILE, codec=RAW)
    folder = encode(Node((Link(file, "hook.txt", len(_FILE)),), b"\x08\x01"))
    design = CID.of(folder, codec=DAG_PB)
    blocks.put(design, folder)
    layout = lay_out(_RECORDS, [NamedTree("Wall hook", ALICE.node, design)], blocks)
    all_blocks = [*layout.blocks, (design, folder), (file, _FILE)]
    data = encode_header([layout.root]) + b"".join(encode_section(*each) for each in all_blocks)
    return _case("a bundle", data, [layout.root], [cid for cid, _ in all_blocks])


def _case(
    name: str,
    data: bytes,
    roots: list[CID],
    blocks: list[CID],
    *,
    refused: int = 0,
    damaged: bool = False,
) -> Case:
    return {
        "name": name,
        "file": data.hex(),
        "roots": [str(cid) for cid in roots],
        "blocks": [str(cid) for cid in blocks],
        "refused": refused,
        "damaged": damaged,
    }
