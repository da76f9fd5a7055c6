"""Frames of the protocols that nodes speak, each read by the machine behind its handler."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import msgspec.inspect as inspect

from commonfab.node.finding import addresses
from commonfab.node.network import yamux
from commonfab.protocol import replicas
from commonfab.protocol.exchange import bitswap_wire
from commonfab.protocol.exchange.events import Connected, Received, SessionId, Start
from commonfab.protocol.exchange.exchange import Exchange
from commonfab.protocol.gossip import broadcast_wire
from commonfab.protocol.gossip.areas import heard_at
from commonfab.protocol.gossip.broadcast import Broadcast
from commonfab.protocol.gossip.broadcast_events import Arrived, Judged, LinkUp
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.links import kademlia_wire, reach_wire, relay_wire
from commonfab.protocol.links.kademlia import Lookup, Providers, Table
from commonfab.protocol.links.kademlia_wire import Contact, Kind
from commonfab.protocol.meeting import introductions, pairing, rendezvous
from commonfab.protocol.meeting.rendezvous import Others, Places, Wait
from commonfab.protocol.peer_id import peer_bytes, read_peer_bytes
from commonfab.protocol.sync import sync_wire
from commonfab.protocol.sync.follower import Follower
from commonfab.protocol.sync.index import Index, key_of
from commonfab.protocol.sync.leader import Leader
from commonfab.protocol.sync.sync import Judge
from tests.builders import LISBON, NOON, a_design
from tests.protocol.signers import ALICE, BOB, Person

from .samples import a_value
from .target import Feed, Target

SAMPLES = 60
_ADDRESSES = (b"\x04\xc0\x00\x02\x07\x06\x0f\xa1", b"\x29" + bytes(15) + b"\x01\x06\x0f\xa1")
_CIDS = tuple(b"\x01\x55\x12\x20" + bytes([number]) * 32 for number in range(4))


def samples_of(*types: Any) -> Callable[[Random], Sequence[bytes]]:
    """Return a maker of frames of messages that msgspec reads."""

    def samples(random: Random) -> Sequence[bytes]:
        forms = [inspect.type_info(each) for each in types]
        return [
            msgspec.msgpack.encode(a_value(random.choice(forms), random)) for _ in range(SAMPLES)
        ]

    return samples


# Sync.


def _index() -> tuple[Index, dict[RecordId, bytes]]:
    made = [a_design(Person(bytes([number]) * 32), at=NOON + number) for number in range(40)]
    index = Index(key_of(record.body.at, record.id) for record in made)
    return index, {record.id: record.data for record in made}


_INDEX, _KNOWN = _index()
_LESS = Index(_INDEX.keys(b"", b"\xff")[:25])


def _sync_frames(random: Random) -> Sequence[bytes]:
    """Return both sides' frames of a true session, and some that only look like it."""
    leading = Leader(_LESS, _KNOWN.get, bytes(16))
    following = Follower(_INDEX, _KNOWN.get, b"\x01" * 16)
    frames: list[bytes] = []
    said: sync_wire.Message | Judge | None = leading.begin()
    while said is not None and not isinstance(said, Judge):
        frames.append(sync_wire.encode(said))
        answer = following.hear(said)
        if isinstance(answer, Judge):
            answer = following.judged([True] * len(answer.sealed))
        frames.append(sync_wire.encode(answer))
        said = leading.hear(answer)
        if isinstance(said, Judge):
            said = leading.judged()
    return [*frames * 3, *samples_of(sync_wire.Message)(random)]


def _opened_follower() -> Feed:
    following = Follower(_INDEX, _KNOWN.get, b"\x01" * 16)
    leading = Leader(_LESS, _KNOWN.get, bytes(16))
    frames = [leading.begin()]
    following.hear(frames[0])
    frame = leading.hear(sync_wire.Differs(b"\x01" * 16))
    assert isinstance(frame, sync_wire.Ask)
    following.hear(frame)

    def feed(data: bytes) -> None:
        said = following.hear(sync_wire.decode(data))
        if isinstance(said, Judge):
            said = following.judged([True] * len(said.sealed))
        sync_wire.encode(said)

    return feed


def _opened_leader() -> Feed:
    leaders: list[Leader] = []

    def feed(data: bytes) -> None:
        message = sync_wire.decode(data)
        if not leaders or leaders[0].is_complete:
            leaders[:] = [Leader(_LESS, _KNOWN.get, bytes(16))]
            leaders[0].begin()
            leaders[0].hear(sync_wire.Differs(b"\x01" * 16))
        try:
            said = leaders[0].hear(message)
            if isinstance(said, Judge):
                said = leaders[0].judged()
        except Exception:
            leaders.clear()
            raise
        if said is not None:
            sync_wire.encode(said)

    return feed


# Gossip.


