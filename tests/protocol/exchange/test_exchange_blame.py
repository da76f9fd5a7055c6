"""Getting blocks from peers that send others than were asked for."""

import pytest

from commonfab.protocol.exchange.bitswap_wire import Presence
from commonfab.protocol.exchange.events import Blame, Connected, Garbled, Gone
from commonfab.protocol.exchange.sources import (
    BAN_MS,
    REST_MS,
    STALL_FIRST_MS,
    UNASKED_MAX,
    WRONG_MAX,
)
from tests.protocol.exchange_story import (
    BLOCKS,
    BOB,
    CAROL,
    CIDS,
    EVE,
    Story,
    asked_blocks,
    delivered,
    failures,
    taken_back,
)
from tests.protocol.exchange_world import leaf


@pytest.mark.rule("EXCHANGE-4")
def test_a_block_that_nobody_asked_for_is_dropped_and_counted() -> None:
    story = Story(BOB, EVE)
    story.start(CIDS[:1], BOB)

    assert not story.hear(EVE, BLOCKS[0])
    assert story.exchange.counts["unasked_blocks"] == 1
    assert not story.exchange.is_banned(EVE, story.now)


def test_a_peer_that_pushes_many_blocks_is_blamed_and_banned() -> None:
    story = Story(EVE)

    for block in BLOCKS[: UNASKED_MAX - 1]:
        assert not story.hear(EVE, block)
    (blame,) = story.hear(EVE, BLOCKS[UNASKED_MAX])

    assert isinstance(blame, Blame)
    assert story.exchange.is_banned(EVE, story.now)
    assert not story.exchange.is_banned(EVE, story.now + BAN_MS)


@pytest.mark.rule("EXCHANGE-5")
def test_a_block_with_the_wrong_bytes_is_refused_and_its_sender_blamed() -> None:
    story = Story(EVE, BOB)
    story.start(CIDS[:1], EVE, BOB)
    story.hear(EVE, Presence(CIDS[0], has=True))
    story.hear(BOB, Presence(CIDS[0], has=True))

    effects = story.hear(EVE, leaf(b"something else"))

    assert not delivered(effects)
    assert [effect.peer for effect in effects if isinstance(effect, Blame)] == [EVE]
    assert asked_blocks(effects, BOB) == [CIDS[0]]


@pytest.mark.rule("EXCHANGE-5")
def test_the_only_peer_fails_the_session_with_its_third_wrong_block() -> None:
    story = Story(EVE)
    story.start(CIDS[:1], EVE)
    for number in range(WRONG_MAX - 1):
        assert not failures(story.hear(EVE, leaf(b"wrong %d" % number)))
        assert asked_blocks(story.wait(2 * REST_MS), EVE)

    effects = story.hear(EVE, leaf(b"wrong again"))

    assert failures(effects) == ["of 1 peers asked, 1 sent wrong blocks"]


def test_a_ban_outlasts_leaving_and_coming_back() -> None:
    story = Story(EVE)
    for block in BLOCKS[:UNASKED_MAX]:
        story.hear(EVE, block)
    story.tell(Gone(EVE))
    story.tell(Connected(EVE))

    assert story.exchange.is_banned(EVE, story.now)


def test_a_late_block_is_taken_if_it_is_still_wanted_and_the_other_ask_taken_back() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=True))
    story.hear(CAROL, Presence(CIDS[0], has=True))
    story.wait(STALL_FIRST_MS)

    effects = story.hear(BOB, BLOCKS[0])

    assert delivered(effects) == [BLOCKS[0]]
    assert taken_back(effects, CAROL) == [CIDS[0]]
    assert not story.hear(CAROL, BLOCKS[0])
    assert story.exchange.counts["duplicate_blocks"] == 1


def test_answers_that_nobody_asked_for_change_nothing() -> None:
    story = Story(BOB, EVE)
    story.start(CIDS[:1], BOB)

    assert not story.hear(EVE, Presence(CIDS[0], has=True), Presence(CIDS[1], has=False))


@pytest.mark.rule("EXCHANGE-5")
def test_an_answer_that_cannot_be_read_counts_as_a_wrong_one() -> None:
    story = Story(EVE, BOB)
    story.start(CIDS[:1], EVE, BOB)
    story.hear(EVE, Presence(CIDS[0], has=True))
    story.hear(BOB, Presence(CIDS[0], has=True))

    effects = story.tell(Garbled(EVE, "a block of 3 MiB"))

    assert Blame(EVE, "a block of 3 MiB") in effects
    assert asked_blocks(effects, BOB) == [CIDS[0]]


def test_a_fetch_from_a_peer_whose_answers_cannot_be_read_ends_with_that_reason() -> None:
    story = Story(EVE)
    effects = story.start(CIDS[:1], EVE)

    for _ in range(WRONG_MAX):
        effects += story.tell(Garbled(EVE, "a block of 3 MiB"))
        effects += story.wait(REST_MS * WRONG_MAX)

    assert ["1 sent wrong blocks" in reason for reason in failures(effects)] == [True]


def test_garbage_from_a_peer_that_nothing_was_asked_of_is_no_answer() -> None:
    story = Story(EVE)

    assert not story.tell(Garbled(EVE, "garbage"))
    assert not story.exchange.is_banned(EVE, story.now)
