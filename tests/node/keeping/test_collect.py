"""What a collection removes and what it never removes, over whole trees and random ones."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonfab.node.keeping.collect import Collected, Wanted, collect
from commonfab.protocol.ids import Timestamp
from commonfab.storage.cid import CID, DAG_PB, RAW
from commonfab.storage.guarded import GuardedBlocks
from commonfab.storage.memory import MemoryBlockStore
from commonfab.storage.unixfs import dagpb

Tree = tuple[CID, dict[CID, bytes]]


def leaf(text: str, size: int = 100) -> Tree:
    data = text.encode().ljust(size, b".")
    return CID.of(data, codec=RAW), {CID.of(data, codec=RAW): data}


def above(*trees: Tree, claim: int | None = None) -> Tree:
    """Return a node with links to trees; `claim`: what it says of their sizes."""
    blocks = {cid: data for _, below in trees for cid, data in below.items()}
    links = tuple(
        dagpb.Link(cid, "", len(below[cid]) if claim is None else claim) for cid, below in trees
    )
    data = dagpb.encode(dagpb.Node(links, None))
    root = CID.of(data, codec=DAG_PB)
    return root, {**blocks, root: data}


def store(*trees: Tree) -> MemoryBlockStore:
    blocks = MemoryBlockStore()
    for _, tree in trees:
        blocks.put_many(tree.items())
    return blocks


def run(blocks: MemoryBlockStore, wanted: Wanted, target: int) -> Collected:
    with GuardedBlocks(blocks).sweep() as delete:
        return collect(blocks, wanted, target, delete)


NOTHING = Wanted(held=(), uses={}, once_whole=())
HOOK = above(leaf("hook"), leaf("screw"))
PUMP = above(leaf("pump"), leaf("screw"))
VASE = above(leaf("vase"))


def used(*trees: Tree) -> dict[CID, Timestamp]:
    """Return uses of trees, the first the longest ago."""
    return {root: Timestamp(1 + when) for when, (root, _) in enumerate(trees)}


@pytest.mark.rule("KEEPING-1")
def test_what_a_reason_holds_stays_whatever_the_target_and_the_rest_goes() -> None:
    blocks = store(HOOK, PUMP)

    found = run(blocks, replace(NOTHING, held=[HOOK[0]], uses=used(PUMP, HOOK)), 0)

    assert set(blocks.cids()) == HOOK[1].keys()
    assert (found.gone, found.blocks, found.spared) == ((PUMP[0],), 2, 0)
    assert found.held_bytes == found.kept_bytes == blocks.size()


@pytest.mark.rule("KEEPING-2")
def test_trees_go_in_the_order_of_their_last_use_until_the_rest_fits() -> None:
    blocks = store(HOOK, PUMP, VASE)
    uses = used(PUMP, VASE, HOOK)
    room = sum(map(len, HOOK[1].values())) + sum(map(len, VASE[1].values()))

    assert run(blocks, replace(NOTHING, uses=uses), 10_000).gone == ()
    assert run(blocks, replace(NOTHING, uses=uses), room).gone == (PUMP[0],)
    assert set(blocks.cids()) == HOOK[1].keys() | VASE[1].keys()
    assert run(blocks, replace(NOTHING, uses=uses), room - 1).gone == (VASE[0], PUMP[0])
    assert set(blocks.cids()) == HOOK[1].keys()


@pytest.mark.rule("KEEPING-2")
def test_blocks_of_no_known_tree_go_first() -> None:
    blocks = store(HOOK, leaf("left behind"))

    found = run(blocks, replace(NOTHING, uses=used(HOOK)), 10_000)

    assert set(blocks.cids()) == HOOK[1].keys()
    assert (found.gone, found.blocks) == ((), 1)


@pytest.mark.rule("KEEPING-3")
def test_below_a_block_that_was_lost_nothing_is_taken_for_garbage() -> None:
    inner = above(leaf("only copy"))
    root, tree = above(inner)
    blocks = store((root, tree), VASE, leaf("left behind"))
    blocks.delete(inner[0])
    wanted = replace(NOTHING, held=[root], uses=used(VASE), once_whole=[root])

    found = run(blocks, wanted, 0)

    assert blocks.has(leaf("only copy")[0])
    assert blocks.has(VASE[0]), "a lost block may lead to anything"
    assert (found.has_hole, found.blocks, found.spared) == (True, 0, 4)

    blocks.put(inner[0], inner[1][inner[0]])
    assert not run(blocks, wanted, 0).spared
    assert set(blocks.cids()) == tree.keys()


def test_a_tree_that_was_never_here_hides_nothing() -> None:
    blocks = store(leaf("left behind"))

    run(blocks, replace(NOTHING, held=[HOOK[0]]), 0)

    assert list(blocks.cids()) == []


def test_a_dry_run_removes_nothing_and_tells_the_same() -> None:
    blocks = store(HOOK, PUMP, VASE)
    wanted = replace(NOTHING, held=[HOOK[0]], uses=used(PUMP, VASE))

    told = collect(blocks, wanted, 0, None)

    assert blocks.size() == store(HOOK, PUMP, VASE).size()
    assert told == run(blocks, wanted, 0)
    assert told.blocks == 4


def test_a_claim_about_a_block_counts_for_no_more_than_a_block_can_be() -> None:
    tree = above(leaf("vase"), claim=2**62)

    assert run(store(tree), replace(NOTHING, held=[tree[0]]), 0).held_bytes < 3 << 20


@st.composite
def forests(draw: st.DrawFn) -> list[Tree]:
    """Trees that share branches, each made of those before it."""
    trees = [leaf(f"leaf {number}", draw(st.integers(10, 60))) for number in range(4)]
    for _ in range(draw(st.integers(1, 8))):
        trees.append(above(*draw(st.lists(st.sampled_from(trees), min_size=1, max_size=3))))
    return trees


@pytest.mark.rule("KEEPING-1")
@settings(deadline=None)
@given(data=st.data(), forest=forests(), target=st.integers(0, 1000))
def test_everything_that_can_be_reached_from_a_held_root_stays(
    data: st.DataObject, forest: list[Tree], target: int
) -> None:
    blocks = store(*forest)
    lost = data.draw(st.sets(st.sampled_from(sorted(blocks.cids()))), label="lost")
    for cid in lost:
        blocks.delete(cid)
    held = data.draw(st.lists(st.sampled_from(forest), max_size=4), label="held")
    cached = data.draw(st.lists(st.sampled_from(forest), max_size=4), label="cached")
    before = set(blocks.cids())
    wanted = Wanted(
        held=[root for root, _ in held],
        uses=used(*cached),
        once_whole=[root for root, _ in (*held, *cached)],
    )

    found = run(blocks, wanted, target)

    after = set(blocks.cids())
    for _, tree in held:
        assert before & tree.keys() <= after
    assert len(before - after) == found.blocks
    if not found.spared:
        assert blocks.size() == found.kept_bytes <= max(target, found.held_bytes)