def _gossip_frames(random: Random) -> Sequence[bytes]:
    topics = sorted(heard_at([LISBON]))
    sealed = a_design().data
    ids = tuple(random.randbytes(8) for _ in range(5))
    items: list[broadcast_wire.Item] = [
        broadcast_wire.Wants(tuple(topics)),
        broadcast_wire.Wants(()),
        *(broadcast_wire.Push(topic, sealed) for topic in topics),
        *(broadcast_wire.Have(topic, ids) for topic in topics),
        *(broadcast_wire.Graft(topic, ids[:2]) for topic in topics),
        *(broadcast_wire.Prune(topic) for topic in topics),
    ]
    return [
        broadcast_wire.encode(random.sample(items, random.randint(1, 6))) for _ in range(SAMPLES)
    ]


def _opened_gossip() -> Feed:
    chance = Random(1)
    core = Broadcast(lambda _, area, __: Judged("accept", area), heard_at([LISBON]), chance.random)
    core.handle(LinkUp(ALICE.node), 0)
    core.handle(LinkUp(BOB.node), 0)
    now = iter(range(1, 10**9, 20))
    return lambda data: core.handle(Arrived(ALICE.node, broadcast_wire.decode(data)), next(now))


# IPFS.


def _bitswap_frames(random: Random) -> Sequence[bytes]:
    wants = [
        bitswap_wire.Want(cid, kind, random.randint(-5, 5), cancel=False, send_dont_have=True)
        for cid in _CIDS
        for kind in bitswap_wire.WantKind
    ]
    block = bitswap_wire.HashedBlock(_CIDS[0][:4], b"a block")
    return [
        bitswap_wire.encode(
            bitswap_wire.Message(
                wants=tuple(random.sample(wants, random.randint(0, 4))),
                full=random.random() < 0.5,
                blocks=(block,) * random.randint(0, 2),
                presences=tuple(bitswap_wire.Presence(cid, True) for cid in _CIDS[:2]),
                pending_bytes=random.randint(0, 99),
            )
        )
        for _ in range(SAMPLES)
    ]


def _opened_bitswap() -> Feed:
    exchange = Exchange()
    exchange.handle(Connected(ALICE.node), 0)
    exchange.handle(Start(SessionId(1), _CIDS, (ALICE.node,), 10**9), 0)
    now = iter(range(1, 10**9))
    return lambda data: exchange.handle(Received(ALICE.node, bitswap_wire.decode(data)), next(now))


def _opened_framer() -> Feed:
    framers = [bitswap_wire.Framer()]

    def feed(data: bytes) -> None:
        try:
            framers[0].feed(data)
        except Exception:
            framers[0] = bitswap_wire.Framer()
            raise

    return feed


def _kademlia_frames(random: Random) -> Sequence[bytes]:
    contacts = tuple(Contact(who.node, _ADDRESSES) for who in (ALICE, BOB))
    return [
        kademlia_wire.encode(
            kademlia_wire.Message(
                kind=random.choice(list(Kind)), key=random.choice(_CIDS),
                closer=contacts[: random.randint(0, 2)], providers=contacts[: random.randint(0, 2)],
            )
        )
        for _ in range(SAMPLES)
    ]  # fmt: skip


def _opened_kademlia() -> Feed:
    table, providers = Table(ALICE.node), Providers()

    def feed(data: bytes) -> None:
        message = kademlia_wire.decode(data)
        lookup = Lookup(message.key, ALICE.node)
        lookup.hear_of(message.closer)
        for contact in lookup.next_to_ask():
            lookup.answered(contact.peer, message.closer)
        for contact in message.providers:
            providers.add(message.key, contact, NOON)
            table.met(contact)
            for address in contact.addresses:
                addresses.read_binary(address)
        table.nearest(message.key)

    return feed


# Behind routers.


def _hops(random: Random) -> Sequence[bytes]:
    limit = relay_wire.CircuitLimit(seconds=120, bytes_each_way=1 << 17)
    return [
        relay_wire.encode_hop(
            relay_wire.Hop(
                kind=kind, peer=ALICE.node, expires_s=NOON // 1000, limit=limit, status=status
            )
        )
        for kind in relay_wire.HopKind
        for status in relay_wire.Status
    ]


def _stops(random: Random) -> Sequence[bytes]:
    limit = relay_wire.CircuitLimit(seconds=120, bytes_each_way=1 << 17)
    return [
        relay_wire.encode_stop(
            relay_wire.Stop(kind=kind, peer=ALICE.node, limit=limit, status=status)
        )
        for kind in relay_wire.StopKind
        for status in relay_wire.Status
    ]


def _punches(random: Random) -> Sequence[bytes]:
    return [
        relay_wire.encode_punch(relay_wire.Punch(kind=kind, addresses=_ADDRESSES))
        for kind in relay_wire.PunchKind
    ]


def _autonat(random: Random) -> Sequence[bytes]:
    answers = (
        reach_wire.DialAnswer(status, "because", _ADDRESSES[0]) for status in reach_wire.DialStatus
    )
    return [
        reach_wire.encode_dial_back(reach_wire.DialBack(ALICE.node, _ADDRESSES)),
        *map(reach_wire.encode_dial_answer, answers),
    ]


def _opened_rendezvous() -> Feed:
    places = Places()

    def feed(data: bytes) -> None:
        said = rendezvous.decode(data, Wait)
        places.wait(NodeId(said.place), said.place, said.addresses, NOON)

    return feed


