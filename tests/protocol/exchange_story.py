"""A story of one block exchange, told event by event, and how to read what it asks for."""

from collections.abc import Iterable

from commonfab.protocol.exchange.bitswap_wire import (
    Block,
    Message,
    Presence,
    Want,
    WantKind,
)
from commonfab.protocol.exchange.events import (
    Connected,
    Deliver,
    Effect,
    Event,
    Failed,
    Load,
    Received,
    Send,
    Start,
    Tick,
    WakeAt,
)
from commonfab.protocol.exchange.exchange import BEAT_MS, Exchange
from commonfab.protocol.ids import NodeId
from tests.protocol.exchange_world import SESSION, leaf

BOB, CAROL, DAVE, EVE = (NodeId(name) for name in (b"bob", b"carol", b"dave", b"eve"))
IDLE_MS = 60_000
BLOCKS = [leaf(b"block %d" % number) for number in range(300)]
CIDS = tuple(block.cid for block in BLOCKS)


class Story:
    """Drives one exchange and keeps what it asks for."""

    def __init__(self, *peers: NodeId) -> None:
        self.exchange = Exchange()
        self.now = 1000
        for peer in peers:
            self.tell(Connected(peer))

    def tell(self, event: Event, after_ms: int = 0) -> list[Effect]:
        self.now += after_ms
        effects = self.exchange.handle(event, self.now)
        return [effect for effect in effects if not isinstance(effect, WakeAt)]

    def start(self, cids: Iterable[bytes], *peers: NodeId) -> list[Effect]:
        return self.tell(Start(SESSION, tuple(cids), peers, IDLE_MS))

    def wait(self, duration_ms: int) -> list[Effect]:
        """Let time pass with a tick at every beat."""
        effects: list[Effect] = []
        for _ in range(0, duration_ms, BEAT_MS):
            effects += self.tell(Tick(), after_ms=BEAT_MS)
        return effects

    def hear(self, peer: NodeId, *things: Want | Presence | Block) -> list[Effect]:
        message = Message(
            wants=tuple(each for each in things if isinstance(each, Want)),
            presences=tuple(each for each in things if isinstance(each, Presence)),
            blocks=tuple(each for each in things if isinstance(each, Block)),
        )
        return self.tell(Received(peer, message))


def wants_of(effects: list[Effect], peer: NodeId) -> list[Want]:
    sends = [each for each in effects if isinstance(each, Send) and each.peer == peer]
    return [want for send in sends for want in send.message.wants]


def asked_blocks(effects: list[Effect], peer: NodeId) -> list[bytes]:
    wants = wants_of(effects, peer)
    return [want.cid for want in wants if want.kind is WantKind.BLOCK and not want.cancel]


def questions(effects: list[Effect], peer: NodeId) -> list[bytes]:
    wants = wants_of(effects, peer)
    return [want.cid for want in wants if want.kind is WantKind.HAVE and not want.cancel]


def taken_back(effects: list[Effect], peer: NodeId) -> list[bytes]:
    return [want.cid for want in wants_of(effects, peer) if want.cancel]


def delivered(effects: list[Effect]) -> list[Block]:
    return [effect.block for effect in effects if isinstance(effect, Deliver)]


def failures(effects: list[Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, Failed)]


def answers(effects: list[Effect], peer: NodeId) -> list[Presence | Block]:
    sends = [each for each in effects if isinstance(each, Send) and each.peer == peer]
    said: list[Presence | Block] = []
    for send in sends:
        said += [*send.message.presences, *send.message.blocks]
    return said


def load_of(effects: list[Effect]) -> list[Load]:
    return [effect for effect in effects if isinstance(effect, Load)]
