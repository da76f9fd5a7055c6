"""What a node does with something at Kubo's address that is no Kubo, or answers like none."""

import json
import tracemalloc
from pathlib import Path

import pytest

from commonfab.protocol.errors import Malformed
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID, RAW
from commonfab.storage.kubo.blocks import KuboBlockStore, batches
from commonfab.storage.kubo.fallback import BlocksWithKubo
from commonfab.storage.kubo.rpc import KuboAway, KuboRefused, KuboRpc
from commonfab.storage.memory import MemoryBlockStore
from tests.node.finding.http_garbage import answering

BLOCK = CID.of(b"a part", codec=RAW), b"a part"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
ENDLESS = 64 * 1024**2

GARBAGE = {
    "html": OK + b"<!DOCTYPE html><html><body>It works!</body></html>",
    "nothing": OK,
    "no json": OK + b'{"Version": ',
    "a list": OK + b"[1, 2, 3]\n",
    "deep": OK + b"[" * 100_000,
    "many answers": OK + b'{"Version": "0.42.0"}\n' * 100,
    "a line without end": OK + b'{"Version": "' + b"9" * ENDLESS,
    "lines without end": OK + b'{"a": "b"}\n' * (ENDLESS // 11),
    "an error without end": b"HTTP/1.1 500 Oh\r\n\r\n" + b"9" * ENDLESS,
    "a false length": b"HTTP/1.1 200 OK\r\nContent-Length: 1152921504606846976\r\n\r\n{}",
    "a false chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n{}",
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "silence": b"",
    "elsewhere": b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\n\r\n404 page not found",
}


def at(port: int, **limits: float) -> KuboRpc:
    return KuboRpc(f"/ip4/127.0.0.1/tcp/{port}", **limits)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_kubo_and_the_disk_serves(answer: bytes, tmp_path: Path) -> None:
    with answering(answer) as port:
        store = BlocksWithKubo(DiskBlockStore(tmp_path), KuboBlockStore(at(port)))
        store.look()
        store.put(*BLOCK)

    assert not store.is_there
    assert f"/ip4/127.0.0.1/tcp/{port}" in store.trouble
    assert store.get(BLOCK[0]) == BLOCK[1]
    assert list(store.cids()) == [BLOCK[0]]


def test_what_has_no_end_does_not_fill_the_memory() -> None:
    ends = [GARBAGE[name] for name in GARBAGE if "without end" in name or "false" in name]
    for answer in ends:
        with answering(answer) as port:
            tracemalloc.start()
            with pytest.raises(KuboAway):
                at(port).data("block/get", str(BLOCK[0]), bytes_max=1024**2)
            with pytest.raises(KuboAway):
                at(port).ask("version")
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()

        assert peak < 32 * 1024**2


def test_nobody_at_its_address_is_told_of_and_the_disk_serves(tmp_path: Path) -> None:
    store = BlocksWithKubo(DiskBlockStore(tmp_path), KuboBlockStore(at(1)))

    assert "has not been asked yet" in store.trouble
    store.look()
    store.put(*BLOCK)

    assert "Connection refused" in store.trouble or "ConnectionError" in store.trouble
    assert store.disk.get(BLOCK[0]) == BLOCK[1]


def test_a_version_that_keeps_no_named_pins_is_told_of() -> None:
    # It answers the version to everything, as something that only half is Kubo.
    with answering(OK + b'{"Version": "9.9.9"}\n') as port:
        store = BlocksWithKubo(MemoryBlockStore(), KuboBlockStore(at(port)))
        store.look()

    assert not store.is_there
    assert "gives blocks other names than ours" in store.trouble


def test_a_refusal_of_kubo_is_told_in_its_own_words() -> None:
    said = json.dumps({"Message": "no space left on device", "Code": 0, "Type": "error"}).encode()
    for answer in (b"HTTP/1.1 500 Oh\r\n\r\n" + said, OK + said):
        with answering(answer) as port, pytest.raises(KuboRefused, match="no space left"):
            at(port).ask("block/put")


def test_a_block_larger_than_blocks_are_is_not_taken_from_it() -> None:
    with answering(OK + bytes(3 * 1024**2)) as port, pytest.raises(KuboAway, match="more than"):
        at(port).data("block/get", str(BLOCK[0]), bytes_max=2 * 1024**2)


def test_a_block_that_lies_is_refused_before_kubo_is_asked() -> None:
    with pytest.raises(Malformed):
        KuboBlockStore(at(1)).put(BLOCK[0], b"another part")


@pytest.mark.parametrize("sizes", [[], [0], [3] * 200, [2 * 1024**2] * 9, [8 * 1024**2, 1]])
def test_batches_hold_all_blocks_in_their_order_and_few_bytes_each(sizes: list[int]) -> None:
    blocks = [(BLOCK[0], bytes(size)) for size in sizes]

    found = list(batches(iter(blocks)))

    assert [block for batch in found for block in batch] == blocks
    assert all(0 < len(batch) <= 64 for batch in found)
    assert all(sum(len(data) for _, data in batch[:-1]) < 8 * 1024**2 for batch in found)