def _yamux_frames(random: Random) -> Sequence[bytes]:
    ours = yamux.Session(is_initiator=True)
    frames: list[bytes] = []
    for number in range(4):
        stream = ours.open()
        ours.send(stream, b"hello" * (number + 1))
        ours.finish(stream)
        frames.append(ours.take())
    ours.go_away(0)
    return [*frames, ours.take(), b"".join(frames)]


def _opened_yamux() -> Feed:
    sessions = [yamux.Session(is_initiator=False)]

    def feed(data: bytes) -> None:
        try:
            sessions[0].receive(data)
            sessions[0].take()
        except Exception:
            sessions[0] = yamux.Session(is_initiator=False)
            raise

    return feed


def _read_by(
    name: str,
    decode: Callable[[bytes], object],
    samples: Callable[[Random], Sequence[bytes]],
    *serves: str,
) -> Target:
    """Return the target of frames that one function reads, and nothing remembers."""
    module = decode.__module__.removeprefix("commonfab.").replace(".", "/")
    return Target(
        name=name,
        reads=(f"{module}.py:{decode.__name__}",),
        serves=serves,
        samples=samples,
        opened=lambda: decode,
    )


TARGETS = (
    Target(
        name="sync, answering",
        reads=("protocol/sync/sync_wire.py:decode",),
        serves=("protocol/sync/sync.py:PROTOCOL",),
        samples=_sync_frames,
        opened=_opened_follower,
    ),
    Target(
        name="sync, leading",
        reads=("protocol/sync/sync_wire.py:cut_up",),
        samples=_sync_frames,
        opened=_opened_leader,
    ),
    Target(
        name="gossip",
        reads=("protocol/gossip/broadcast_wire.py:decode",),
        serves=("protocol/gossip/broadcast_wire.py:PROTOCOL",),
        samples=_gossip_frames,
        opened=_opened_gossip,
    ),
    Target(
        name="bitswap",
        reads=("protocol/exchange/bitswap_wire.py:decode",),
        serves=("protocol/exchange/bitswap_wire.py:PROTOCOL",),
        samples=_bitswap_frames,
        opened=_opened_bitswap,
    ),
    Target(
        name="bitswap, cut into reads",
        reads=("protocol/exchange/bitswap_wire.py:feed",),
        samples=_bitswap_frames,
        opened=_opened_framer,
    ),
    Target(
        name="DHT",
        reads=(
            "protocol/links/kademlia_wire.py:decode",
            "protocol/protobuf.py:fields",
            "protocol/protobuf.py:read_varint",
            "node/finding/addresses.py:read_binary",
        ),
        serves=("protocol/links/kademlia_wire.py:WAN", "protocol/links/kademlia_wire.py:LAN"),
        samples=_kademlia_frames,
        opened=_opened_kademlia,
    ),
    Target(
        name="challenges",
        reads=("protocol/replicas.py:decode",),
        serves=("protocol/replicas.py:PROTOCOL",),
        samples=lambda _: [replicas.Challenge(cid, 0, 64).encode() for cid in _CIDS],
        opened=lambda: lambda data: replicas.Challenge.decode(data).of(bytes(100)),
    ),
    _read_by(
        "answers to challenges",
        replicas.decode_answer,
        lambda _: [replicas.encode_answer(None), replicas.encode_answer(bytes(64))],
    ),
    _read_by(
        "pairing",
        pairing.decode,
        samples_of(pairing.Message),
        "protocol/meeting/pairing.py:PROTOCOL",
    ),
    Target(
        name="rendezvous",
        reads=("protocol/meeting/rendezvous.py:decode",),
        serves=("protocol/meeting/rendezvous.py:PROTOCOL",),
        samples=samples_of(Wait),
        opened=_opened_rendezvous,
    ),
    Target(
        name="rendezvous, answers",
        reads=(),
        samples=samples_of(Others),
        opened=lambda: lambda data: rendezvous.decode(data, Others),
    ),
    _read_by(
        "introductions",
        introductions.decode,
        samples_of(introductions.Known),
        "protocol/meeting/introductions.py:PROTOCOL",
    ),
    _read_by("relay, hop", relay_wire.decode_hop, _hops, "protocol/links/relay_wire.py:HOP"),
    _read_by("relay, stop", relay_wire.decode_stop, _stops, "protocol/links/relay_wire.py:STOP"),
    _read_by(
        "hole punching", relay_wire.decode_punch, _punches, "protocol/links/relay_wire.py:DCUTR"
    ),
    _read_by(
        "AutoNAT, asked",
        reach_wire.decode_dial_back,
        _autonat,
        "protocol/links/reach_wire.py:AUTONAT",
    ),
    _read_by("AutoNAT, answered", reach_wire.decode_dial_answer, _autonat),
    _read_by("identify", reach_wire.decode_identity, _autonat),
    _read_by("peer ids", read_peer_bytes, lambda _: [peer_bytes(ALICE.node), peer_bytes(BOB.node)]),
    Target(
        name="yamux",
        reads=("node/network/yamux.py:receive",),
        samples=_yamux_frames,
        opened=_opened_yamux,
    ),
)
