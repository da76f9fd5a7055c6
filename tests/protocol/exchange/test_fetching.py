"""Getting blocks: whom the exchange asks, and what it does when nothing comes."""

import pytest

from commonfab.protocol.exchange.bitswap_wire import Presence, Want, WantKind
from commonfab.protocol.exchange.events import (
    Connected,
    Deliver,
    Failed,
    Gone,
    Grow,
    Hearing,
    Join,
    Kept,
    Seek,
    SessionId,
    Start,
    Stop,
    Tick,
)
from commonfab.protocol.exchange.exchange import BEAT_MS, Exchange
from commonfab.protocol.exchange.fetching import (
    ACTIVE_MAX,
    HELD_BYTES_MAX,
    QUERIES_MAX,
    SEEK_MS,
    SLOW_MS,
)
from commonfab.protocol.exchange.sessions import MISSES_MAX
from commonfab.protocol.exchange.sources import (
    REST_MS,
    STALL_FIRST_MS,
    STALL_HEARING_MS,
    STALL_MS,
    WINDOW_MAX,
    WINDOW_START,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BLOCK_BYTES_MAX
from tests.protocol.exchange_story import (
    BLOCKS,
    BOB,
    CAROL,
    CIDS,
    DAVE,
    IDLE_MS,
    Story,
    asked_blocks,
    delivered,
    failures,
    questions,
    taken_back,
    wants_of,
)
from tests.protocol.exchange_world import SESSION, leaf

# Asking.


def test_the_only_peer_is_asked_for_the_block_at_once() -> None:
    story = Story(BOB)

    effects = story.start(CIDS[:1], BOB)

    assert wants_of(effects, BOB) == [Want(CIDS[0], WantKind.BLOCK, send_dont_have=True)]


@pytest.mark.rule("EXCHANGE-16")
def test_several_peers_are_asked_if_they_have_it_and_the_first_that_has_for_the_block() -> None:
    story = Story(BOB, CAROL, DAVE)

    effects = story.start(CIDS[:1], BOB, CAROL, DAVE)
    assert [questions(effects, peer) for peer in (BOB, CAROL, DAVE)] == [[CIDS[0]]] * 3
    assert not asked_blocks(effects, BOB)

    effects = story.hear(CAROL, Presence(CIDS[0], has=True))
    assert asked_blocks(effects, CAROL) == [CIDS[0]]

    assert not story.hear(BOB, Presence(CIDS[0], has=True))


def test_not_all_of_many_peers_are_asked_at_once() -> None:
    peers = [NodeId(bytes([number])) for number in range(QUERIES_MAX + 3)]
    story = Story(*peers)

    effects = story.start(CIDS[:1], *peers)
    assert [peer for peer in peers if questions(effects, peer)] == peers[:QUERIES_MAX]

    effects = story.hear(peers[0], Presence(CIDS[0], has=False))
    assert [peer for peer in peers if questions(effects, peer)] == peers[QUERIES_MAX:][:1]


def test_a_block_is_delivered_to_every_session_that_wants_it_and_asked_for_once() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)

    assert not story.tell(Start(SessionId(2), CIDS[:1], (BOB,), IDLE_MS))
    effects = story.hear(BOB, BLOCKS[0])

    assert effects == [Deliver(SESSION, BLOCKS[0]), Deliver(SessionId(2), BLOCKS[0])]


def test_a_small_block_in_answer_to_a_question_is_taken() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)

    assert delivered(story.hear(BOB, BLOCKS[0])) == [BLOCKS[0]]


def test_a_peer_that_had_one_block_is_asked_for_the_next_straight_away() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=True))
    story.hear(BOB, BLOCKS[0])

    effects = story.tell(Grow(SESSION, CIDS[1:3]))

    assert asked_blocks(effects, BOB) == list(CIDS[1:3])
    assert not wants_of(effects, CAROL)


