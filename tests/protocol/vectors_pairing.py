"""The cases of specs/vectors/pairing.json: secrets and their keys, proofs, invitations."""

from commonfab.protocol.ids import NodeId, Timestamp
from commonfab.protocol.meeting.invitation import Invitation
from commonfab.protocol.meeting.pairing import Encounter, derive
from tests.vectors import Case

ABOUT = (
    "Pairing, specs/pairing.md. keys: what scrypt makes of a secret (9 bytes: a code, with its"
    " words; 16 bytes: an invitation). proofs: both macs of one conversation, under the keys of"
    " the first secret. invitation: the text, and what it says."
)

_HOST, _GUEST = NodeId(b"H" * 32), NodeId(b"G" * 32)
_CODE = bytes.fromhex("03fffffffffffffffe")
_WORDS = "zoo zoo zoo zoo zoo zone"


def cases() -> list[Case]:
    keys = derive(_CODE)
    met = Encounter(_HOST, _GUEST, host_nonce=b"h" * 32, guest_nonce=b"g" * 32)
    return [
        _keys(_CODE, _WORDS),
        _keys(bytes(9), " ".join(["abandon"] * 6)),
        _keys(bytes(range(16)), ""),
        {
            "what": "proofs",
            "host": _HOST.hex(),
            "guest": _GUEST.hex(),
            "host_nonce": met.host_nonce.hex(),
            "guest_nonce": met.guest_nonce.hex(),
            "host_mac": met.mac(keys, "host").hex(),
            "guest_mac": met.mac(keys, "guest").hex(),
        },
        _invitation(_CODE, b""),
        _invitation(bytes(range(16)), b"P" * 32),
    ]


def _keys(secret: bytes, words: str) -> Case:
    keys = derive(secret)
    return {
        "what": "keys",
        "secret": secret.hex(),
        "words": words,
        "place": keys.place.hex(),
        "tag": keys.tag.hex(),
        "key": keys.key.hex(),
    }


def _invitation(secret: bytes, psk: bytes) -> Case:
    invitation = Invitation(
        host=_HOST,
        addresses=("/ip4/192.0.2.7/tcp/4411", "/ip6/2001:db8::7/tcp/4411"),
        secret=secret,
        until=Timestamp(1_790_000_000_000),
        psk=psk,
    )
    return {
        "what": "invitation",
        "host": _HOST.hex(),
        "addresses": list(invitation.addresses),
        "secret": secret.hex(),
        "until": invitation.until,
        "psk": psk.hex(),
        "text": invitation.text(),
    }
