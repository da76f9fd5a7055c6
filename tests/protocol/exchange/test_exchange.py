"""Whole networks of block exchanges, with loss, cheats and peers that leave; and any events."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from commonfab.protocol.exchange.bitswap_wire import (
    Block,
    Message,
    Presence,
    Want,
    WantKind,
)
from commonfab.protocol.exchange.events import (
    Acquired,
    Connected,
    Deliver,
    Event,
    Failed,
    Find,
    Found,
    Garbled,
    Gone,
    Hearing,
    Kept,
    Load,
    Loaded,
    Received,
    Sent,
    Start,
    Tick,
    WakeAt,
)
from commonfab.protocol.exchange.exchange import Exchange
from commonfab.protocol.ids import NodeId
from tests.protocol.exchange_story import BLOCKS, BOB, CAROL, CIDS, EVE, IDLE_MS
from tests.protocol.exchange_world import CHEATS, SESSION, Node, World, tree


def a_town(seed: int, *, loss: float = 0) -> tuple[World, Node, dict[bytes, Block], list[NodeId]]:
    """Alice fetches a tree that Bob has, that Carol has half of, with cheats among her peers."""
    world = World(seed, loss=loss)
    random = world.random
    root, blocks, links = tree(random.randint(1, 300), random.randint(2, 40), random)
    alice = Node(NodeId(b"alice"), links)
    half = {cid: block for cid, block in blocks.items() if random.random() < 0.5}
    for node in (alice, Node(BOB, links, dict(blocks)), Node(CAROL, links, half)):
        world.nodes[node.me] = node
    peers = [BOB, CAROL]
    for number in range(random.randint(0, 5)):
        peers.append(NodeId(b"eve %d" % number))
        world.cheats[peers[-1]] = random.choice(CHEATS)
    random.shuffle(peers)
    world.fetch(alice, root, tuple(peers))
    return world, alice, blocks, peers


seeds = st.integers(0, 2**32)


@example(1692297)  # Four boasters had their turns again and again before Bob.
@settings(max_examples=60, deadline=None)
@given(seeds)
def test_a_fetch_succeeds_if_one_honest_peer_has_everything(seed: int) -> None:
    world, alice, blocks, _ = a_town(seed)

    world.run()

    assert (alice.outcome, alice.blocks) == ("done", blocks)
    assert all(peer in world.cheats for peer, _ in alice.blamed), "an honest peer was blamed"
    assert alice.exchange.counts["duplicate_blocks"] <= len(blocks) // 10
    assert alice.exchange.counts["wanted_blocks"] == 0


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([0.05, 0.3, 0.9]))
def test_a_fetch_ends_however_much_is_lost_and_whoever_leaves(seed: int, loss: float) -> None:
    world, alice, blocks, peers = a_town(seed, loss=loss)
    for peer in world.random.sample(peers, len(peers) // 2):
        world.part(alice.me, peer, world.random.randint(0, 5000))

    world.run()

    assert alice.outcome is not None
    assert (alice.outcome == "done") == (alice.blocks == blocks)
    assert all(peer in world.cheats for peer, _ in alice.blamed), "an honest peer was blamed"
    assert alice.exchange.counts["wanted_blocks"] == 0


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_nodes_that_fetch_the_same_from_each_other_all_get_it(seed: int) -> None:
    world = World(seed)
    root, blocks, links = tree(world.random.randint(1, 200), 20, world.random)
    names = [NodeId(b"node %d" % number) for number in range(4)]
    world.nodes = {name: Node(name, links) for name in names}
    world.nodes[BOB] = Node(BOB, links, dict(blocks))
    for name in names:
        others = [other for other in names if other != name]
        world.fetch(world.nodes[name], root, (BOB, *others))

    world.run()

    assert {node.outcome for node in world.nodes.values()} == {"done", None}
    assert all(node.blocks == blocks for node in world.nodes.values())


@given(seeds)
@settings(max_examples=5, deadline=None)
def test_the_same_seed_gives_the_same_story(seed: int) -> None:
    first, second = (a_town(seed, loss=0.1)[0] for _ in range(2))
    first.run()
    second.run()

    assert first.trace == second.trace


cids = st.sampled_from(CIDS[:6])
messages = st.builds(
    Message,
    wants=st.lists(
        st.builds(
            Want,
            cids,
            st.sampled_from(WantKind),
            cancel=st.booleans(),
            send_dont_have=st.booleans(),
        ),
        max_size=4,
    ).map(tuple),
    full=st.booleans(),
    blocks=st.lists(st.sampled_from(BLOCKS[:6]), max_size=2).map(tuple),
    presences=st.lists(st.builds(Presence, cids, st.booleans()), max_size=3).map(tuple),
)
peers = st.sampled_from([BOB, CAROL, EVE])
some_cids = st.lists(cids, max_size=3, unique=True).map(tuple)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Received, peers, messages),
    st.builds(Connected, peers),
    st.builds(Gone, peers),
    st.builds(Hearing, peers),
    st.builds(Garbled, peers, st.just("garbage")),
    st.builds(Acquired, some_cids),
    st.builds(Sent, peers, st.integers(0, 10_000)),
    st.just(Tick()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(events, st.integers(0, 10_000)), max_size=40))
def test_no_order_of_events_breaks_it_and_nothing_unasked_is_delivered(
    history: list[tuple[Event, int]],
) -> None:
    exchange = Exchange()
    now = 1000
    queue: list[Event] = [Start(SESSION, CIDS[:4], (BOB, CAROL), IDLE_MS)]
    wanted = set(CIDS[:4])
    for event, wait_ms in history:
        queue.append(event)
        now += wait_ms
        while queue:
            for effect in exchange.handle(queue.pop(0), now):
                match effect:
                    case Deliver(session, block):
                        wanted.remove(block.cid)
                        queue.append(Kept(session, len(block.data)))
                    case Find(peer, asked):
                        queue.append(Found(peer, asked, asked[::2]))
                    case Load(peer, asked, _):
                        here = tuple(block for block in BLOCKS[:6] if block.cid in asked[:2])
                        queue.append(Loaded(peer, asked, here, asked[2:4]))
                    case Failed():
                        wanted.clear()
                    case WakeAt(at):
                        assert at > now
                    case _:
                        continue


def test_a_world_can_be_made_to_lose_everything() -> None:
    world, alice, _, _ = a_town(1, loss=1)

    world.run()

    assert alice.outcome is not None
    assert alice.outcome.startswith("nothing came for 60 s")
