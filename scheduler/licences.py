"""Whether a maker's list of licences allows what a design is under (SPDX expressions)."""

import re
from functools import lru_cache

NOT_SAID = frozenset({"", "NOASSERTION"})
"""Licences that are unknown."""

_TOKEN = re.compile(r"[()]|[^\s()]+")


@lru_cache(maxsize=4096)
def allows(listed: tuple[str, ...], expression: str) -> bool:
    """Tell whether a design under the expression is made by who makes those that are listed.

    One licence of an OR is enough, an AND takes all of them, and an exception (WITH) only
    adds to what its licence allows. Unknown is never "no": nothing listed, or a licence
    that is not said, is allowed. What is no expression is one name. Case does not matter.
    """
    if not listed or expression in NOT_SAID:
        return True
    names = {" ".join(name.split()).lower() for name in listed}
    reader = _Reader(_TOKEN.findall(expression.lower()), names)
    try:
        allowed = reader.either()
    except IndexError:
        allowed = None
    if allowed is None or reader.left():
        return " ".join(expression.split()).lower() in names
    return allowed


class _Reader:
    """Reads tokens once; raises `IndexError` where one is missing."""

    def __init__(self, tokens: list[str], names: set[str]) -> None:
        self._tokens = tokens[::-1]
        self._names = names

    def left(self) -> bool:
        return bool(self._tokens)

    def either(self) -> bool:
        allowed = self._all()
        while self._tokens[-1:] == ["or"]:
            self._tokens.pop()
            allowed |= self._all()
        return allowed

    def _all(self) -> bool:
        allowed = self._one()
        while self._tokens[-1:] == ["and"]:
            self._tokens.pop()
            allowed &= self._one()
        return allowed

    def _one(self) -> bool:
        name = self._tokens.pop()
        if name == "(":
            allowed = self.either()
            if self._tokens.pop() != ")":
                raise IndexError
            return allowed
        if self._tokens[-1:] != ["with"]:
            return name in self._names
        self._tokens.pop()
        excepted = f"{name} with {self._tokens.pop()}"
        return name in self._names or excepted in self._names
