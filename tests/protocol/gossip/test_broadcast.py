"""How records are passed on, one rule a test: a machine, its peers, and a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonfab.protocol.envelope import Envelope
from commonfab.protocol.gossip import broadcast as machine
from commonfab.protocol.gossip.areas import WORLD, Topic, area_of, heard_at
from commonfab.protocol.gossip.broadcast import Broadcast
from commonfab.protocol.gossip.broadcast_events import (
    Arrived,
    Effect,
    Event,
    Hear,
    Judged,
    Learned,
    LinkDown,
    LinkUp,
    Offend,
    Repair,
    Send,
    Tick,
    Verdict,
    WakeAt,
)
from commonfab.protocol.gossip.broadcast_wire import Graft, Have, Item, Prune, Push, Wants, shorten
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import BODY_BYTES_MAX
from commonfab.protocol.records import Place
from tests.simulation.broadcast_world import LYON, LYON_AREA, a_record, node_id

ALICE, BOB, CAROL, EVE = map(node_id, range(1, 5))
SYDNEY = area_of(Place(lat_udeg=-33_000_000, lon_udeg=151_000_000))
WANTS_ALL = Wants(tuple(sorted(heard_at([LYON]))))
WANTS_WORLD = Wants((WORLD,))


class Desk:
    """One machine with its peers, and what it judged."""

    def __init__(self, *peers: NodeId, wants: Wants = WANTS_ALL) -> None:
        self.judged: list[NodeId] = []
        self.verdict: Verdict = "accept"
        self.known_area: Topic | None = None
        self.core = Broadcast(self._judge, heard_at([LYON]), lambda: 0.5)
        self.now = 0
        for peer in peers:
            self.link(peer, wants)

    def _judge(self, peer: NodeId, area: Topic, _sealed: Envelope) -> Judged:
        self.judged.append(peer)
        return Judged(self.verdict, self.known_area or area, "forged")

    def link(self, peer: NodeId, wants: Wants = WANTS_ALL) -> None:
        self.core.handle(LinkUp(peer), self.now)
        self.hear(peer, wants)

    def hear(self, peer: NodeId, *items: Item) -> list[Effect]:
        return self.core.handle(Arrived(peer, list(items)), self.now)

    def push(self, peer: NodeId, record: Envelope, area: Topic = LYON_AREA) -> list[Effect]:
        return self.hear(peer, Push(area, record.data))

    def wait(self, ms: int) -> list[Effect]:
        self.now += ms
        return self.core.handle(Tick(), self.now)


def sent(effects: list[Effect]) -> list[tuple[NodeId, Item]]:
    return [(effect.to, effect.item) for effect in effects if isinstance(effect, Send)]


def offences(effects: list[Effect]) -> list[NodeId]:
    return [effect.peer for effect in effects if isinstance(effect, Offend)]


R = a_record(1)
R_SHORT = shorten(R.id)


@pytest.mark.rule("GOSSIP-4")
def test_a_link_begins_with_what_is_wanted_and_nothing_is_told_before_the_peer_says_so() -> None:
    desk = Desk()

    began = desk.core.handle(LinkUp(BOB), 0)
    told = desk.core.handle(Learned(LYON_AREA, R.data), 0)

    assert began == [Send(BOB, WANTS_ALL)]
    assert told == []


@pytest.mark.rule("GOSSIP-6")
def test_a_new_record_goes_to_all_who_are_eager_but_not_back() -> None:
    desk = Desk(ALICE, BOB, CAROL)

    effects = desk.push(ALICE, R)

    assert sent(effects) == [(BOB, Push(LYON_AREA, R.data)), (CAROL, Push(LYON_AREA, R.data))]
    assert desk.judged == [ALICE]


@pytest.mark.rule("GOSSIP-6")
def test_the_lazy_are_offered_a_record_a_moment_later_all_in_one() -> None:
    desk = Desk(ALICE, BOB)
    desk.hear(BOB, Prune(LYON_AREA))

    effects = desk.push(ALICE, R) + desk.push(ALICE, a_record(2))
    later = desk.wait(machine.OFFER_EVERY_MS)

    assert sent(effects) == []
    assert WakeAt(machine.OFFER_EVERY_MS) in effects
    assert sent(later) == [(BOB, Have(LYON_AREA, (R_SHORT, shorten(a_record(2).id))))]


@pytest.mark.rule("GOSSIP-7")
def test_who_brings_what_is_known_is_pruned_and_gets_offers_from_then_on() -> None:
    desk = Desk(ALICE, BOB)
    desk.push(ALICE, R)

    effects = desk.push(BOB, R)
    after = desk.push(ALICE, a_record(2))

    assert sent(effects) == [(BOB, Prune(LYON_AREA))]
    assert sent(after) == []
    assert desk.judged == [ALICE, ALICE]


@pytest.mark.rule("GOSSIP-7")
def test_a_loop_is_cut_in_one_place_at_a_time() -> None:
    desk = Desk(ALICE, BOB, CAROL)
    desk.push(ALICE, R)

    at_once = desk.push(BOB, R) + desk.push(CAROL, R)
    desk.now += machine.PRUNE_EVERY_MS
    later = desk.push(CAROL, R)

    assert sent(at_once) == [(BOB, Prune(LYON_AREA))]
    assert sent(later) == [(CAROL, Prune(LYON_AREA))]


def test_a_peer_that_pushes_on_though_it_was_pruned_is_told_again_and_blamed_now_and_then() -> None:
    desk = Desk(ALICE, BOB)
    desk.push(ALICE, R)
    desk.push(BOB, R)

    on_its_way = desk.push(BOB, R)
    blamed = 0
    for _ in range(100):
        desk.now += machine.GRAFT_AGAIN_MS
        blamed += len(offences(desk.push(BOB, R)))

    assert on_its_way == []
    assert 9 <= blamed <= 10


@pytest.mark.rule("GOSSIP-8")
def test_what_was_offered_and_does_not_come_is_asked_for_and_the_link_becomes_eager() -> None:
    desk = Desk(ALICE, BOB)
    desk.hear(BOB, Prune(LYON_AREA))

    effects = desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    asked = desk.wait(machine.GRAFT_AFTER_MS)
    desk.push(BOB, R)
    after = desk.push(ALICE, a_record(2))

    assert effects == [WakeAt(machine.GRAFT_AFTER_MS)]
    assert sent(asked) == [(BOB, Graft(LYON_AREA, (R_SHORT,)))]
    assert sent(after) == [(BOB, Push(LYON_AREA, a_record(2).data))]


@pytest.mark.rule("GOSSIP-8")
def test_an_eager_peer_that_stays_silent_costs_a_delay_and_the_next_is_asked() -> None:
    desk = Desk(ALICE, BOB, CAROL)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    desk.hear(CAROL, Have(LYON_AREA, (R_SHORT,)))

    first = desk.wait(machine.GRAFT_AFTER_MS)
    second = desk.wait(machine.GRAFT_AGAIN_MS)

    assert sent(first) == [(BOB, Graft(LYON_AREA, (R_SHORT,)))]
    assert sent(second) == [(CAROL, Graft(LYON_AREA, (R_SHORT,)))]
    assert offences(second) == [BOB]


@pytest.mark.rule("GOSSIP-8")
def test_a_node_that_wakes_up_late_gives_the_others_more_time() -> None:
    desk = Desk(BOB)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    late = desk.wait(machine.GRAFT_AFTER_MS + 500)

    soon = desk.wait(machine.GRAFT_AGAIN_MS)
    at_last = desk.wait(machine.LATE_FACTOR * 500)

    assert len(sent(late)) == len(sent(at_last)) == 1
    assert sent(soon) == []
    assert offences(at_last) == [BOB]


@pytest.mark.rule("GOSSIP-8")
def test_a_long_halt_makes_nobody_wait_as_long_again() -> None:
    desk = Desk(BOB)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    desk.wait(3_600_000)

    again = desk.wait(machine.GRAFT_AGAIN_MS + machine.LATE_FACTOR * machine.LATE_MS_MAX)

    assert sent(again) == [(BOB, Graft(LYON_AREA, (R_SHORT,)))]


@pytest.mark.rule("GOSSIP-8")
def test_what_nobody_gives_is_left_to_sync() -> None:
    desk = Desk(BOB)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))

    effects = desk.wait(machine.GRAFT_AFTER_MS)
    for _ in range(machine.ASKS_MAX):
        effects += desk.wait(machine.GRAFT_AGAIN_MS)

    assert len(sent(effects)) == machine.ASKS_MAX
    assert Repair(BOB) in effects
    assert sent(desk.wait(60_000)) == []


def test_what_came_before_its_time_is_not_asked_for() -> None:
    desk = Desk(ALICE, BOB)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    desk.push(ALICE, R)

    assert desk.wait(machine.GRAFT_AFTER_MS) == []


@pytest.mark.rule("GOSSIP-8")
def test_what_came_before_its_time_wakes_nobody_up() -> None:
    desk, other = Desk(ALICE, BOB), a_record(2)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))
    desk.now += 1
    desk.hear(BOB, Have(LYON_AREA, (shorten(other.id),)))
    desk.push(ALICE, R)
    desk.push(ALICE, other)

    assert desk.wait(machine.GRAFT_AFTER_MS - 1) == []


def test_a_link_that_is_gone_is_neither_told_nor_asked() -> None:
    desk = Desk(ALICE, BOB)
    desk.hear(BOB, Have(LYON_AREA, (R_SHORT,)))

    desk.core.handle(LinkDown(BOB), 0)

    assert sent(desk.wait(machine.GRAFT_AFTER_MS)) == []
    assert sent(desk.push(ALICE, R)) == []


@pytest.mark.rule("GOSSIP-8")
def test_who_asks_gets_the_record_and_is_eager_again() -> None:
    desk = Desk(ALICE, BOB)
    desk.hear(BOB, Prune(LYON_AREA))
    desk.push(ALICE, R)

    effects = desk.hear(BOB, Graft(LYON_AREA, (R_SHORT, R_SHORT, bytes(8))))

    assert sent(effects) == [(BOB, Push(LYON_AREA, R.data))]
    assert BOB in desk.core.eager_peers(LYON_AREA)


@pytest.mark.rule("GOSSIP-9")
def test_a_forgery_is_an_offence_and_does_not_keep_out_the_true_record() -> None:
    desk = Desk(ALICE, BOB)
    desk.verdict = "reject"

    forged = desk.push(BOB, R)
    desk.verdict = "accept"
    true = desk.push(ALICE, R)

    assert forged == [Offend(BOB, "forged")]
    assert sent(true) == [(BOB, Push(LYON_AREA, R.data))]


@pytest.mark.rule("GOSSIP-9")
def test_what_is_ignored_is_not_passed_on_and_not_judged_again() -> None:
    desk = Desk(ALICE, BOB)
    desk.verdict = "ignore"

    effects = desk.push(ALICE, R)
    desk.push(BOB, R)

    assert effects == []
    assert desk.judged == [ALICE]


def test_bytes_that_are_no_record_are_an_offence() -> None:
    desk = Desk(BOB)

    assert offences(desk.hear(BOB, Push(LYON_AREA, b"no record"))) == [BOB]


@pytest.mark.rule("GOSSIP-5")
def test_what_nobody_here_wants_is_an_offence() -> None:
    desk = Desk(EVE)

    assert offences(desk.push(EVE, R, SYDNEY)) == [EVE]
    assert offences(desk.hear(EVE, Have(SYDNEY, (R_SHORT,)))) == [EVE]
    assert offences(desk.hear(EVE, Graft(SYDNEY, (R_SHORT,)))) == [EVE]
    assert desk.judged == []


@pytest.mark.rule("GOSSIP-5")
def test_what_was_wanted_a_moment_ago_is_no_offence() -> None:
    desk = Desk(BOB)
    desk.core.handle(Hear(frozenset([WORLD])), 0)

    assert offences(desk.push(BOB, R)) == []
    desk.now = machine.WANTED_STILL_MS
    assert offences(desk.push(BOB, a_record(2))) == [BOB]


@pytest.mark.rule("GOSSIP-3")
@pytest.mark.rule("GOSSIP-5")
def test_a_design_of_elsewhere_goes_by_the_topic_of_the_world_and_capacity_does_not_go() -> None:
    desk = Desk(ALICE, EVE)
    desk.link(BOB, WANTS_WORLD)
    design = a_record(7, "design")

    here = desk.push(ALICE, design)
    capacity = desk.push(ALICE, R)
    far = desk.push(EVE, a_record(8, "design"), SYDNEY)

    assert sent(here) == [(EVE, Push(LYON_AREA, design.data)), (BOB, Push(LYON_AREA, design.data))]
    assert sent(capacity) == [(EVE, Push(LYON_AREA, R.data))]
    assert [to for to, _ in sent(far)] == [ALICE, BOB]
    assert offences(far) == []


@pytest.mark.rule("GOSSIP-2")
def test_a_record_is_passed_on_under_its_authors_area_whatever_came_with_it() -> None:
    desk = Desk(ALICE, BOB)
    desk.known_area = LYON_AREA
    neighbour = max(heard_at([LYON]) - {LYON_AREA, WORLD})

    effects = desk.push(ALICE, R, neighbour)

    assert sent(effects) == [(BOB, Push(LYON_AREA, R.data))]


@pytest.mark.rule("GOSSIP-10")
def test_what_is_learned_elsewhere_is_passed_on_once() -> None:
    desk = Desk(ALICE, BOB)

    first = desk.core.handle(Learned(LYON_AREA, R.data), 0)
    again = desk.core.handle(Learned(LYON_AREA, R.data), 0)

    assert [to for to, _ in sent(first)] == [ALICE, BOB]
    assert again == []


@pytest.mark.rule("GOSSIP-12")
def test_the_world_has_only_so_much_to_say() -> None:
    desk = Desk()
    desk.link(BOB, WANTS_WORLD)

    passed = sum(
        len(sent(desk.core.handle(Learned(SYDNEY, a_record(n, "design", 1000).data), 0)))
        for n in range(1000)
    )
    desk.now = 3_600_000
    later = desk.core.handle(Learned(SYDNEY, a_record(1001, "design", 1000).data), desk.now)

    assert 40 < passed < 70
    assert len(sent(later)) == 1


@pytest.mark.rule("GOSSIP-12")
def test_the_longest_record_is_not_too_long_for_the_world() -> None:
    desk = Desk()
    desk.link(BOB, WANTS_WORLD)

    effects = desk.core.handle(Learned(SYDNEY, a_record(1, "design", BODY_BYTES_MAX).data), 0)

    assert len(sent(effects)) == 1


@pytest.mark.rule("GOSSIP-11")
def test_what_is_kept_of_a_flood_is_bounded() -> None:
    desk = Desk(ALICE, BOB)
    for record in (a_record(n, size=BODY_BYTES_MAX) for n in range(200)):
        desk.push(ALICE, record)
    for start in range(0, 20_000, 1000):
        ids = tuple(n.to_bytes(8, "little") for n in range(start, start + 1000))
        desk.hear(BOB, Have(LYON_AREA, ids))

    asked = desk.wait(machine.GRAFT_AFTER_MS * 2)

    assert desk.core.kept_bytes <= machine.CACHE_BYTES_MAX
    assert sum(len(item.ids) for _, item in sent(asked) if isinstance(item, Graft)) == (
        machine.MISSING_PER_PEER_MAX
    )


@pytest.mark.rule("GOSSIP-11")
def test_a_crowd_that_offers_much_and_gives_nothing_drowns_out_nobody() -> None:
    crowd = [node_id(number) for number in range(100, 120)]
    desk = Desk(ALICE, *crowd)
    for number, peer in enumerate(crowd):
        ids = tuple((number * 1000 + n).to_bytes(8, "little") for n in range(1000))
        desk.hear(peer, Have(LYON_AREA, ids))
    desk.hear(ALICE, Have(LYON_AREA, (shorten(R.id),)))

    asked = sent(desk.wait(machine.GRAFT_AFTER_MS))

    assert (ALICE, Graft(LYON_AREA, (shorten(R.id),))) in asked
    total = sum(len(item.ids) for _, item in asked if isinstance(item, Graft))
    assert machine.MISSING_MAX < total <= 2 * machine.MISSING_MAX


@pytest.mark.rule("GOSSIP-11")
def test_what_was_passed_on_is_known_again_only_for_a_while() -> None:
    desk = Desk(ALICE)
    desk.push(ALICE, R)

    desk.now = machine.SEEN_MS
    desk.push(ALICE, R)
    desk.now = machine.SEEN_MS * 3
    desk.push(ALICE, a_record(2))
    desk.push(ALICE, R)

    assert len(desk.judged) == 3


@pytest.mark.rule("GOSSIP-11")
def test_who_asks_again_and_again_gets_so_much_and_no_more() -> None:
    desk = Desk(ALICE, EVE)
    big = a_record(1, size=BODY_BYTES_MAX)
    desk.push(ALICE, big)

    given = sum(
        len(sent(desk.hear(EVE, Graft(LYON_AREA, (shorten(big.id),))))) for _ in range(1000)
    )

    assert given == machine.GIVEN_BYTES_BURST // (len(big.data) + 32)


def test_of_many_links_only_some_are_eager_from_the_start() -> None:
    desk = Desk(*map(node_id, range(100, 140)))

    assert len(desk.core.eager_peers(LYON_AREA)) == machine.EAGER_MAX


peers = st.sampled_from([ALICE, BOB, CAROL])
topics = st.sampled_from([LYON_AREA, SYDNEY, WORLD])
ids = st.lists(st.integers(0, 5).map(lambda n: shorten(a_record(n).id)), max_size=4).map(tuple)
items: st.SearchStrategy[Item] = (
    st.builds(Push, topics, st.integers(0, 5).map(lambda n: a_record(n, "design").data))
    | st.builds(Push, topics, st.binary(max_size=200))
    | st.builds(Have, topics, ids)
    | st.builds(Graft, topics, ids)
    | st.builds(Prune, topics)
    | st.builds(Wants, st.lists(topics, unique=True).map(tuple))
)
events = (
    st.builds(Arrived, peers, st.lists(items, max_size=4))
    | st.builds(LinkUp, peers)
    | st.builds(LinkDown, peers)
    | st.builds(Tick)
    | st.builds(Hear, st.frozensets(topics))
)


@given(st.lists(st.tuples(events, st.integers(0, 3000)), max_size=60))
def test_no_peer_can_break_it_and_it_speaks_only_to_those_who_are_linked(
    history: list[tuple[Event, int]],
) -> None:
    desk = Desk()
    linked: set[NodeId] = set()
    for event, wait_ms in history:
        desk.now += wait_ms
        if isinstance(event, LinkUp):
            linked.add(event.peer)
        effects = desk.core.handle(event, desk.now)
        if isinstance(event, LinkDown):
            linked.discard(event.peer)
        assert {to for to, _ in sent(effects)} <= linked
        assert all(effect.at > desk.now for effect in effects if isinstance(effect, WakeAt))
    assert len(desk.judged) <= len(range(6)), "a record was judged twice"
