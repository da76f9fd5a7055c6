"""`commonfab ipfs` on a node without Kubo, and with a pinning service."""

from pathlib import Path

from commonfab.storage.cid import CID, RAW
from tests.node.running import commonfab, running_node
from tests.peers.pinning_server import running_pinning_server

ROOT = CID.of(b"a design", codec=RAW)
TOKEN = "very-secret-token"  # noqa: S105  # of this test


def make_home(home: Path, ipfs: str) -> Path:
    made = commonfab("init", "--home", str(home), "--name", "Fab Lab Ost", "--at", "48.137,11.575")
    assert made.code == 0, made.err
    config = home / "commonfab.toml"
    config.write_text(config.read_text().replace("[ipfs]", f"[ipfs]\n{ipfs}"))
    return home


def test_a_node_without_kubo_says_so_and_asks_services_for_copies(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with running_pinning_server(TOKEN) as server:
        service = f'name = "coop", endpoint = "{server.endpoint}", token_file = "{token}"'
        home = make_home(tmp_path / "home", f"pinning = [{{ {service} }}]")
        with running_node(home) as node:
            said = node("ipfs", "status", "--json").json
            assert [store["name"] for store in said["stores"]] == ["embedded"]
            assert (said["kubo"], said["trouble"], said["services"]) == (None, "", ["coop"])

            refused = node("ipfs", "migrate", "--to", "kubo")
            assert refused.code == 1
            assert "no Kubo is configured" in refused.err
            assert 'kubo = "/ip4/127.0.0.1/tcp/5001"' in refused.err
            assert node("ipfs", "import", "nonsense").code == 1
            assert (
                "nowhere: say one of those in [ipfs] (coop)"
                in node("ipfs", "pins", "--with", "nowhere").err
            )

            asked = node("ipfs", "pin", str(ROOT), "--json").json
            assert (asked["status"], asked["root"]) == ("queued", str(ROOT))
            (pin,) = server.pins.values()
            assert all("/p2p/" in origin for origin in pin["pin"]["origins"])
            assert str(ROOT) in node("ipfs", "pins").out
            assert "1 request taken back" in node("ipfs", "unpin", str(ROOT)).out
            assert not server.pins

            server.token = "another"  # noqa: S105  # of this test
            wrong = node("ipfs", "pins")
            assert (wrong.code, TOKEN in wrong.err) == (1, False)


def test_an_address_of_kubo_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", 'kubo = "http://127.0.0.1:5001"')

    ended = commonfab("doctor", home=home)

    assert ended.code == 1
    assert "ipfs.kubo" in ended.out
