"""What a node thinks of what peers push, with its own admission and library."""

from pathlib import Path

from commonfab.node import clock
from commonfab.node.gossip.judging import RECORDS_BURST, STRANGERS_BURST
from commonfab.node.network.memory_transport import MemoryNetwork
from commonfab.node.node import Node
from commonfab.protocol.envelope import parse
from commonfab.protocol.gossip.areas import WORLD, area_of
from commonfab.protocol.gossip.broadcast_events import Judged
from commonfab.protocol.ids import NodeId
from commonfab.protocol.limits import DAY_MS
from commonfab.protocol.records import Place, Record
from commonfab.protocol.statements import Vouch
from tests.builders import a_design, a_workshop, changed
from tests.node.village import a_home, eventually, living
from tests.protocol.signers import BOB, CAROL, EVE, Person

LYON = Place(lat_udeg=45_700_000, lon_udeg=4_800_000)
SYDNEY = Place(lat_udeg=-33_000_000, lon_udeg=151_000_000)


def judged(node: Node, record: Record, *, peer: NodeId = CAROL.node) -> Judged:
    return node.judging.judge(peer, area_of(LYON), parse(record.data))


def workshop_at(place: Place) -> Record:
    return a_workshop(BOB, place=place, at=clock.now(), until=clock.now() + 100_000)


async def make_known(node: Node, peer: NodeId) -> None:
    now = node.started
    head = node.author.head(f"vouch/{peer.hex()}", now)
    vouch = Vouch(**head, until=now + DAY_MS, subject=peer, weight_permille=1000)
    await node.announcing.announce(node.author.sign(vouch))
    await eventually(lambda: node.acquaintance.is_known(peer))


async def test_a_record_is_news_where_its_author_is_whatever_is_said_of_it(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        before = judged(alice, a_design(BOB))
        shop = judged(alice, workshop_at(SYDNEY))
        await eventually(lambda: BOB.node in alice.library.workshops)
        after = judged(alice, changed(a_design(BOB), BOB, stream="design/other"))

    assert before == Judged("accept", area_of(LYON))
    assert shop == Judged("accept", area_of(SYDNEY))
    assert after == Judged("accept", area_of(SYDNEY))


async def test_a_forgery_is_rejected_and_what_is_known_is_ignored(tmp_path: Path) -> None:
    design = a_design(BOB)
    forged = parse(design.data[:40] + bytes([design.data[40] ^ 1]) + design.data[41:])

    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        lie = alice.judging.judge(CAROL.node, area_of(LYON), forged)
        first, second = judged(alice, design), judged(alice, design)

    assert lie.verdict == "reject"
    assert (first.verdict, second.verdict) == ("accept", "ignore")


async def test_forgeries_use_up_nothing_of_what_their_author_may_say(tmp_path: Path) -> None:
    design = a_design(BOB)
    forged = parse(design.data[:40] + bytes([design.data[40] ^ 1]) + design.data[41:])

    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        await make_known(alice, CAROL.node)
        lies = [alice.judging.judge(CAROL.node, area_of(LYON), forged) for _ in range(200)]
        honest = judged(alice, design)

    assert {lie.verdict for lie in lies} == {"reject"}
    assert honest.verdict == "accept"


async def test_an_author_who_says_too_much_is_ignored_and_blamed_if_it_says_so_itself(
    tmp_path: Path,
) -> None:
    design = a_design(EVE)

    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        await make_known(alice, CAROL.node)
        verdicts = [judged(alice, design).verdict for _ in range(RECORDS_BURST)]
        by_another = judged(alice, design)
        by_itself = judged(alice, design, peer=EVE.node)
        of_another = judged(alice, a_design(BOB))

    assert "reject" not in verdicts
    assert by_another.verdict == "ignore"
    assert by_itself.verdict == "reject"
    assert of_another.verdict == "accept"


async def test_a_crowd_of_strangers_is_heard_little_and_a_known_peer_as_before(
    tmp_path: Path,
) -> None:
    crowd = [Person(bytes([number]) * 32) for number in range(100, 100 + STRANGERS_BURST + 5)]

    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        await make_known(alice, CAROL.node)
        before = judged(alice, a_design(BOB))
        verdicts = [judged(alice, a_design(each), peer=each.node).verdict for each in crowd]
        after = judged(alice, a_design(EVE))

    assert verdicts[:STRANGERS_BURST] == ["accept"] * STRANGERS_BURST
    assert verdicts[-1] == "ignore"
    assert (before.verdict, after.verdict) == ("accept", "accept")


async def test_a_node_to_which_nobody_known_speaks_hears_more_of_strangers(tmp_path: Path) -> None:
    crowd = [Person(number.to_bytes(32, "big")) for number in range(4 * STRANGERS_BURST)]

    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        verdicts = {judged(alice, a_design(each), peer=each.node).verdict for each in crowd}

    assert verdicts == {"accept"}


async def test_old_records_of_others_are_not_told_again(tmp_path: Path) -> None:
    async with living(a_home(tmp_path, "alice"), MemoryNetwork()) as alice:
        fresh, now = workshop_at(LYON), clock.now()
        is_news = alice.judging.is_news

        assert is_news(fresh, now)
        assert not is_news(fresh, type(now)(now + 3 * 60_000))
        assert alice.judging.area_of(a_design(CAROL)) == WORLD
