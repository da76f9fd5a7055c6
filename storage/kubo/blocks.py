"""Blocks in a running Kubo: what this node keeps there, apart from all else that Kubo has.

A block is kept when Kubo has it under a pin of its own, direct and named "commonfab": Kubo's
collection then leaves it alone, whoever runs it, and what others keep in the same Kubo is
neither listed nor deleted here. Forgetting a block is taking the pin away; the disk is freed
by Kubo's own collection. Which blocks are pinned is read with `connect`, and remembered.

Kubo is trusted with nothing: every block is hashed when it comes back. It acknowledges before
the disk has (its `sync` is off by default): what a power cut took is noticed by its hash when
it is read, and fetched again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from commonfab.protocol.errors import Malformed
from commonfab.protocol.limits import BLOCK_BYTES_MAX, MIB
from commonfab.protocol.multihash import hash_of

from ..cid import CID, DAG_PB, RAW
from ..ports import BlockDamaged, BlockMissing, MadeBlock, check_block
from .rpc import KuboAway, KuboRefused, KuboRpc, Line

PIN_NAME = "commonfab"
_PROBE = b"commonfab keeps blocks here\n"
_PROBE_NAME = "commonfab-probe"
_CODECS = {RAW: "raw", DAG_PB: "dag-pb"}
_BATCH_BLOCKS_MAX = 64
_BATCH_BYTES_MAX = 8 * MIB
_PINS_BYTES_MAX = 512 * MIB
_PINS_S = 600.0
"""A million pins are about 130 MB of answer."""
_OFFLINE = {"offline": "true"}

Batch = list[tuple[CID, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KuboFacts:
    """What Kubo says of itself."""

    version: str
    id: str
    peers: int
    repo_bytes: int
    repo_bytes_max: int
    blocks: int
    received_bytes: int
    sent_bytes: int
    is_synced: bool
    """Whether its disk has a block when it acknowledges it."""


class NotForKubo(KuboRefused):
    """Among these blocks is one that Kubo cannot pin: somebody else has pinned it with all that
    is below, or it is called a dag-pb node and is none."""


class KuboBlockStore:
    """Nearly a `BlockStore`, in a Kubo: it raises `KuboAway` and `KuboRefused` besides, and
    `NotForKubo`, before which a node puts its own disk (fallback.py)."""

    def __init__(self, rpc: KuboRpc) -> None:
        """Nothing is asked yet; it has no blocks before `connect`."""
        self.rpc = rpc
        self._sizes: dict[CID, int | None] = {}
        """Of each block that is pinned here, as version 1; None where not asked for yet."""

    def connect(self) -> str:
        """Try whether this Kubo serves, learn what is pinned, and return its version.

        Found out by doing, not by the version: a later one may have changed anything.
        """
        version = str(self.rpc.ask("version").get("Version"))
        cid = CID.of(_PROBE, codec=RAW)
        self._send([(cid, _PROBE)])
        self._pin([cid], _PROBE_NAME)
        if cid not in self._pinned("direct", _PROBE_NAME) or self._read(cid) != _PROBE:
            raise KuboAway(
                f"Kubo {version} at {self.rpc.address} does not keep a block under a named pin; "
                "0.42 does"
            )
        self._unpin(cid)
        found = {*self._pinned("direct", PIN_NAME), *self._pinned("recursive", PIN_NAME)}
        self._sizes = {each: self._sizes.get(each) for each in found}
        return version

    def put(self, cid: CID, data: bytes) -> None:
        self.put_many([(cid, data)])

    def put_many(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        for batch in batches(blocks):
            self.put_batch(batch)

    def put_batch(self, batch: Batch) -> None:
        """Keep a few blocks, all in memory."""
        new: dict[CID, bytes] = {}
        for block in batch:
            cid, data = block
            if not isinstance(block, MadeBlock):
                check_block(cid, data)
            if cid.as_v1() not in self._sizes:
                new[cid.as_v1()] = data
        if new:
            for _, alike in groupby(sorted(new.items()), key=lambda block: _options(block[0])):
                self._send(list(alike))
            self._pin(list(new), PIN_NAME)
            self._sizes.update({cid: len(data) for cid, data in new.items()})

    def get(self, cid: CID) -> bytes:
        key = cid.as_v1()
        if key not in self._sizes:
            raise BlockMissing(cid)
        try:
            data = self._read(key)
        except KuboRefused as error:  # Somebody has taken the pin away, and collected.
            self._sizes.pop(key, None)
            raise BlockMissing(cid) from error
        if not cid.names(data):
            self._throw_away(key)
            raise BlockDamaged(cid, "where Kubo collects it")
        return data

    def has(self, cid: CID) -> bool:
        return cid.as_v1() in self._sizes

    def delete(self, cid: CID) -> None:
        """Take the pin away. Kubo's own collection frees the disk."""
        key = cid.as_v1()
        if key in self._sizes:
            self._unpin(key)
            self._sizes.pop(key, None)

    def cids(self) -> Iterator[CID]:
        return iter(list(self._sizes))

    def size(self) -> int:
        for cid, size in list(self._sizes.items()):
            if size is None:
                with suppress(KuboRefused):
                    stat = self.rpc.ask("block/stat", str(cid), options=_OFFLINE)
                    self._sizes[cid] = _number(stat, "Size")
        return sum(size or 0 for size in self._sizes.values())

    def fetch(self, cid: CID) -> bytes:
        """Return a block that Kubo has or gets from its peers; hashed here.

        Raises `BlockMissing` if it does not come in time.
        """
        try:
            data = self._read(cid, offline="false")
        except (KuboRefused, KuboAway) as error:
            raise BlockMissing(cid) from error
        if not cid.names(data):
            raise BlockDamaged(cid, "nowhere, as it is Kubo's")
        return data

    def pin_tree(self, root: CID) -> None:
        """Pin a whole tree that Kubo has, as people do: they see one pin, named like ours."""
        options = {"recursive": "true", "name": PIN_NAME, **_OFFLINE}
        self.rpc.ask("pin/add", str(root), options=options)
        self._sizes.setdefault(root.as_v1(), None)

    def collect(self) -> int:
        """Run Kubo's own collection; return how many blocks it has removed."""
        return sum(1 for line in self.rpc.stream("repo/gc", call_s=_PINS_S) if "Key" in line)

    def room(self) -> int:
        """Return the bytes that its operator lets Kubo grow by; negative if it is over that."""
        stat = self.rpc.ask("repo/stat", options={"size-only": "true"})
        return _number(stat, "StorageMax") - _number(stat, "RepoSize")

    def facts(self) -> KuboFacts:
        ask = self.rpc.ask
        stat, bandwidth = ask("repo/stat"), ask("stats/bw")
        return KuboFacts(
            version=str(ask("version").get("Version")),
            id=str(ask("id").get("ID")),
            peers=len(ask("swarm/peers").get("Peers") or ()),
            repo_bytes=_number(stat, "RepoSize"),
            repo_bytes_max=_number(stat, "StorageMax"),
            blocks=_number(stat, "NumObjects"),
            received_bytes=_number(bandwidth, "TotalIn"),
            sent_bytes=_number(bandwidth, "TotalOut"),
            is_synced=_is_synced(ask("config", "Datastore.Spec").get("Value")),
        )

    def _send(self, blocks: Batch) -> None:
        """Have Kubo take blocks of one kind, and see that it names them alike."""
        options = {**_options(blocks[0][0]), "allow-big-block": "true", **_OFFLINE}
        lines = self.rpc.lines("block/put", options=options, files=[data for _, data in blocks])
        if [line.get("Key") for line in lines] != [str(cid) for cid, _ in blocks]:
            raise KuboAway(f"Kubo at {self.rpc.address} gives blocks other names than ours")

    def _pin(self, cids: list[CID], name: str) -> None:
        options = {"recursive": "false", "name": name, **_OFFLINE}
        try:
            self.rpc.lines("pin/add", *map(str, cids), options=options)
        except KuboRefused as error:
            raise NotForKubo(str(error)) from error

    def _unpin(self, cid: CID) -> None:
        with suppress(KuboRefused):  # It is not pinned any more.
            self.rpc.ask("pin/rm", str(cid))

    def _pinned(self, kind: str, name: str) -> Iterator[CID]:
        options = {"type": kind, "names": "true", "name": name, "stream": "true"}
        for line in self.rpc.stream(
            "pin/ls", options=options, bytes_max=_PINS_BYTES_MAX, call_s=_PINS_S
        ):
            if line.get("Name") == name:
                with suppress(Malformed):  # Of a kind that is not kept here: not ours.
                    yield CID.parse(str(line.get("Cid"))).as_v1()

    def _read(self, cid: CID, offline: str = "true") -> bytes:
        options = {"offline": offline}
        return self.rpc.data("block/get", str(cid), bytes_max=BLOCK_BYTES_MAX, options=options)

    def _throw_away(self, cid: CID) -> None:
        """Have a damaged block removed: Kubo would not write over it."""
        self._unpin(cid)
        with suppress(KuboRefused):
            self.rpc.ask("block/rm", str(cid), options={"force": "true"})
        self._sizes.pop(cid, None)


def batches(blocks: Iterable[tuple[CID, bytes]]) -> Iterator[Batch]:
    """Divide blocks into batches that fit into memory and into one call."""
    batch: Batch = []
    waiting = 0
    for block in blocks:
        batch.append(block)
        waiting += len(block[1])
        if waiting >= _BATCH_BYTES_MAX or len(batch) >= _BATCH_BLOCKS_MAX:
            yield batch
            batch, waiting = [], 0
    if batch:
        yield batch


def _options(cid: CID) -> Mapping[str, str]:
    used = hash_of(cid.multihash)
    if used is None:
        raise KuboRefused(f"block {cid} is in its own name; there is nothing to keep")
    return {"cid-codec": _CODECS[cid.codec], "mhtype": used.name}


def _number(line: Line, name: str) -> int:
    value = line.get(name)
    return value if isinstance(value, int) else 0


def _is_synced(spec: object) -> bool:
    """Read from the description of Kubo's datastore whether any part of it leaves syncing out."""
    text = json.dumps(spec)
    return '"sync": false' not in text and '"syncWrites": false' not in text
