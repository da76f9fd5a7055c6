"""A node of ours in a process of its own for bench_exchange: a block store, and Bitswap.

    python -m tests.benchmarks.exchange_process FOLDER

It is told what to do by one JSON object a line, as the real programs of tests/peers are.
"""

import json
import os
import sys
from pathlib import Path

import trio

from commonfab.node.exchange.bitswap import Bitswap
from commonfab.node.network.libp2p_transport import Libp2pTransport
from commonfab.storage.blocks import DiskBlockStore
from commonfab.storage.cid import CID
from commonfab.storage.unixfs import folders


async def main(folder: Path) -> None:
    here = ["/ip4/127.0.0.1/tcp/0"]
    transport = Libp2pTransport(os.urandom(32), here, mdns=False)
    store = DiskBlockStore(folder)
    bitswap = Bitswap(transport, store)
    async with trio.open_nursery() as nursery:
        await nursery.start(transport.run)
        await nursery.start(bitswap.run)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            said: object = None
            match json.loads(line):
                case {"do": "identify"}:
                    said = transport.addresses()[0]
                case {"do": "add", "path": path}:
                    said = str(await trio.to_thread.run_sync(folders.add_folder, store, Path(path)))
                case {"do": "connect", "address": address}:
                    await transport.connect(address)
                case {"do": "fetch", "cid": cid}:
                    peers = [link.peer for link in transport.links()]
                    await bitswap.fetch(bytes(CID.parse(cid)), peers)
                case asked:
                    said = f"not understood: {asked}"
            print(json.dumps({"said": said}), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
