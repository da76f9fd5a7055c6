"""How a word that a person or program wrote is compared with those of the vocabulary."""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

WORD_CHARS_MAX = 200
"""Longer ones are no names."""

_WIKIPEDIA = re.compile(r"^https?://\w+(?:\.m)?\.wikipedia\.org/wiki/")
_WIKIDATA = re.compile(r"^https?://www\.wikidata\.org/(?:wiki|entity)/")


class Named(Protocol):
    """An entry of the vocabulary."""

    @property
    def id(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


Entry = TypeVar("Entry", bound=Named)


def key(word: str) -> str:
    """Return a word's letters and digits in lower case, with one space between the words.

    Of an address in Wikipedia or Wikidata it is the last part.
    """
    word = _WIKIDATA.sub("", _WIKIPEDIA.sub("", word[:WORD_CHARS_MAX].strip()))
    return " ".join(re.findall(r"[a-z0-9+]+", word.casefold()))


def by_key(entries: Iterable[Entry]) -> Mapping[str, Entry]:
    """Return the entries by the keys of their names. No two may share one."""
    found: dict[str, Entry] = {}
    for entry in entries:
        for word in {key(entry.id), *map(key, entry.aliases)}:
            assert word not in found, f"{word!r} names {found[word].id} and {entry.id}"
            found[word] = entry
    return found
