"""A large folder, split over several blocks by the hashes of its names (a HAMT).

Each block, a shard, has 256 slots. A name's hash says, eight bits a level, which slot it takes:
the slot holds the entry if it is alone there, else a further shard. So the tree depends on
the names only, not on the order in which they came. A reader checks that each name is where
its hash belongs, which also bounds its work: no shard can be read twice without a lie.
Rules: specs/unixfs.md.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter

from commonfab.protocol.errors import Malformed

from ..cid import CID
from ..ports import BlockStore
from .dagpb import Link, Node, number, run
from .data import FOLDER_ENTRIES_MAX, SHARD, Data, Entry, NotSupported, Tree, load

WIDTH = 256
"""Slots of a shard that is written here."""
WIDTH_MAX = 1024
"""Slots of a shard that is read."""

_HASH_CODE = 0x22
_HASH_BITS = 64
_MASK = 2**64 - 1


def name_hash(name: str) -> int:
    """Return the first 64 bits of MurmurHash3 x64-128 (seed 0) of a name in UTF-8."""
    data = name.encode()
    whole = len(data) & ~15
    h1 = h2 = 0
    for at in range(0, whole, 16):
        h1 ^= _mix1(int.from_bytes(data[at : at + 8], "little"))
        h1 = ((_rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _mix2(int.from_bytes(data[at + 8 : at + 16], "little"))
        h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    h1 ^= _mix1(int.from_bytes(data[whole : whole + 8], "little"))
    h2 ^= _mix2(int.from_bytes(data[whole + 8 :], "little"))
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return (_finish(h1) + _finish(h2)) & _MASK


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _mix1(k: int) -> int:
    return _rotate(k * 0x87C37B91114253D5 & _MASK, 31) * 0x4CF5AD432745937F & _MASK


def _mix2(k: int) -> int:
    return _rotate(k * 0x4CF5AD432745937F & _MASK, 33) * 0x87C37B91114253D5 & _MASK


def _finish(h: int) -> int:
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & _MASK
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return h ^ h >> 33


def add_shards(links: tuple[Link, ...], keep: Callable[[Node], Tree]) -> Tree:
    """Give `keep` the nodes of a folder with these links, and return its root."""
    hashed = sorted(((name_hash(link.name), link) for link in links), key=itemgetter(0))
    return _add_shard(hashed, _HASH_BITS, keep)


def _add_shard(
    hashed: list[tuple[int, Link]], bits_left: int, keep: Callable[[Node], Tree]
) -> Tree:
    if not bits_left:
        names = " and ".join(repr(link.name) for _, link in hashed[:2])
        raise NotSupported(f"the names {names} have one hash; rename one of them")
    bits_left -= WIDTH.bit_length() - 1
    links: list[Link] = []
    taken = 0
    for slot, group in groupby(hashed, lambda pair: pair[0] >> bits_left & WIDTH - 1):
        within = list(group)
        if len(within) == 1:
            link = within[0][1]
            links.append(Link(link.cid, f"{slot:02X}{link.name}", link.tsize))
        else:
            below = _add_shard(within, bits_left, keep)
            links.append(Link(below.cid, f"{slot:02X}", below.tsize))
        taken |= 1 << slot
    return keep(Node(tuple(links), shard_data(taken, WIDTH)))


def shard_data(taken: int, width: int) -> bytes:
    """Return the message of a shard; bit n of `taken` tells whether slot n is in use."""
    field = taken.to_bytes((taken.bit_length() + 7) // 8, "big")
    bits = run(2, field) if field else b""
    return number(1, SHARD) + bits + number(5, _HASH_CODE) + number(6, width)


def entries(
    blocks: BlockStore, root: CID, *, entries_max: int = FOLDER_ENTRIES_MAX
) -> Iterator[Entry]:
    """Yield the entries of a split folder, in no order. `Malformed` if it is not built as one."""
    waiting = [(root, 0, 0, 0)]
    found = 0
    while waiting:
        cid, path, used, width = waiting.pop()
        shard = _Shard(blocks, cid, used, width)
        for slot, name, link in shard.slots:
            here = path << shard.bits | slot
            if not name:
                waiting.append((link.cid, here, shard.used, shard.width))
                continue
            if name_hash(name) >> (_HASH_BITS - shard.used) != here:
                raise Malformed(f"{cid}: the name {name!a} is not in the slot of its hash")
            found += 1
            if found > entries_max:
                raise Malformed(f"{root}: a folder of more than {entries_max} names")
            yield Entry(name, link.cid, link.tsize)


def find(blocks: BlockStore, root: CID, name: str) -> CID | None:
    """Return what a name leads to, reading only the shards on its way."""
    hashed = name_hash(name)
    cid, used, width = root, 0, 0
    while True:
        shard = _Shard(blocks, cid, used, width)
        wanted = hashed >> (_HASH_BITS - shard.used) & shard.width - 1
        found = [(held, link) for slot, held, link in shard.slots if slot == wanted]
        if not found:
            return None
        held, link = found[0]
        if held:
            return link.cid if held == name else None
        cid, used, width = link.cid, shard.used, shard.width


class _Shard:
    """One shard, as it was read and checked: its slots in use, each with a name or none."""

    def __init__(self, blocks: BlockStore, cid: CID, used: int, width: int) -> None:
        """`used` bits of the hash led here, from a shard with `width` slots; 0 for a root."""
        links, data = load(blocks, cid)
        self.width = _checked_width(cid, data)
        self.bits = self.width.bit_length() - 1
        self.used = used + self.bits
        if width not in (0, self.width):
            raise Malformed(f"{cid}: a shard of {self.width} slots below one of {width}")
        if self.used > _HASH_BITS:
            raise Malformed(f"{cid}: a folder split deeper than its names' hashes go")
        if used and not links:
            raise Malformed(f"{cid}: a shard without entries")
        self.slots = list(_slots(cid, links, data, self.width))


def _checked_width(cid: CID, data: Data) -> int:
    if data.kind != SHARD:
        raise Malformed(f"{cid} is not a part of a split folder")
    if data.hash_code != _HASH_CODE:
        raise Malformed(f"{cid}: names hashed in the way {data.hash_code}; only murmur3 is read")
    width = data.width or 0
    if not 8 <= width <= WIDTH_MAX or width & width - 1:
        raise Malformed(f"{cid}: a shard of {width} slots; 8, 16 and so on to {WIDTH_MAX} are read")
    return width


def _slots(
    cid: CID, links: tuple[Link, ...], data: Data, width: int
) -> Iterator[tuple[int, str, Link]]:
    taken = int.from_bytes(data.content, "big") if len(data.content) <= width // 8 else 0
    slots = [slot for slot in range(width) if taken >> slot & 1]
    if len(slots) != len(links):
        raise Malformed(f"{cid}: a shard of {len(links)} links says that {len(slots)} are there")
    digits = len(f"{width - 1:X}")
    for slot, link in zip(slots, links, strict=True):
        if link.name[:digits] != f"{slot:0{digits}X}":
            raise Malformed(f"{cid}: the link {link.name!a} is not the one of slot {slot}")
        yield slot, link.name[digits:], link
