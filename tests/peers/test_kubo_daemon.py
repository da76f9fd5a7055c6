"""The daemon that other tests speak to runs, ends, and comes back where it was."""

from tests.peers.kubo_daemon import KuboDaemon


def test_it_runs_and_knows_nobody(kubo_daemon: KuboDaemon) -> None:
    assert kubo_daemon.address.endswith(f"/p2p/{kubo_daemon.id}")
    assert kubo_daemon.gateway.startswith("http://127.0.0.1:")
    assert kubo_daemon.run("swarm", "peers") == b""
    assert kubo_daemon.run("bootstrap", "list") == b""


def test_it_comes_back_with_what_it_had(kubo_daemon: KuboDaemon) -> None:
    kubo_daemon.run("block", "put", stdin=b"kept")
    before = kubo_daemon.api, kubo_daemon.id
    kubo_daemon.stop()
    kubo_daemon.configure({"Gateway.NoFetch": True})
    kubo_daemon.start("--offline")

    assert (kubo_daemon.api, kubo_daemon.id) == before
    cid = kubo_daemon.run("block", "put", stdin=b"kept").decode().strip()
    assert kubo_daemon.run("block", "get", cid) == b"kept"
    assert kubo_daemon.run("config", "Gateway.NoFetch").strip() == b"true"
