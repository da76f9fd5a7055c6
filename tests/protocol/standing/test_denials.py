"""What a node will have nothing to do with, and who said so."""

import pytest

from commonfab.protocol.admission import Accept, Admission, Ignore, Reject
from commonfab.protocol.records import Design
from commonfab.protocol.standing.denials import Denials, Denied, as_v1
from commonfab.protocol.statements import Denial
from tests.builders import (
    NOON,
    a_denial,
    a_denylist,
    a_design,
    a_revocation,
    body_of,
)
from tests.protocol.signers import BOB, CAROL, EVE

DESIGN = a_design(EVE)


def of(*entries: Denial) -> Denials:
    return Denials([(CAROL.node, entries)])


@pytest.mark.rule("STANDING-10")
def test_by_default_nothing_is_denied() -> None:
    assert Denials().of_record(DESIGN) is None


@pytest.mark.rule("STANDING-10")
@pytest.mark.parametrize(
    "entry",
    [
        a_denial("author", EVE.node, "spam"),
        a_denial("design", DESIGN.id, "spam"),
        a_denial("root", as_v1(body_of(DESIGN, Design).root), "spam"),
    ],
    ids=lambda entry: entry.what,
)
def test_a_design_is_denied_by_its_author_itself_or_its_root(entry: Denial) -> None:
    found = of(entry).of_record(DESIGN)

    assert found == Denied(CAROL.node, entry.what, "spam")
    assert of(entry).of_record(a_design(BOB, root=b"\x01\x70\x12\x20" + bytes(32))) is None


@pytest.mark.rule("STANDING-10")
def test_a_root_is_one_whatever_its_version() -> None:
    old = b"\x12\x20" + bytes(32)
    denials = of(a_denial("root", b"\x01\x70" + old))

    assert denials.of_record(a_design(root=old)) is not None


@pytest.mark.rule("STANDING-10")
def test_what_protects_others_is_never_denied() -> None:
    assert of(a_denial("author", EVE.node)).of_record(a_revocation(EVE)) is None


@pytest.mark.rule("STANDING-10")
def test_the_own_list_counts_before_others() -> None:
    entry = a_denial("author", EVE.node, "mine")
    theirs = a_denial("author", EVE.node, "theirs")

    found = Denials([(BOB.node, [entry]), (CAROL.node, [theirs])]).of_author(EVE.node)

    assert found == Denied(BOB.node, "author", "mine")


@pytest.mark.rule("ADMISSION-2")
def test_what_this_node_denies__ignore() -> None:
    admission = Admission()
    admission.denied = lambda record: "denied: spam" if record.author == EVE.node else ""
    other = a_design(BOB)

    assert admission.judge(DESIGN.data, NOON) == Ignore("denied: spam")
    assert admission.judge(other.data, NOON) == Accept(other)


@pytest.mark.rule("ADMISSION-7")
def test_a_denial_of_an_author_that_is_no_key__reject() -> None:
    verdict = Admission().judge(a_denylist(a_denial("author", b"short")).data, NOON)

    assert verdict == Reject("a denial of author 73686f7274, which is none")
