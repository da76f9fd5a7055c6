"""`commonfab vouch`, `standing`, `deny`, typed by a person at a node that runs."""

from pathlib import Path

from commonfab.protocol.peer_id import peer_text
from tests.node.running import commonfab, running_node
from tests.node.village import a_home, write_block
from tests.protocol.signers import BOB, CAROL, EVE

BOBS, CAROLS, EVES = (peer_text(person.node) for person in (BOB, CAROL, EVE))


def test_a_vouch_is_given_shown_and_taken_back(tmp_path: Path) -> None:
    home = a_home(tmp_path, "alice").path
    with running_node(home):
        given = commonfab("vouch", BOBS, "--weight", "0.6", "--for", "good prints", home=home)
        shown = commonfab("standing", BOBS, home=home)
        told = commonfab("standing", BOBS, "--json", home=home).json
        commonfab("vouch", BOBS, "--weight", "0", home=home)
        after = commonfab("standing", BOBS, "--json", home=home).json
        itself = commonfab("vouch", "alice", home=home)
        narrow = commonfab("standing", BOBS, home=home, columns=60).out

    assert f"…{BOBS[-8:]}: vouched for until" in given.out
    assert "vouched 0.80" in given.out
    assert "vouched for by this node (0.60)" in shown.out
    assert told[0]["score"] == 0.8
    assert told[0]["why"] == ["vouched for by this node (0.60)"]
    assert after[0]["tier"] == "stranger"
    assert itself.code == 1
    assert "alice is this node itself" in itself.err
    assert f"…{BOBS[-8:]}" in narrow, "a sentence is broken before a name is cut"


def test_what_is_denied_is_listed_with_who_denies_it_and_shown_as_such(tmp_path: Path) -> None:
    home = a_home(tmp_path, "alice").path
    block = write_block(tmp_path / "block")
    with running_node(home):
        assert "Nothing is denied here" in commonfab("deny", "list", home=home).err
        commonfab("publish", str(block), home=home)
        denied = commonfab("deny", "add", "design", "block", "--reason", "too loud", home=home)
        commonfab("deny", "add", "author", EVES, home=home)
        commonfab("deny", "subscribe", CAROLS, home=home)
        listed = commonfab("deny", "list", home=home)
        shown = commonfab("show", "block", "--json", home=home).json
        words = commonfab("show", "block", home=home).out
        sought = commonfab("find", "block", home=home).out
        found = commonfab("designs", "--json", home=home).json
        got = commonfab("get", "block", "--out", str(tmp_path / "out"), home=home)
        ordered = commonfab("order", "block", "--quantity", "1", "--to", "45.7,4.8", home=home)
        bundled = commonfab("bundle", "make", "block", "--to", str(tmp_path / "b.car"), home=home)
        nothing = commonfab("deny", "add", "design", "z" * 64, home=home)
        standing = commonfab("standing", EVES, home=home).out
        commonfab("deny", "remove", "design", "block", home=home)
        again = commonfab("designs", "--json", home=home).json
        left = commonfab("deny", "remove", "design", "block", home=home)

    assert denied.out == "design Block: denied\n"
    assert "design Block: denied by alice: too loud" in listed.out
    assert f"author {EVES}: denied by alice: no reason given" in listed.out
    assert f"subscribed to …{CAROLS[-8:]}; its list has not come yet" in listed.err
    assert shown["denied"].endswith("too loud")
    assert "denied   denied by alice" in words
    assert not shown["is_here"]
    assert "not kept here" in words
    assert "denied   denied by alice" in sought
    assert "files" not in sought
    assert (found["designs"], found["total"]) == ([], 0)
    assert nothing.code == 1
    assert "no such design is known here" in nothing.err
    for refused in (got, ordered, bundled):
        assert refused.code == 1
        assert "too loud; see: commonfab deny list" in refused.err
    assert "not believed" in standing
    assert len(again["designs"]) == 1
    assert left.out == "design Block: was not on your list\n"


def test_a_list_is_published_for_others(tmp_path: Path) -> None:
    home = a_home(tmp_path, "alice").path
    with running_node(home):
        commonfab("deny", "add", "author", EVES, "--reason", "spam", home=home)
        before = commonfab("status", "--json", home=home).json["records"]

        published = commonfab("deny", "publish", "--json", home=home).json

        assert commonfab("status", "--json", home=home).json["records"] == before + 1
        assert published["entries"][0]["id"] == EVES
        commonfab("deny", "unsubscribe", CAROLS, home=home)