def test_peers_whose_answer_came_after_the_block_share_the_work_all_the_same() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=True))
    story.hear(BOB, BLOCKS[0])

    effects = story.hear(CAROL, Presence(CIDS[0], has=True))
    assert taken_back(effects, CAROL) == [CIDS[0]]

    effects = story.tell(Grow(SESSION, CIDS[1:9]))
    assert len(asked_blocks(effects, BOB)) == len(asked_blocks(effects, CAROL)) == 4


def test_a_peer_that_joins_later_is_asked_what_it_has() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:40], BOB)

    assert not wants_of(story.tell(Join(SESSION, (CAROL,))), CAROL)
    effects = story.hear(BOB, BLOCKS[0])

    assert len(questions(effects, CAROL)) == 1


def test_what_is_linked_to_comes_before_what_was_known_already() -> None:
    story = Story(BOB)
    story.start(CIDS[: ACTIVE_MAX + 1], BOB)
    story.tell(Grow(SESSION, (CIDS[290], CIDS[291])))

    asked: list[bytes] = []
    for block in BLOCKS[: ACTIVE_MAX - WINDOW_MAX + 2]:
        asked += asked_blocks(story.hear(BOB, block), BOB)

    assert asked.index(CIDS[290]) + 1 == asked.index(CIDS[291])
    assert CIDS[ACTIVE_MAX] not in asked


def test_a_quick_peer_is_asked_for_more_and_more_at_once() -> None:
    story = Story(BOB)
    waiting = asked_blocks(story.start(CIDS, BOB), BOB)
    assert len(waiting) == WINDOW_START

    for _ in range(WINDOW_MAX):
        waiting += asked_blocks(story.hear(BOB, BLOCKS[CIDS.index(waiting.pop(0))]), BOB)

    assert len(waiting) == WINDOW_MAX


def test_a_slow_peer_is_asked_for_less_at_once() -> None:
    story = Story(BOB)
    waiting = asked_blocks(story.start(CIDS, BOB), BOB)
    most = len(waiting)
    for _ in range(20):
        cid = waiting.pop(0)
        story.tell(Hearing(BOB), after_ms=3000)
        waiting += asked_blocks(story.hear(BOB, BLOCKS[CIDS.index(cid)]), BOB)
        if not waiting:
            break

    assert most == WINDOW_START
    assert len(waiting) == 1


# What does not come.


@pytest.mark.rule("EXCHANGE-8")
def test_a_session_fails_at_once_when_all_its_peers_say_that_they_have_not() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)

    assert not failures(story.hear(BOB, Presence(CIDS[0], has=False)))
    effects = story.hear(CAROL, Presence(CIDS[0], has=False))

    assert effects == [Failed(SESSION, CIDS[0], "of 2 peers asked, 2 do not have it")]


def test_a_session_without_peers_fails_at_once() -> None:
    assert failures(Story().start(CIDS[:1])) == ["of 0 peers asked, none has it"]


@pytest.mark.rule("EXCHANGE-8")
def test_a_session_fails_when_nothing_comes_for_long() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB, CAROL)

    assert not failures(story.wait(IDLE_MS - BEAT_MS))
    assert failures(story.wait(BEAT_MS)) == [
        "nothing came for 60 s; of 2 peers asked, 1 are not connected, 1 are silent"
    ]


@pytest.mark.rule("EXCHANGE-7")
@pytest.mark.parametrize(("given", "patience_ms"), [(0, STALL_FIRST_MS), (1, STALL_MS)])
def test_a_silent_peer_rests_and_its_wants_go_to_another(given: int, patience_ms: int) -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[: given + 1], BOB, CAROL)
    for cid in CIDS[: given + 1]:
        story.hear(BOB, Presence(cid, has=True))
        story.hear(CAROL, Presence(cid, has=True))
    for block in BLOCKS[1 : given + 1]:
        story.hear(BOB, block)

    assert not story.wait(patience_ms - BEAT_MS)
    effects = story.wait(BEAT_MS)

    assert taken_back(effects, BOB) == [CIDS[0]]
    assert asked_blocks(effects, CAROL) == [CIDS[0]]


