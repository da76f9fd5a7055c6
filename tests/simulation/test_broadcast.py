"""Records passed on by many nodes: all hear of them, whatever the links do."""

from itertools import pairwise

import pytest

from commonfab.protocol.envelope import Envelope
from commonfab.protocol.gossip.broadcast_wire import Graft, Item, Prune, Push
from tests.simulation.broadcast_world import LYON_AREA, Air, BroadcastWorld, a_record
from tests.simulation.wide_world import hour_in_a_world

SEEDS = range(5)


def told_at_random(world: BroadcastWorld, records: int, every_ms: int = 300) -> list[Envelope]:
    """Have nodes publish, one after the other."""
    published: list[Envelope] = []
    for number in range(records):
        published.append(a_record(number))
        world.publish(world.random.randrange(len(world.parties)), published[-1])
        world.run(every_ms)
    return published


def missing(world: BroadcastWorld, published: list[Envelope]) -> int:
    return sum(record.id not in party.known for record in published for party in world.parties)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_good_links_all_hear_of_all_and_each_nearly_once(seed: int) -> None:
    world = BroadcastWorld(seed, 30, Air(is_repaired=False))
    world.mesh(8)
    world.run(1000)
    told_at_random(world, 40)  # The tree is made.
    world.run(5000)
    before = sum(party.sent_bytes for party in world.parties)

    published = [a_record(1000 + n, size=10_000) for n in range(20)]
    for record in published:
        world.publish(world.random.randrange(30), record)
        world.run(300)
    world.run(5000)

    sent = sum(party.sent_bytes for party in world.parties) - before
    assert missing(world, published) == 0
    assert sent < 1.5 * 20 * 29 * 10_000
    assert sum(party.offences for party in world.parties) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_all_publish_at_once_and_the_tree_stays_whole(seed: int) -> None:
    world = BroadcastWorld(seed, 10, Air(delay_ms=(1, 3), is_repaired=False))
    world.mesh(20)
    world.run(1000)
    for round_ in range(10):
        for index in range(10):
            world.publish(index, a_record(round_ * 10 + index))
        world.run(1000)

    late = [a_record(1000 + index) for index in range(10)]
    for index, record in enumerate(late):
        world.publish(index, record)
    world.run(50)

    assert missing(world, late) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fifth_of_all_frames_lost_and_all_is_known_in_the_end(seed: int) -> None:
    world = BroadcastWorld(seed, 40, Air(loss=0.2, copies=0.1, delay_ms=(20, 200)))
    world.mesh(6)
    published = told_at_random(world, 30)
    world.run(20_000)
    nearly_all = missing(world, published) / (30 * 40)
    world.sync_all()
    world.run(1000)

    assert nearly_all < 0.01
    assert missing(world, published) == 0


def test_two_hundred_nodes_hear_within_six_seconds_though_a_fifth_is_lost() -> None:
    world = BroadcastWorld(1, 200, Air(loss=0.2, delay_ms=(20, 200), is_repaired=False))
    world.mesh(8)
    world.run(2000)
    published = told_at_random(world, 5, every_ms=1000)
    begun = {record.id: 2000 + number * 1000 for number, record in enumerate(published)}
    world.run(20_000)

    delays = sorted(
        party.heard.get(identifier, 10**9) - begun_ms
        for identifier, begun_ms in begun.items()
        for party in world.parties
    )

    assert delays[len(delays) * 99 // 100] < 6_000


@pytest.mark.parametrize("seed", SEEDS)
def test_links_that_come_and_go_and_nodes_that_forget_lose_nothing_for_good(seed: int) -> None:
    world = BroadcastWorld(seed, 25, Air(loss=0.02))
    world.mesh(6)
    published: list[Envelope] = []
    for number in range(60):
        published.append(a_record(number))
        world.publish(world.random.randrange(25), published[-1])
        one, other = world.random.sample(range(25), 2)
        if world.random.random() < 0.5:
            world.link(one, other)
        elif len(world.links) > 40:
            world.unlink(*world.random.choice(sorted(world.links)))
        if number % 20 == 10:
            world.restart(world.random.randrange(25))
        world.run(200)
    for one, other in pairwise(range(25)):
        world.link(one, other)
    world.sync_all()
    world.run(5000)

    assert missing(world, published) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_halves_that_were_cut_apart_know_the_same_soon_after(seed: int) -> None:
    world = BroadcastWorld(seed, 20, Air())
    world.mesh(6)
    world.run(1000)
    between = [pair for pair in sorted(world.links) if (pair[0] < 10) != (pair[1] < 10)]
    for pair in between:
        world.unlink(*pair)
    published = told_at_random(world, 20)
    for pair in between:
        world.link(*pair)

    world.run(5000)

    assert missing(world, published) == 0


def test_one_who_takes_all_and_passes_nothing_on_keeps_nothing_from_the_others() -> None:
    world = BroadcastWorld(3, 20, Air(is_repaired=False))
    world.mesh(6)
    world.run(1000)
    published = told_at_random(world, 20)
    world.silence(4)
    world.run(20_000)
    published += [a_record(100 + number) for number in range(20)]
    for number, record in enumerate(published[20:]):
        world.publish(5 + number % 15, record)
        world.run(300)
    world.run(10_000)

    assert missing(world, published) == 0


def test_one_who_never_grafts_still_hears_when_it_prunes_all() -> None:
    world = BroadcastWorld(3, 10, Air(is_repaired=False))
    world.mesh(4)
    world.run(1000)
    prune: list[Item] = [Prune(LYON_AREA)]
    graft: list[Item] = [Graft(LYON_AREA, ())]
    for one, other in sorted(world.links):
        world.send(one, other, prune)
        world.send(other, one, prune)
    published = told_at_random(world, 10)
    world.run(10_000)
    assert missing(world, published) == 0

    for one, other in sorted(world.links):
        world.send(one, other, graft)
    published = told_at_random(world, 10)
    world.run(10_000)
    assert missing(world, published) == 0


def test_a_flood_of_one_is_carried_as_far_as_it_is_believed() -> None:
    world = BroadcastWorld(5, 10, Air(is_repaired=False))
    world.mesh(4)
    world.run(1000)

    junk: list[Item] = [Push(LYON_AREA, b"junk %d" % number) for number in range(1000)]
    world.send(0, 1, junk)

    assert world.parties[1].offences == 1000
    assert all(not party.known for party in world.parties)


def test_the_size_of_the_world_is_hardly_felt() -> None:
    small, large = (hour_in_a_world(size, near=10) for size in (1_000, 100_000))

    assert large < 2 * small


def test_a_seed_is_the_whole_story() -> None:
    def trace() -> list[int]:
        world = BroadcastWorld(11, 20, Air(loss=0.1, copies=0.1))
        world.mesh(6)
        told_at_random(world, 10)
        return [party.sent_bytes for party in world.parties]

    assert trace() == trace()
