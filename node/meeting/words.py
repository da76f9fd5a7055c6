"""A pairing code as six words of the English list of BIP 39: short, common, and far apart.

The first four letters of each word are like those of no other.
"""

import difflib
import re
from functools import cache

from commonfab.protocol.errors import UsageError
from commonfab.protocol.meeting.pairing import CODE_BYTES, CODE_WORDS

_BITS = 11
_LETTERS_ENOUGH = 4


def spell(code: bytes) -> str:
    """Return the words of a code, with a space between."""
    number = int.from_bytes(code, "big")
    assert len(code) == CODE_BYTES
    assert number >> (_BITS * CODE_WORDS) == 0
    mask = (1 << _BITS) - 1
    places = range(_BITS * (CODE_WORDS - 1), -1, -_BITS)
    return " ".join(_list()[number >> place & mask] for place in places)


def read(text: str) -> bytes:
    """Return the code that is spelled, or raise `UsageError` that names the word that is wrong.

    Capital letters, commas and hyphens do no harm, and four letters of a word are enough.
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    number = 0
    for place, word in enumerate(words, start=1):
        number = number << _BITS | _index(word, place)
    if len(words) != CODE_WORDS:
        raise UsageError(f"a code has {CODE_WORDS} words; here are {len(words)}")
    return number.to_bytes(CODE_BYTES, "big")


def from_chance(chance: bytes) -> bytes:
    """Return a code made of random bytes, of which there are as many as a code has."""
    number = int.from_bytes(chance, "big") & ((1 << _BITS * CODE_WORDS) - 1)
    return number.to_bytes(CODE_BYTES, "big")


def _index(word: str, place: int) -> int:
    known = _list()
    if word in known:
        return known.index(word)
    begins = [each for each in known if each.startswith(word)]
    if len(word) >= _LETTERS_ENOUGH and len(begins) == 1:
        return known.index(begins[0])
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)
    raise UsageError(f"word {place}, {word:.20}, is in no code; did you mean {near[0]}?")


@cache
def _list() -> list[str]:
    from mnemonic import Mnemonic  # Late: few commands need it.

    return list(Mnemonic("english").wordlist)