def test_the_only_peer_is_asked_again_after_its_rest_which_doubles() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)
    story.wait(STALL_MS)

    assert not story.wait(REST_MS - BEAT_MS)
    assert asked_blocks(story.wait(BEAT_MS), BOB) == [CIDS[0]]

    story.wait(STALL_MS)
    assert not story.wait(2 * REST_MS - BEAT_MS)
    assert asked_blocks(story.wait(BEAT_MS), BOB) == [CIDS[0]]


def test_peers_that_say_that_they_have_and_send_nothing_are_asked_last() -> None:
    cheats = [NodeId(bytes([number])) for number in range(4)]
    story = Story(*cheats, BOB)
    story.start(CIDS[:1], *cheats, BOB)
    for peer in (*cheats, BOB):
        story.hear(peer, Presence(CIDS[0], has=True))

    effects = story.wait(len(cheats) * STALL_MS)

    assert asked_blocks(effects, BOB) == [CIDS[0]]


def test_a_block_makes_the_next_rest_short_again() -> None:
    story = Story(BOB)
    story.start(CIDS[:2], BOB)
    story.wait(STALL_MS + REST_MS + STALL_MS + 2 * REST_MS)
    story.hear(BOB, BLOCKS[0])
    story.wait(STALL_MS)

    assert asked_blocks(story.wait(REST_MS), BOB) == [CIDS[1]]


def test_a_peer_whose_bytes_are_arriving_is_not_silent_but_not_for_ever() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)

    for _ in range(0, STALL_HEARING_MS - 1000, 1000):
        assert not story.wait(1000)
        story.tell(Hearing(BOB))

    assert taken_back(story.wait(1000), BOB) == [CIDS[0]]


def test_the_last_blocks_move_from_a_slow_peer_to_a_fast_one() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:3], BOB, CAROL)
    story.hear(BOB, BLOCKS[2], Presence(CIDS[0], has=True))
    story.hear(CAROL, Presence(CIDS[1], has=True))
    story.tell(Hearing(BOB), after_ms=10)
    story.hear(CAROL, BLOCKS[1])

    assert not story.wait(SLOW_MS - BEAT_MS)
    effects = story.wait(BEAT_MS)

    assert taken_back(effects, BOB) == [CIDS[0]]
    assert asked_blocks(effects, CAROL) == [CIDS[0]]


def test_a_peer_that_lacks_block_after_block_is_asked_questions_first() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=True))
    story.hear(CAROL, Presence(CIDS[0], has=True))
    story.hear(BOB, BLOCKS[0])
    effects = story.tell(Grow(SESSION, CIDS[1:]))
    for _ in range(MISSES_MAX):
        asked = asked_blocks(effects, CAROL)
        effects = story.hear(CAROL, *(Presence(cid, has=False) for cid in asked))

    assert not wants_of(effects, CAROL)


def test_what_a_peer_was_asked_goes_to_another_when_it_leaves() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=True))
    story.hear(CAROL, Presence(CIDS[0], has=True))

    assert asked_blocks(story.tell(Gone(BOB)), CAROL) == [CIDS[0]]


def test_a_peer_that_comes_back_is_asked_again() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)
    story.tell(Gone(BOB))

    assert asked_blocks(story.tell(Connected(BOB)), BOB) == [CIDS[0]]


def test_a_peer_that_lacks_a_block_is_not_asked_for_it_again_until_it_says_that_it_has_it() -> None:
    story = Story(BOB, CAROL)
    story.start(CIDS[:1], BOB, CAROL)
    story.hear(BOB, Presence(CIDS[0], has=False))
    assert not wants_of(story.wait(STALL_MS + REST_MS), BOB)

    effects = story.hear(BOB, Presence(CIDS[0], has=True))

    assert asked_blocks(effects, BOB) == [CIDS[0]]


