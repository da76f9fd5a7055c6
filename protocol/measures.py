"""What a buyer chose of a design that is made to measure: a text, and that text sealed.

    text    names to values, as JSON writes each, in the canonical encoding
    sealed  as a file is sealed (specs/bundle.md), in one chunk, for a key that is used once

An owner puts the public half of a one-time key into its offer, and the buyer seals to it in
its acceptance. When the order is over the owner forgets the secret half: what stays on both
disks, in backups too, then opens to nobody. Rules: specs/measures.md.
"""

from collections.abc import Mapping

from .carrying import sealing
from .carrying.sealing import Agree
from .encoding import decode, encode
from .errors import Malformed
from .ids import NodeId
from .limits import MEASURES_BYTES_MAX

MEASURES_MAX = 64
"""Values that one design asks for."""
TEXT_STEP_BYTES = 1024
"""A text is filled up with zeros to a multiple of this, so that its length tells nothing."""
TEXT_BYTES_MAX = 3 * TEXT_STEP_BYTES

assert sealing.SEALED_HEAD_BYTES + TEXT_BYTES_MAX + sealing.SEALED_TAG_BYTES <= MEASURES_BYTES_MAX


def seal(values: Mapping[str, str], key: bytes, one_time: bytes) -> bytes:
    """Return values sealed for the public key of an offer. `one_time`: 32 random bytes, never
    used again. Raises `Malformed` for more than a text holds, `UsageError` for a bad key."""
    content = encode(dict(values), TEXT_BYTES_MAX - len(sealing.start_of_text(0)))
    text = sealing.start_of_text(len(content)) + content
    text += bytes(-len(text) % TEXT_STEP_BYTES)
    head, secret = sealing.seal_for(NodeId(key), one_time)
    return head + sealing.seal_chunk(secret, 0, text, is_last=True)


def unseal(sealed: bytes, agree: Agree) -> dict[str, str]:
    """Return the values. Raises `Malformed` for what was not sealed for this key, or is none."""
    secret = sealing.key_of(sealed, agree)
    text = sealing.open_chunk(secret, 0, sealed[sealing.SEALED_HEAD_BYTES :], is_last=True)
    start = len(sealing.start_of_text(0))
    length = sealing.content_length(text[:start])
    content = text[start : start + length]
    if len(content) < length or any(text[start + length :]):
        raise Malformed("measures that end too early, or go on after their end")
    values = decode(content, TEXT_BYTES_MAX)
    if len(values) > MEASURES_MAX:
        raise Malformed(f"more than {MEASURES_MAX} measures")
    found = {name: value for name, value in values.items() if isinstance(value, str)}
    if len(found) < len(values):
        raise Malformed("a measure that is no text")
    return found
