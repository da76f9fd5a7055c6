"""Giving blocks: one rule a test."""

import pytest

from commonfab.protocol.exchange.bitswap_wire import (
    Message,
    Presence,
    Want,
    WantKind,
    encode,
)
from commonfab.protocol.exchange.events import (
    LETTER_BYTES,
    Acquired,
    Find,
    Found,
    Gone,
    Hearing,
    Load,
    Loaded,
    Received,
    Rest,
    Send,
    Sent,
)
from commonfab.protocol.exchange.serving import (
    LOADS_MAX,
    LOADS_PER_PEER_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_BYTES_MAX_ALL,
    TURN_BLOCKS_MAX,
    WANTS_BURST,
    WANTS_PER_SECOND,
)
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BITSWAP_WANTS_MAX, BLOCK_BYTES_MAX, FRAME_BYTES_MAX
from tests.protocol.exchange_story import BLOCKS, BOB, CAROL, CIDS, EVE, Story, answers, load_of
from tests.protocol.exchange_world import leaf


def test_a_wanted_block_is_loaded_and_sent() -> None:
    story = Story(BOB)

    (load,) = load_of(story.hear(BOB, Want(CIDS[0])))
    effects = story.tell(Loaded(BOB, load.cids, (BLOCKS[0],), ()))

    assert load.cids == (CIDS[0],)
    assert answers(effects, BOB) == [BLOCKS[0]]
    assert story.exchange.counts["remembered_wants"] == 0


@pytest.mark.parametrize("is_here", [True, False])
def test_a_question_is_answered(is_here: bool) -> None:
    story = Story(BOB)

    effects = story.hear(BOB, Want(CIDS[0], WantKind.HAVE, send_dont_have=True))
    assert effects == [Find(BOB, (CIDS[0],))]

    effects = story.tell(Found(BOB, (CIDS[0],), (CIDS[0],) if is_here else ()))
    assert answers(effects, BOB) == [Presence(CIDS[0], has=is_here)]


@pytest.mark.rule("EXCHANGE-13")
@pytest.mark.parametrize("kind", WantKind)
def test_what_is_not_here_is_answered_once_it_is(kind: WantKind) -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0], kind, send_dont_have=True))
    missing = (
        Loaded(BOB, CIDS[:1], (), CIDS[:1]) if kind is WantKind.BLOCK else Found(BOB, CIDS[:1], ())
    )
    assert answers(story.tell(missing), BOB) == [Presence(CIDS[0], has=False)]

    effects = story.tell(Acquired((CIDS[0],)))

    expected = Load if kind is WantKind.BLOCK else Find
    assert [type(effect) for effect in effects] == [expected]


def test_have_not_is_said_only_to_those_who_ask_for_it() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0]))

    assert not story.tell(Loaded(BOB, CIDS[:1], (), CIDS[:1]))
    assert story.exchange.counts["remembered_wants"] == 1


def test_a_want_that_was_taken_back_is_not_answered() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0]))
    story.hear(BOB, Want(CIDS[0], cancel=True))

    assert not story.tell(Loaded(BOB, CIDS[:1], (BLOCKS[0],), ()))


def test_a_full_wantlist_replaces_the_one_before() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0]))
    story.tell(Received(BOB, Message(wants=(Want(CIDS[1]),), full=True)))

    assert answers(story.tell(Loaded(BOB, CIDS[:1], (BLOCKS[0],), ())), BOB) == []
    assert story.exchange.counts["remembered_wants"] == 1


def test_asking_twice_for_what_is_being_read_is_asking_once() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0]))

    assert not story.hear(BOB, Want(CIDS[0]), Want(CIDS[0], WantKind.HAVE))


def test_a_question_becomes_a_want_for_the_block() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0], WantKind.HAVE))

    assert load_of(story.hear(BOB, Want(CIDS[0])))
    assert not answers(story.tell(Found(BOB, CIDS[:1], CIDS[:1])), BOB)


