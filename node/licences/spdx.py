"""Reads SPDX licence expressions, with the licences that SPDX knows; loads late, in 0.1 s."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Protocol, cast

EXPRESSION_CHARS_MAX = 500
"""Read of what may be a text of any length."""
ALTERNATIVES_MAX = 64
"""Ways to choose among licences that are looked at; further ones are left out."""
_OWN = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9.]+")

Alternative = frozenset[str]
"""Licences that all hold, with their exceptions (`X WITH Y`)."""


def is_spdx(expression: str) -> bool:
    """Tell whether this is an expression of licences that SPDX knows, or of `LicenseRef-…`."""
    return normal(expression) is not None


def normal(expression: str) -> str | None:
    """Return an expression as SPDX spells it, or None if it is none. NOASSERTION is none."""
    found = _parse(expression)
    return None if found is None else found[0]


def alternatives(expression: str) -> tuple[Alternative, ...]:
    """Return the sets of licences among which one may choose. What is no expression is taken
    as one licence that nobody knows; an empty text as none that was said."""
    found = _parse(expression)
    if found is not None:
        return found[1]
    return (frozenset({expression}),) if expression.strip() else ()


@cache
def identifiers() -> tuple[str, ...]:
    """Return all licences of the SPDX list."""
    return tuple(name for name in _known() if not name.startswith("LicenseRef-"))


@cache
def older_names() -> dict[str, str]:
    """Return the names that SPDX gave up, such as GPL-2.0, with those that stand for them."""
    return {
        alias: name
        for name in identifiers()
        for alias in _known()[name].aliases
        if not alias.startswith("LicenseRef-") and " " not in alias
    }


def own_name(text: str) -> str:
    """Return `LicenseRef-` and what an identifier can hold of the text."""
    letters = _NO_IDENTIFIER.sub("-", text.removeprefix("LicenseRef-")).strip("-")
    return f"LicenseRef-{letters or 'unnamed'}"[:100]


@cache
def _library() -> Any:  # It ships no types; they end here.
    import license_expression as untyped  # type: ignore[import-untyped]  # it ships no types

    return untyped


@cache
def _licensing() -> Any:  # As above.
    return _library().get_spdx_licensing()


def _known() -> Mapping[str, "_Symbol"]:
    return cast("Mapping[str, _Symbol]", _licensing().known_symbols)


@lru_cache(maxsize=1024)
def _parse(expression: str) -> tuple[str, tuple[Alternative, ...]] | None:
    """Return the expression as SPDX spells it and its alternatives."""
    text = " ".join(expression.split())
    if not 0 < len(text) <= EXPRESSION_CHARS_MAX:
        return None
    try:
        tree = cast("_Tree | None", _licensing().parse(text, simple=True, strict=True))
    except (_library().ExpressionError, _library().ParseError, RecursionError):
        return None
    if tree is None:
        return None
    unknown = cast("list[str]", _licensing().unknown_license_keys(tree))
    if not all(_OWN.fullmatch(name) for name in unknown):
        return None
    return tree.render(), _alternatives(tree)


def _alternatives(tree: "_Tree") -> tuple[Alternative, ...]:
    operator = getattr(tree, "operator", "").strip()  # A licence has none.
    if operator not in ("AND", "OR"):
        return (frozenset({tree.render()}),)
    below = [_alternatives(arm) for arm in tree.args]
    if operator == "OR":
        return tuple(dict.fromkeys(one for arm in below for one in arm))[:ALTERNATIVES_MAX]
    found = below[0]
    for arm in below[1:]:
        found = tuple(dict.fromkeys(a | b for a in found for b in arm))[:ALTERNATIVES_MAX]
    return found


class _Symbol(Protocol):
    """A licence, as the library has it."""

    aliases: tuple[str, ...]


class _Tree(Protocol):
    """A licence, or an AND or OR of several, as the library has it."""

    args: tuple["_Tree", ...]

    def render(self) -> str: ...
