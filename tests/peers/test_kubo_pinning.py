"""Kubo's own client of the Pinning Service API finds our test service, and our pins in it."""

from functools import partial
from pathlib import Path

import trio

from commonfab.node.ipfs.pinning_service import PinningService
from commonfab.storage.cid import CID, RAW
from tests.peers.kubo_daemon import KuboDaemon
from tests.peers.pinning_server import running_pinning_server


def test_kubo_and_we_see_the_same_pins(kubo_daemon: KuboDaemon, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    ours, theirs = CID.of(b"ours", codec=RAW), CID.of(b"theirs", codec=RAW)
    kubo_daemon.run("block", "put", stdin=b"theirs")
    with running_pinning_server("secret") as server:
        remote = ("pin", "remote")
        kubo_daemon.run(*remote, "service", "add", "coop", server.endpoint, "secret")
        service = PinningService("coop", server.endpoint, token)

        trio.run(partial(service.pin, ours, "hook", origins=[]))
        kubo_daemon.run(*remote, "add", "--service=coop", "--background", "--name=jig", str(theirs))

        listed = kubo_daemon.run(
            *remote, "ls", "--service=coop", "--status=queued,pinning,pinned,failed"
        )
        assert {tuple(line.split("\t")) for line in listed.decode().splitlines()} == {
            (str(ours), "queued", "hook"),
            (str(theirs), "queued", "jig"),
        }
        count, found = trio.run(service.pins)
        assert (count, {(each.pin.cid, each.pin.name) for each in found}) == (
            2,
            {(str(ours), "hook"), (str(theirs), "jig")},
        )
        assert trio.run(service.unpin, theirs) == 1
        kubo_daemon.run(*remote, "rm", "--service=coop", "--status=queued", f"--cid={ours}")
        assert server.pins == {}