@pytest.mark.rule("EXCHANGE-9")
def test_one_want_too_many_is_refused_with_have_not() -> None:
    story = Story(BOB)
    wants = [Want(bytes([1, number % 256, number // 256])) for number in range(BITSWAP_WANTS_MAX)]
    story.hear(BOB, *wants)

    effects = story.hear(BOB, Want(CIDS[0], send_dont_have=True))

    assert answers(effects, BOB) == [Presence(CIDS[0], has=False)]
    assert story.exchange.counts["remembered_wants"] == BITSWAP_WANTS_MAX
    assert story.exchange.counts["refused_wants"] == 1


@pytest.mark.rule("EXCHANGE-9")
def test_a_new_want_takes_the_place_of_the_oldest_that_cannot_be_met() -> None:
    story = Story(BOB)
    for start in range(0, BITSWAP_WANTS_MAX, TURN_BLOCKS_MAX):
        cids = tuple(bytes([1, start // 64, number]) for number in range(TURN_BLOCKS_MAX))
        story.hear(BOB, *map(Want, cids))
        story.tell(Loaded(BOB, cids, (), cids))

    assert [load.cids for load in load_of(story.hear(BOB, Want(CIDS[0])))] == [(CIDS[0],)]
    assert not story.tell(Acquired((bytes([1, 0, 0]),)))
    assert load_of(story.tell(Acquired((bytes([1, 0, 1]),))))


@pytest.mark.rule("EXCHANGE-10")
def test_peers_have_their_turns_one_after_the_other() -> None:
    story = Story(BOB, CAROL)
    effects = story.hear(BOB, *map(Want, CIDS[:250]))
    assert [load.peer for load in load_of(effects)] == [BOB] * LOADS_PER_PEER_MAX

    effects = story.hear(CAROL, *map(Want, CIDS[:250]))
    assert [load.peer for load in load_of(effects)] == [CAROL] * LOADS_PER_PEER_MAX


def test_a_newcomer_waits_for_one_turn_of_each_peer_before_it() -> None:
    peers = [NodeId(bytes([number])) for number in range(LOADS_MAX)]
    story = Story(*peers, CAROL)
    loads = [load for peer in peers for load in load_of(story.hear(peer, *map(Want, CIDS[:250])))]
    assert len(loads) == LOADS_MAX
    assert not load_of(story.hear(CAROL, Want(CIDS[0])))

    served: list[NodeId] = []
    while CAROL not in served:
        done = loads.pop(0)
        new = load_of(story.tell(Loaded(done.peer, done.cids, (), done.cids)))
        loads += new
        served += [load.peer for load in new]

    assert len(served) == len(set(served))


def test_what_a_reading_had_no_room_for_comes_first_in_the_next_turn() -> None:
    story = Story(BOB)
    first, second = load_of(story.hear(BOB, *map(Want, CIDS[: 2 * TURN_BLOCKS_MAX + 1])))
    assert second.cids[0] == CIDS[TURN_BLOCKS_MAX]

    (third,) = load_of(story.tell(Loaded(BOB, first.cids, (BLOCKS[0],), (CIDS[1],))))

    assert third.cids[:2] == CIDS[2:4]


@pytest.mark.rule("EXCHANGE-11")
def test_a_peer_that_does_not_read_gets_no_further_turn() -> None:
    story = Story(BOB)
    full = range(OUTBOUND_BYTES_MAX // BLOCK_BYTES_MAX)
    big = [leaf(bytes([number]) * BLOCK_BYTES_MAX) for number in full]
    wants = [Want(block.cid) for block in big]
    first, second = load_of(story.hear(BOB, *wants, *map(Want, CIDS[:150])))

    assert not load_of(story.tell(Loaded(BOB, first.cids, tuple(big), ())))
    assert not load_of(story.tell(Loaded(BOB, second.cids, (), ())))
    assert load_of(story.tell(Sent(BOB, BLOCK_BYTES_MAX)))


def test_with_much_on_the_way_to_all_only_a_peer_without_has_its_turn() -> None:
    big = leaf(bytes(BLOCK_BYTES_MAX))
    crowd = [NodeId(bytes([number])) for number in range(OUTBOUND_BYTES_MAX_ALL // len(big.data))]
    story = Story(*crowd, BOB, CAROL)
    small = BLOCKS[0]
    story.hear(BOB, Want(small.cid))
    story.tell(Loaded(BOB, (small.cid,), (small,), ()))
    for peer in crowd:
        story.hear(peer, Want(big.cid))
        story.tell(Loaded(peer, (big.cid,), (big,), ()))

    assert not load_of(story.hear(BOB, Want(CIDS[1])))
    assert [load.peer for load in load_of(story.hear(CAROL, Want(CIDS[1])))] == [CAROL]


def test_a_peer_that_reads_no_answers_is_not_listened_to() -> None:
    story = Story(EVE)
    asked = 0
    for _ in range(400):
        cids = tuple(asked.to_bytes(2, "big") + bytes([n]) for n in range(200))
        asked += 1
        story.tell(Hearing(EVE), after_ms=1000)
        if not story.hear(EVE, *(Want(cid, WantKind.HAVE) for cid in cids)):
            break
        story.tell(Found(EVE, cids, cids))

    assert asked < 400


@pytest.mark.rule("EXCHANGE-12")
def test_a_peer_that_asks_too_fast_is_read_later() -> None:
    story = Story(EVE)
    wants = tuple(Want(CIDS[0], cancel=True) for _ in range(8192))
    rests = [
        effect
        for _ in range(WANTS_BURST // len(wants) + 1)
        for effect in story.tell(Received(EVE, Message(wants=wants)))
    ]

    assert rests == [Rest(EVE, story.now + len(wants) * 1000 // WANTS_PER_SECOND + 1)]


def test_the_wants_of_a_peer_that_left_are_forgotten() -> None:
    story = Story(BOB)
    story.hear(BOB, *map(Want, CIDS))
    story.tell(Gone(BOB))

    assert story.exchange.counts["remembered_wants"] == 0
    assert not story.tell(Loaded(BOB, CIDS[:1], (BLOCKS[0],), ()))


def test_peers_that_leave_take_no_turns_with_them() -> None:
    peers = [NodeId(bytes([number])) for number in range(LOADS_MAX)]
    story = Story(*peers, CAROL)
    for peer in peers:
        story.hear(peer, *map(Want, CIDS[:250]))
    assert not load_of(story.hear(CAROL, Want(CIDS[0])))

    loads = [load for peer in peers for load in load_of(story.tell(Gone(peer)))]

    assert CAROL in {load.peer for load in loads}


def test_a_reading_for_a_peer_that_left_and_came_back_is_harmless() -> None:
    story = Story(BOB)
    story.hear(BOB, Want(CIDS[0]), Want(CIDS[1], WantKind.HAVE))
    story.tell(Gone(BOB))
    story.hear(BOB, Want(CIDS[2]), Want(CIDS[3], WantKind.HAVE, send_dont_have=True))

    assert not answers(story.tell(Loaded(BOB, CIDS[:1], (BLOCKS[0],), ())), BOB)
    assert not answers(story.tell(Found(BOB, CIDS[1:2], ())), BOB)
    assert answers(story.tell(Loaded(BOB, CIDS[2:3], (BLOCKS[2],), ())), BOB) == [BLOCKS[2]]


def test_every_message_fits_the_wire() -> None:
    story = Story(BOB)
    wants = [Want(number.to_bytes(128, "big"), send_dont_have=True) for number in range(8192)]
    big = [leaf(bytes([number]) * BLOCK_BYTES_MAX) for number in range(3)]
    story.hear(BOB, *(Want(block.cid) for block in big))
    effects = story.hear(BOB, *wants)
    effects += story.tell(Loaded(BOB, tuple(block.cid for block in big), tuple(big), ()))

    messages = [effect.message for effect in effects if isinstance(effect, Send)]
    assert sum(len(message.presences) for message in messages) > 7000
    assert [len(message.blocks) for message in messages if message.blocks] == [1, 1, 1]
    assert all(len(encode(message)) <= FRAME_BYTES_MAX for message in messages)
    assert LETTER_BYTES + BLOCK_BYTES_MAX < FRAME_BYTES_MAX
