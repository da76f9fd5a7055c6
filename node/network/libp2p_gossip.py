"""GossipSub of py-libp2p 0.8.1, mended: the rest of libp2p_mends.py, for what gossips.

What a message must pass is ours (`MendedPubsub.push_msg`), and so is what a peer may cost us;
who forwards to whom stays the library's. Each mend has one test of its name in
tests/node/test_libp2p_gossip.py.
"""

from typing import Protocol

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import IOException, MessageTooLarge
from libp2p.peer.id import ID  # pyright: ignore[reportMissingTypeStubs]  # no __init__ there
from libp2p.pubsub.gossipsub import PROTOCOL_ID, PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.pubsub.validators import signature_validator
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from commonfab.protocol.limits import KIB, MIB

from .libp2p_mends import MendedHost
from .transport import GOSSIP_BYTES_MAX, Verdict

HEARTBEAT_S = 1
RPC_BYTES_MAX = MIB
"""What one peer may send in one piece: what other implementations allow."""
_RPC_BYTES_SENT_MAX = 512 * KIB
_QUEUE_MAX = 1024
"""Pieces that may wait to be sent to one peer; one more is dropped."""
_MESSAGES_PER_S_MAX = 100
_MESSAGES_BURST = 500
"""Beyond it a peer's messages are read more slowly: judging one costs about a millisecond."""
_TOPIC_LETTERS_MAX = 128
_SUBSCRIPTIONS_MAX = 100
_CONTROLS_MAX = 200
"""Grafts and prunes in one piece; each may be answered."""
_IDS_MAX = 5000
"""Message ids offered or asked for in one piece: as other implementations."""
_IDS_ANSWERED_MAX = 128
"""Messages sent again in answer to one request."""
_BACKOFF_S_MAX = 3600


class Judge(Protocol):
    """Whoever decides on messages and keeps count of offences."""

    def judge(self, forwarder: ID, topic: str, data: bytes) -> Verdict: ...

    def offend(self, peer: ID) -> None: ...


class MendedGossipSub(GossipSub):
    """The library's router, without what it adds to GossipSub 1.1 of its own.

    Off, because each loses messages or costs more than it gives in a small network: the spam
    filter of ten messages a second, the adaptive mode that stretches a heartbeat of 1 s to 30 s,
    grafting for a diversity of addresses, the score that is always 0.
    """

    def __init__(self) -> None:
        super().__init__(
            protocols=[PROTOCOL_ID_V11, PROTOCOL_ID],
            degree=6,
            degree_low=4,
            degree_high=12,
            heartbeat_interval=HEARTBEAT_S,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
            do_px=False,
        )
        self.scorer = None

    async def handle_graft(self, graft_msg: rpc_pb2.ControlGraft, sender_peer_id: ID) -> None:
        """Take a peer into a topic's mesh, if this node takes part in the topic."""
        if graft_msg.topicID in self.mesh:
            await super().handle_graft(graft_msg, sender_peer_id)

    async def handle_prune(self, prune_msg: rpc_pb2.ControlPrune, sender_peer_id: ID) -> None:
        """Let a peer leave a topic's mesh.

        The library remembers prunes of any topic for ever, for as long as the peer says, and
        dials the peers that come with it.
        """
        if prune_msg.topicID in self.mesh:
            prune_msg.ClearField("peers")
            prune_msg.backoff = min(prune_msg.backoff, _BACKOFF_S_MAX)
            await super().handle_prune(prune_msg, sender_peer_id)

    async def handle_ihave(self, ihave_msg: rpc_pb2.ControlIHave, sender_peer_id: ID) -> None:
        if ihave_msg.topicID in self.mesh:
            await super().handle_ihave(ihave_msg, sender_peer_id)

    async def handle_iwant(self, iwant_msg: rpc_pb2.ControlIWant, sender_peer_id: ID) -> None:
        """Send messages again that a peer asks for, each once.

        The library sends one as often as its id stands in the request: a megabyte of it asks
        for gigabytes.
        """
        ids = dict.fromkeys(iwant_msg.messageIDs)
        once = rpc_pb2.ControlIWant(messageIDs=list(ids)[:_IDS_ANSWERED_MAX])
        await super().handle_iwant(once, sender_peer_id)

    def _periodic_security_cleanup(self) -> None:
        """Forget, at each heartbeat, also what only the adaptive mode would forget."""
        super()._periodic_security_cleanup()
        self.recent_message_deliveries.clear()
        for topic in [topic for topic in self.back_off if topic not in self.mesh]:
            del self.back_off[topic]


