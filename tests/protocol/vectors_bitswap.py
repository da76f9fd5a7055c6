"""The cases of specs/vectors/bitswap.json: messages with their lengths, and what they say."""

from typing import Any

from commonfab.protocol.exchange.bitswap_wire import (
    Block,
    HashedBlock,
    Message,
    Presence,
    Want,
    WantKind,
    encode,
)
from tests.vectors import Case

ABOUT = (
    "Bitswap 1.2.0 messages as specs/exchange.md reads them, each with its length before it."
    " write: the bytes say what message says, and are how it is written. read: the bytes say it"
    " too, but are written otherwise. refuse: the bytes are not a message. A block's cid is that"
    " of its data; a field that is 0, false or empty is left out."
)

_RAW = bytes.fromhex("01551220")
_DAG_PB = bytes.fromhex("01701220")
_V0 = bytes.fromhex("00701220")
_HELLO = HashedBlock(_RAW, b"hello")

_MESSAGES: dict[str, Message] = {
    "nothing": Message(),
    "a want for a block": Message(wants=(Want(_HELLO.cid),)),
    "a question that asks for have not": Message(
        wants=(Want(_HELLO.cid, WantKind.HAVE, send_dont_have=True),)
    ),
    "a want taken back": Message(wants=(Want(_HELLO.cid, cancel=True),)),
    "priorities at both ends": Message(
        wants=(Want(b"a", priority=2**31 - 1), Want(b"b", priority=-(2**31)))
    ),
    "a full wantlist": Message(wants=(Want(_HELLO.cid), Want(b"any cid")), full=True),
    "an empty full wantlist": Message(full=True),
    "a raw block": Message(blocks=(_HELLO,)),
    "a block of links": Message(blocks=(HashedBlock(_DAG_PB, bytes.fromhex("0a020801")),)),
    "a block of version 0": Message(blocks=(HashedBlock(_V0, bytes.fromhex("0a020801")),)),
    "a block of another codec": Message(blocks=(HashedBlock(bytes.fromhex("01a9021220"), b"{}"),)),
    "a block with sha2-512": Message(blocks=(HashedBlock(bytes.fromhex("01551340"), b"hello"),)),
    "a block with blake3": Message(blocks=(HashedBlock(bytes.fromhex("01551e20"), b"hello"),)),
    "a block with blake2b-256": Message(
        blocks=(HashedBlock(bytes.fromhex("0155a0e40220"), b"hello"),)
    ),
    "an empty block": Message(blocks=(HashedBlock(_RAW, b""),)),
    "a long block": Message(blocks=(HashedBlock(_RAW, bytes(200)),)),
    "have and have not": Message(
        presences=(Presence(_HELLO.cid, has=True), Presence(b"any cid", has=False))
    ),
    "everything": Message(
        wants=(Want(_HELLO.cid, WantKind.HAVE, 7, send_dont_have=True),),
        full=True,
        blocks=(_HELLO,),
        presences=(Presence(_HELLO.cid, has=True),),
        pending_bytes=1000,
    ),
}

_READ: dict[str, tuple[str, Message]] = {
    "an empty wantlist": ("0a00", Message()),
    "zeros written out": (
        "0a0d0a0b0a01611000180020002800",
        Message(wants=(Want(b"a", priority=0),)),
    ),
    "fields of a later version": ("320161" + "3801", Message()),
}

_REFUSED: dict[str, str] = {
    "two wantlists": "0a000a00",
    "a block of Bitswap 1.0": "120161",
    "a want without a CID": "0a040a021001",
    "a CID twice": "0a080a060a01610a0161",
    "an unknown kind of want": "0a070a050a01612002",
    "a block with sha1": "1a090a040155111412" + "0161",
    "a block that is in its own name": "1a090a040155000112" + "0161",
    "a block with a shortened hash": "1a090a040155121412" + "0161",
    "a block of version 0 that is raw": "1a090a040055122012" + "0161",
    "a number that is not in its shortest form": "288000",
    "a field that ends after its message": "1a0561",
    "a group": "0b",
}


def as_json(message: Message) -> dict[str, Any]:
    """Return what a message says, without what is 0, false or empty."""
    return _plain(
        {
            "wants": [_want(want) for want in message.wants],
            "full": message.full,
            "blocks": [_block(block) for block in message.blocks],
            "presences": [{"cid": p.cid.hex(), "has": p.has} for p in message.presences],
            "pending_bytes": message.pending_bytes,
        }
    )


def _want(want: Want) -> dict[str, Any]:
    return _plain(
        {
            "cid": want.cid.hex(),
            "kind": want.kind.name.lower(),
            "priority": want.priority,
            "cancel": want.cancel,
            "send_dont_have": want.send_dont_have,
        }
    )


def _block(block: Block) -> dict[str, Any]:
    return {"cid": block.cid.hex(), "data": block.data.hex()}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each}


def cases() -> list[Case]:
    written = [
        {
            "name": name,
            "verdict": "write",
            "hex": encode(message).hex(),
            "message": as_json(message),
        }
        for name, message in _MESSAGES.items()
    ]
    read = [
        {"name": name, "verdict": "read", "hex": _framed(text), "message": as_json(message)}
        for name, (text, message) in _READ.items()
    ]
    refused = [
        {"name": name, "verdict": "refuse", "hex": _framed(text)} for name, text in _REFUSED.items()
    ]
    return [*written, *read, *refused]


def _framed(text: str) -> str:
    return f"{len(text) // 2:02x}{text}"