def test_a_stopped_session_takes_its_wants_back_and_gets_nothing_more() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)

    assert taken_back(story.tell(Stop(SESSION)), BOB) == [CIDS[0]]
    assert not story.hear(BOB, BLOCKS[0])
    assert story.exchange.counts["duplicate_blocks"] == 1
    assert story.exchange.counts["unasked_blocks"] == 0
    assert story.exchange.counts["wanted_blocks"] == 0


@pytest.mark.rule("EXCHANGE-6")
def test_nothing_more_is_asked_while_too_much_waits_for_the_disk() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)
    big = [leaf(bytes([number]) * BLOCK_BYTES_MAX) for number in range(17)]
    story.tell(Grow(SESSION, tuple(block.cid for block in big)))
    story.hear(BOB, BLOCKS[0])
    for block in big[: HELD_BYTES_MAX // BLOCK_BYTES_MAX]:
        story.hear(BOB, block)

    assert story.exchange.is_full
    assert not story.tell(Grow(SESSION, CIDS[1:3]))
    assert not story.wait(2 * STALL_MS), "nobody is silent while nothing is read"

    effects = story.tell(Kept(SESSION, BLOCK_BYTES_MAX))
    assert not story.exchange.is_full
    assert asked_blocks(effects, BOB) == list(CIDS[1:3])


def test_an_idle_exchange_wants_no_waking() -> None:
    exchange = Exchange()
    assert exchange.handle(Connected(BOB), 1000) == []
    exchange.handle(Start(SESSION, CIDS[:1], (BOB,), IDLE_MS), 1000)
    exchange.handle(Stop(SESSION), 1100)

    assert exchange.handle(Tick(), 1250) == []


# Finding more peers.


def test_an_open_session_with_nobody_to_ask_looks_for_peers_and_asks_those_that_join() -> None:
    story = Story(BOB)

    effects = story.tell(Start(SESSION, CIDS[:1], (), IDLE_MS, is_open=True))
    assert effects == [Seek(SESSION)]
    assert not story.wait(SEEK_MS - BEAT_MS)

    effects = story.tell(Join(SESSION, (BOB,)))
    assert questions(effects, BOB) == [CIDS[0]]


def test_an_open_session_looks_for_peers_when_those_it_has_lack_a_block_and_goes_on() -> None:
    story = Story(BOB, CAROL)
    story.tell(Start(SESSION, CIDS[:2], (BOB,), IDLE_MS, is_open=True))

    effects = story.hear(BOB, Presence(CIDS[0], has=False))
    assert effects == [Seek(SESSION)]
    assert delivered(story.hear(BOB, BLOCKS[1])) == [BLOCKS[1]]

    story.tell(Join(SESSION, (CAROL,)))
    assert delivered(story.hear(CAROL, BLOCKS[0])) == [BLOCKS[0]]


def test_an_open_session_whose_peers_fall_silent_looks_for_others_once() -> None:
    story = Story(BOB)
    story.tell(Start(SESSION, CIDS[:1], (BOB,), IDLE_MS, is_open=True))

    assert story.wait(SEEK_MS - BEAT_MS) == []
    assert Seek(SESSION) in story.wait(BEAT_MS)
    assert Seek(SESSION) not in story.wait(SEEK_MS)


def test_an_open_session_fails_once_nobody_else_will_be_found() -> None:
    story = Story(BOB)
    story.tell(Start(SESSION, CIDS[:1], (BOB,), IDLE_MS, is_open=True))
    story.hear(BOB, Presence(CIDS[0], has=False))

    effects = story.tell(Join(SESSION, (), is_last=True))

    assert failures(effects) == ["of 1 peers asked, 1 do not have it"]


def test_a_session_that_is_not_open_looks_for_nobody() -> None:
    story = Story(BOB)
    story.start(CIDS[:1], BOB)

    assert Seek(SESSION) not in story.wait(2 * SEEK_MS)
