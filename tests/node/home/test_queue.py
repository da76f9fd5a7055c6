"""What `[queue]` says of whose jobs come first."""

import pytest

from commonfab.node.home import config
from commonfab.protocol.errors import UsageError
from commonfab.protocol.limits import DAY_MS, HOUR_MS
from commonfab.protocol.peer_id import peer_text
from commonfab.scheduler.queueing import Rule
from tests.protocol.signers import ALICE, CAROL

WORKSHOP = '[workshop]\nname = "Shed"\nlat = 1\nlon = 2\n'
ALICES, CAROLS = peer_text(ALICE.node), peer_text(CAROL.node)


def rule_of(queue: str) -> Rule:
    return config.parse(f"{WORKSHOP}[queue]\n{queue}\n", "commonfab.toml", {}).queue.rule()


def test_without_a_word_all_are_alike() -> None:
    assert rule_of("") == Rule()
    assert rule_of("").patience_ms == 2 * DAY_MS


def test_members_have_shares_and_priorities() -> None:
    members = (
        f'[{{ node = "{ALICES}", share = 3 }}, {{ node = "{CAROLS}", share = 0, priority = -1 }}]'
    )

    rule = rule_of(f"patience_h = 5\nmembers = {members}")

    assert rule.shares == {ALICE.node: 3, CAROL.node: 0}
    assert rule.priority == {ALICE.node: 0, CAROL.node: -1}
    assert rule.patience_ms == 5 * HOUR_MS


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ('[{ node = "bob" }]', "'bob' is not a peer id"),
        (f'[{{ node = "{ALICES}" }}, {{ node = "{ALICES}" }}]', f"{ALICES} is there twice"),
    ],
)
def test_members_that_cannot_be_are_refused_with_their_line(members: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^commonfab\.toml:6: queue\.members: {why}"):
        rule_of(f"members = {members}")
