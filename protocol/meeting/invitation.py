"""An invitation as text: one line that can be sent, pasted, printed, or drawn as a QR picture.

    commonfab:<base32 of a map and its check>

It says who invites, where that node is reached, the secret to prove there, and until when;
also the key of a private network, if it is one. Who has the text is invited. It is not
signed: the link proves the key that it names. Rules: specs/pairing.md.
"""

import base64
import hashlib
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from ..encoding import decode, encode
from ..errors import Malformed, UsageError
from ..ids import NODE_ID_BYTES, NodeId, Timestamp
from ..limits import DAY_MS
from .pairing import ADDRESS_LETTERS_MAX, CODE_BYTES, INVITATION_SECRET_BYTES, PSK_BYTES

SCHEME = "commonfab:"
INVITATION_TERM_MS_MAX = 90 * DAY_MS
INVITATION_ADDRESSES_MAX = 4
"""More would make a picture that telephones do not read."""
INVITATION_LETTERS_MAX = 2400
_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """See the module's docstring."""

    host: NodeId
    addresses: tuple[str, ...]
    """Where the host is reached, without /p2p/…."""
    secret: bytes
    """Of a code (9 bytes) or of an invitation (16 bytes)."""
    until: Timestamp
    psk: bytes = b""

    def text(self) -> str:
        """Return the one line; lower case, and the same in upper case."""
        data = encode(
            {
                "addresses": list(self.addresses),
                "host": self.host,
                "psk": self.psk,
                "secret": self.secret,
                "until": self.until,
            }
        )
        letters = base64.b32encode(data + _check(data)).decode()
        return SCHEME + letters.rstrip("=").lower()


def is_invitation(text: str) -> bool:
    """Tell whether a text means to be an invitation."""
    return text.strip().lower().startswith(SCHEME)


def read(text: str) -> Invitation:
    """Return what an invitation says, or raise `UsageError` that says what is wrong with it."""
    letters = "".join(text.split()).upper()
    if not is_invitation(letters):
        raise UsageError(f"{text!r:.60} is not an invitation; one begins with {SCHEME}")
    if len(letters) > INVITATION_LETTERS_MAX:
        raise UsageError(f"an invitation has at most {INVITATION_LETTERS_MAX} letters")
    body = letters[len(SCHEME) :]
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError as error:
        raise UsageError(_DAMAGED) from error
    data, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if not data or check != _check(data):
        raise UsageError(_DAMAGED)
    try:
        fields = msgspec.convert(decode(data), _Fields)
    except (Malformed, msgspec.ValidationError) as error:
        raise UsageError("the invitation is of another version of commonfab") from error
    if not fields.is_sound():
        raise UsageError("the invitation is of another version of commonfab")
    return Invitation(
        host=NodeId(fields.host),
        addresses=tuple(fields.addresses),
        secret=fields.secret,
        until=Timestamp(fields.until),
        psk=fields.psk,
    )


_DAMAGED = "the invitation is damaged: a letter is wrong or missing; copy all of it"


class _Fields(Struct, frozen=True, forbid_unknown_fields=True):
    addresses: list[str]
    host: bytes
    psk: bytes
    secret: bytes
    until: int

    def is_sound(self) -> bool:
        return (
            len(self.host) == NODE_ID_BYTES
            and len(self.psk) in (0, PSK_BYTES)
            and len(self.secret) in (CODE_BYTES, INVITATION_SECRET_BYTES)
            and 0 <= self.until < 1 << 53
            and len(self.addresses) <= INVITATION_ADDRESSES_MAX
            and all(len(address) <= ADDRESS_LETTERS_MAX for address in self.addresses)
        )


def _check(data: bytes) -> bytes:
    """Return what tells a mistyped letter; against those who mean it, the proofs stand."""
    return hashlib.sha256(SCHEME.encode() + data).digest()[:_CHECK_BYTES]