class MendedPubsub(Pubsub):
    """The library's pubsub, reading and judging in our own order."""

    def __init__(
        self, host: MendedHost, router: MendedGossipSub, judge: Judge, first_sequence: int
    ) -> None:
        super().__init__(
            host,
            router,
            strict_signing=True,
            max_subscriptions_per_peer=_SUBSCRIPTIONS_MAX,
            max_inbound_rpc_size=RPC_BYTES_MAX,
        )
        # The library begins at the seconds of the clock: a node that restarts after it has sent
        # more than a message a second uses numbers again that the others know already.
        self.counter = first_sequence
        self._judge = judge
        self._me = host.get_id()
        self._me_bytes = self._me.to_bytes()

    async def stream_handler(self, stream: INetStream) -> None:
        """Read one peer's messages until it ends the stream, one after the other.

        The library starts a task for each, ends on the first malformed one with an exception
        that nobody catches, and verifies a record of the sender's addresses with each.
        """
        peer = stream.muxed_conn.peer_id
        pace = Pace()
        try:
            while True:
                data = await read_varint_prefixed_bytes_limited(stream, RPC_BYTES_MAX)
                rpc = rpc_pb2.RPC()
                rpc.ParseFromString(data)
                await self._take_in(peer, rpc, pace)
        except (MessageTooLarge, ParseError, DecodeError):
            self._judge.offend(peer)
        except IOException:
            pass  # It ended, or the link did.
        finally:
            with trio.CancelScope(shield=True):
                await stream.reset()

    async def _take_in(self, peer: ID, rpc: rpc_pb2.RPC, pace: "Pace") -> None:
        if not _is_reasonable(rpc):
            self._judge.offend(peer)
            return
        rpc.ClearField("senderRecord")
        for message in rpc.publish:
            await pace.wait()
            await self.push_msg(peer, message)
        for subscription in rpc.subscriptions:
            self.handle_subscription(peer, subscription)
        if rpc.HasField("control"):
            await pace.wait()
            await self.router.handle_rpc(rpc, peer)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Judge a message once, and forward it if it is accepted.

        The library drops what is wrong without counting it, judges a message again for each
        peer that forwards it, and lets an exception in a validator end the host.
        """
        if msg_forwarder != self._me and not self._is_accepted(msg_forwarder, msg):
            return
        self._mark_msg_seen(msg)
        await self.router.publish(msg_forwarder, msg)

    def _is_accepted(self, forwarder: ID, msg: rpc_pb2.Message) -> bool:
        if len(msg.topicIDs) != 1 or len(msg.data) > GOSSIP_BYTES_MAX:
            self._judge.offend(forwarder)
            return False
        topic = msg.topicIDs[0]
        if topic not in self.topic_ids or self._is_msg_seen(msg) or msg.from_id == self._me_bytes:
            return False
        if not _is_signed(msg):
            # Not marked as seen: whoever wrote it could keep out the real one of that number.
            self._judge.offend(forwarder)
            return False
        verdict = self._judge.judge(forwarder, topic, msg.data)
        if verdict == "accept":
            return True
        self._mark_msg_seen(msg)
        if verdict == "reject":
            self._judge.offend(forwarder)
        return False

    def handle_subscription(self, origin_id: ID, sub_message: rpc_pb2.RPC.SubOpts) -> None:
        if len(sub_message.topicid) <= _TOPIC_LETTERS_MAX:
            super().handle_subscription(origin_id, sub_message)
        else:
            self._judge.offend(origin_id)

    async def handle_sending_messages(
        self, peer_id: ID, stream: INetStream, queue: RpcQueue
    ) -> None:
        """Send what waits for a peer; more may wait than the library's 32."""
        queue._queue.max_size = _QUEUE_MAX  # pyright: ignore[reportPrivateUsage]  # no other way
        queue.max_message_size = _RPC_BYTES_SENT_MAX
        await super().handle_sending_messages(peer_id, stream, queue)

    async def write_msg(self, stream: INetStream, rpc_msg: rpc_pb2.RPC) -> bool:
        """Send one piece, without the record of our addresses that nobody here reads."""
        rpc_msg.ClearField("senderRecord")
        return await super().write_msg(stream, rpc_msg)


class Pace:
    """Slows a reader down to `_MESSAGES_PER_S_MAX`, after a burst."""

    def __init__(self) -> None:
        self._due = float("-inf")

    async def wait(self) -> None:
        """Return when the next message is due; the time unused counts for a burst of them."""
        now = trio.current_time()
        earliest = now - _MESSAGES_BURST / _MESSAGES_PER_S_MAX
        self._due = max(self._due, earliest) + 1 / _MESSAGES_PER_S_MAX
        await trio.sleep(max(0, self._due - now))


def _is_reasonable(rpc: rpc_pb2.RPC) -> bool:
    control = rpc.control
    return (
        len(rpc.subscriptions) <= _SUBSCRIPTIONS_MAX
        and len(control.graft) + len(control.prune) <= _CONTROLS_MAX
        and sum(1 + len(offer.messageIDs) for offer in control.ihave) <= _IDS_MAX
        and sum(1 + len(wish.messageIDs) for wish in control.iwant) <= _IDS_MAX
    )


def _is_signed(msg: rpc_pb2.Message) -> bool:
    try:
        return signature_validator(msg)
    except Exception:  # A key that cannot be read makes it raise; a peer chose that key.
        return False
