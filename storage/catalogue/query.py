"""What can be asked of the catalogue, and what it answers; a question as SQL.

What a person types is never a part of the SQL, nor of the full-text language: each word is
quoted, so that no spelling of it is an error.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId

WORDS_MAX = 32
"""Different words of one search. Each is a walk through the index."""
WORD_LENGTH_MAX = 64
"""Of a longer word only its beginning is looked for."""
COUNTED_MAX = 1000
"""Designs, the best first, of which the facets are counted: bounds the time of a search."""
VALUES_MAX = 8
"""Of one facet, the commonest first."""

Sort = Literal["best", "newest", "name", "mass", "made"]
FACETS = ("process", "material", "licence", "language", "author")
Box = tuple[int, int, int]
Condition = tuple[str, list[object]]
"""SQL with placeholders, and their values."""

RANKED_MAX = 2000
"""Designs with the words, the last that were entered first, that are put in order."""

_WEIGHTS = "10.0, 4.0, 3.0, 2.0, 2.0, 1.0"
"""Of the columns of the full-text table, in their order: a name says more than a licensor."""
_ORDERS: dict[Sort, str] = {
    "best": "score, at DESC, id",
    "newest": "at DESC, id DESC",
    "name": "name, at DESC, id",
    "mass": "mass_mg, at DESC, id",
    "made": "made DESC, at DESC, id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All of these at once; of the values of one facet, any. What is empty does not matter."""

    words: str = ""
    """Beginnings of words that all occur, in whatever is said of the design."""
    process: tuple[str, ...] = ()
    material: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    authors: tuple[NodeId, ...] | None = None
    fits_um: Box | None = None
    """A box into which every part fits, each turned by right angles as it needs."""
    mass_mg_max: int | None = None
    """Of all pieces of one design."""
    made_min: int = 0
    watertight: bool = False
    """Every part is."""
    all_versions: bool = False
    """Also those that are not the newest honest one of their author's."""
    is_here: Callable[[bytes], bool] | None = None
    """Asked of the root of each design that else fits."""
    sort: Sort | None = None
    """None: the best first if there are words, else the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    ids: list[RecordId]
    total: int
    """How many there are, counted up to `COUNTED_MAX`."""
    is_more: bool
    """There are more than were counted."""
    facets: dict[str, list[tuple[str, int]]] = field(
        default_factory=dict[str, list[tuple[str, int]]]
    )
    """The commonest values of each of `FACETS` among those counted; authors in hexadecimal."""


def fold(text: str) -> str:
    """Return a text for comparing: without case, width and ligatures."""
    return unicodedata.normalize("NFKC", text).casefold()


def match_text(words: str) -> str:
    """Return the full-text question for what a person typed, or nothing if it has no word.

    Raises `UsageError` if it has more than `WORDS_MAX`.
    """
    chunks = list(dict.fromkeys(_words(words)))
    if len(chunks) > WORDS_MAX:
        raise UsageError(f"{len(chunks)} words: a search takes up to {WORDS_MAX}; give fewer")
    return " AND ".join(f'"{chunk}" *' for chunk in chunks)


def _words(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFC", text).encode(errors="ignore").decode()
    for chunk in plain.replace('"', " ").replace("\0", " ").split():
        cut = chunk[:WORD_LENGTH_MAX]
        if any(character.isalnum() for character in cut):
            yield cut.casefold()


def to_sql(query: Query, rarest: int | None = None) -> tuple[str, list[object]]:
    """Return a statement that yields (number, id), and its values.

    `rarest`: the number of a facet's value that few designs have, from which to begin where
    there are no words.
    The function `is_here` is asked last, so only of what fits else.
    """
    match = match_text(query.words)
    # Facets are looked up by what is known first, so that a design's row is read only if they fit.
    known = "words.rowid" if match else "design.number" if rarest is None else "first.design"
    conditions = list(_conditions(query, known))
    order = _ORDERS[query.sort or "best"]
    if not match and query.sort in (None, "best"):
        order = _ORDERS["newest"]
    tables = "design"
    if match:
        conditions.insert(0, ("words MATCH ?", [match]))
        tables = f"({_ranked(conditions)})"
        return (
            f"SELECT number, id FROM {tables} ORDER BY {order} LIMIT {COUNTED_MAX + 1}",  # noqa: S608
            _values(conditions),
        )
    if rarest is not None:
        tables = "tag AS first CROSS JOIN design ON design.number = first.design"
        conditions.insert(0, ("first.value = ?", [rarest]))
    sql = (
        f"SELECT design.number, design.id FROM {tables} WHERE {_all(conditions)} "  # noqa: S608
        f"ORDER BY {order} LIMIT {COUNTED_MAX + 1}"
    )
    return sql, _values(conditions)


def _ranked(conditions: list[Condition]) -> str:
    return (
        "SELECT design.number, design.id, design.at, design.name, design.mass_mg, design.made, "  # noqa: S608
        f"bm25(words, {_WEIGHTS}) AS score "
        "FROM words CROSS JOIN design ON design.number = words.rowid "
        f"WHERE {_all(conditions)} ORDER BY words.rowid DESC LIMIT {RANKED_MAX}"
    )


def _all(conditions: list[Condition]) -> str:
    return " AND ".join(condition for condition, _ in conditions) or "TRUE"


def _values(conditions: list[Condition]) -> list[object]:
    return [value for _, values in conditions for value in values]


def single_values(query: Query) -> Iterator[tuple[str, str]]:
    """Yield (facet, folded value) of each facet of which just one value is wanted."""
    for facet, wanted in _facets(query):
        if len(wanted) == 1:
            yield facet, wanted[0]


def _facets(query: Query) -> Iterator[tuple[str, list[str]]]:
    for facet, wanted in (
        ("process", query.process),
        ("material", query.material),
        ("licence", query.licence),
        ("language", query.language),
    ):
        if wanted:
            yield facet, [fold(value) for value in wanted]
    if query.authors is not None:
        yield "author", [author.hex() for author in query.authors]


def _conditions(query: Query, number: str) -> Iterator[Condition]:
    """`number`: the design's, as soon as it is known."""
    if not query.all_versions:
        yield "design.is_head = 1", []
    for facet, wanted in _facets(query):
        yield _tagged(number, facet, wanted)
    if query.fits_um is not None:
        yield (
            "design.short_um <= ? AND design.middle_um <= ? AND design.long_um <= ?",
            [*sorted(query.fits_um)],
        )
    if query.mass_mg_max is not None:
        yield "design.mass_mg <= ?", [query.mass_mg_max]
    if query.made_min:
        yield "design.made >= ?", [query.made_min]
    if query.watertight:
        yield "design.watertight", []
    if query.is_here is not None:
        yield "is_here(design.root)", []


def _tagged(number: str, facet: str, folded: list[str]) -> Condition:
    holes = ", ".join("?" * len(folded))
    return (
        f"EXISTS (SELECT 1 FROM tag WHERE tag.design = {number} AND tag.value IN "  # noqa: S608
        f"(SELECT number FROM value WHERE facet = ? AND folded IN ({holes})))",
        [facet, *folded],
    )
