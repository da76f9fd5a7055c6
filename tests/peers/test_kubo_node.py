"""A whole node with a real Kubo for a store, driven by the command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.running import RunningNode, commonfab, running_node
from tests.peers.kubo_daemon import KuboDaemon
from tests.storage.content import content

HOOK = Path(__file__).parents[2] / "node" / "demo" / "designs" / "wall-hook"


def make_home(home: Path, kubo: str) -> Path:
    """Make a node whose settings name this Kubo."""
    made = commonfab("init", "--home", str(home), "--name", "Fab Lab Ost", "--at", "48.137,11.575")
    assert made.code == 0, made.err
    config = home / "commonfab.toml"
    text = config.read_text().replace('# kubo = ""', f'kubo = "{kubo}"')
    assert f'kubo = "{kubo}"' in text
    config.write_text(text)
    return home


@pytest.fixture
def node(kubo_daemon: KuboDaemon, tmp_path: Path) -> Iterator[RunningNode]:
    with running_node(make_home(tmp_path / "home", kubo_daemon.api)) as running:
        yield running


def stores(node: RunningNode) -> dict[str, int]:
    return {
        each["name"]: each["blocks"] for each in node("ipfs", "status", "--json").json["stores"]
    }


def test_a_design_is_published_into_kubo_and_read_from_there(
    node: RunningNode, kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    root = node("publish", str(HOOK), "--json").json["design"]["root"]

    assert stores(node)["embedded"] == 0
    assert stores(node)["kubo"] > 3
    kubo_daemon.run("repo", "gc")
    out = node("ipfs", "export", root, "--to", str(tmp_path / "copy"))
    assert out.code == 0, out.err
    readme = (HOOK / "README.md").read_bytes()
    assert (tmp_path / "copy" / "README.md").read_bytes() == readme
    assert kubo_daemon.run("cat", f"/ipfs/{root}/README.md") == readme


def test_the_node_goes_on_while_kubo_is_dead_and_uses_it_again(
    node: RunningNode, kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    kubo_daemon.kill()

    root = node("publish", str(HOOK), "--json").json["design"]["root"]

    said = node("ipfs", "status", "--json").json
    assert said["takes_new"] == "embedded"
    assert "Kubo" in said["trouble"]
    assert any("Kubo" in warning for warning in node("status", "--json").json["warnings"])
    doctor = node("doctor")
    assert "this node's own disk is used" in doctor.out
    kubo_daemon.start()
    assert node("ipfs", "status", "--json").json["takes_new"] == "kubo"
    moved = node("ipfs", "migrate", "--to", "kubo", "--delete", "--json").json
    assert moved["verified"] == moved["deleted"] == moved["blocks"] > 3
    assert (stores(node)["embedded"], stores(node)["kubo"]) == (0, moved["blocks"])
    assert kubo_daemon.run("cat", f"/ipfs/{root}/README.md") == (HOOK / "README.md").read_bytes()
    back = node("ipfs", "migrate", "--to", "embedded", "--delete")
    assert f"{moved['blocks']} verified by their CIDs" in back.out
    assert (stores(node)["embedded"], stores(node)["kubo"]) == (moved["blocks"], 0)
    assert node("get", "wall hook", "--out", str(tmp_path / "got")).code == 0


def test_a_folder_of_kubo_is_imported_and_kept(
    node: RunningNode, kubo_daemon: KuboDaemon, tmp_path: Path
) -> None:
    jig = tmp_path / "jig"
    jig.mkdir()
    (jig / "jig.stl").write_bytes(content("jig", 1_024_000))
    root = kubo_daemon.run("add", "-rQ", "--cid-version=1", str(jig)).decode().strip()

    done = node("ipfs", "import", root, "--name", "jig", "--json").json

    assert done["root"] == root
    assert done["size_bytes"] > 1_024_000
    assert [(pin["name"], pin["root"]) for pin in node("pins", "--json").json] == [("jig", root)]
    kubo_daemon.run("pin", "rm", root)
    kubo_daemon.run("repo", "gc")
    assert node("ipfs", "export", root, "--to", str(tmp_path / "copy")).code == 0
    assert (tmp_path / "copy" / "jig.stl").read_bytes() == (jig / "jig.stl").read_bytes()


def test_a_design_is_given_to_kubo_under_one_pin(
    node: RunningNode, kubo_daemon: KuboDaemon
) -> None:
    root = node("publish", str(HOOK), "--json").json["design"]["root"]

    done = node("ipfs", "export", "wall hook", "--to", "kubo")

    assert done.code == 0, done.err
    listed = kubo_daemon.run("pin", "ls", "--type=recursive", "--names", root).decode()
    assert listed.split() == [root, "recursive", "commonfab"]
    assert "removed" in node("ipfs", "gc").out
