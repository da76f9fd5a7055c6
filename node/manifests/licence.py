"""Brings the licence that a manifest names into the form that SPDX gives it.

Importers of manifests have wrapped whatever they found in `LicenseRef-`, with spaces and
spelling of their own. What can only mean one licence gets its SPDX identifier; what is not
known stays as a `LicenseRef-`, and a remark says whom to ask.
"""

import re
from collections import defaultdict
from functools import cache, lru_cache

from ..licences import duties, spdx

NOT_SAID = "NOASSERTION"
GIVEN_CHARS_MAX = 300

_PREFIX = "LicenseRef-"
_WORDS = (
    ("creativecommons", "cc"),
    ("attribution", "by"),
    ("noncommercial", "nc"),
    ("noderivatives", "nd"),
    ("sharealike", "sa"),
    ("stronglyreciprocal", "s"),
    ("weaklyreciprocal", "w"),
    ("permissive", "p"),
    ("international", ""),
    ("generalpublic", "gpl"),
    ("gnu", ""),
    ("license", ""),
    ("licence", ""),
)
_ONLY_VERSION = {"cernohlp": "CERN-OHL-P-2.0", "cernohlw": "CERN-OHL-W-2.0", "cc0": "CC0-1.0"}
"""Licences of which there is one version, so that none need be named. (CERN-OHL-S had others.)"""


def is_spdx(expression: str) -> bool:
    """Tell whether this is an expression of licences that SPDX knows, or of `LicenseRef-…`."""
    return spdx.is_spdx(expression)


@lru_cache(maxsize=1024)
def repair(given: str) -> tuple[str, str | None]:
    """Return the licence's SPDX text and, if something should be known about it, a remark.

    The text is a valid expression, or NOASSERTION where nothing was said.
    """
    given = " ".join(given.split())
    if given in ("", NOT_SAID, "NONE"):
        return NOT_SAID, "names no licence: nobody may make or change it before its licensor does"
    found = _find(given)
    if found is None:
        own = spdx.own_name(given)
        kept = "" if own == given else f" and kept as {own}"
        shown = repr(given if len(given) <= GIVEN_CHARS_MAX else given[:GIVEN_CHARS_MAX] + "…")
        return own, f"licence {shown} is not known here{kept}: ask the licensor which one is meant"
    for why in (duties.why_not_paid(found), duties.why_not_changed(found)):
        if why:
            return found, f"{why}: this is not open hardware"
    return found, None if found == given else f"licence {given!r} is read as {found}"


def _find(given: str) -> str | None:
    """Return the expression that is meant, if it can only be one."""
    normal = None if _is_wrapped(given) else spdx.normal(given)
    if normal is not None:
        return normal
    key = _key(given.removeprefix(_PREFIX)[:GIVEN_CHARS_MAX])
    # People write GPLv3 and CC BY 4 where the list has 3.0 and 4.0.
    return _by_key().get(key) or _by_key().get(key + "0") or _ONLY_VERSION.get(key)


def _is_wrapped(given: str) -> bool:
    """Tell whether it is one LicenseRef-, of which the licence may be known after all."""
    return given.startswith(_PREFIX) and " " not in given


@cache
def _by_key() -> dict[str, str]:
    """Return the licences of the SPDX list, by what only one of them is written as."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in spdx.identifiers():
        found[_key(name)].add(name)
    for name, stands_for in spdx.older_names().items():
        if not name.endswith("+"):
            found[_key(name)].add(stands_for)
    return {key: min(names) for key, names in found.items() if len(names) == 1}


def _key(text: str) -> str:
    """Return what is left of a name without case, punctuation, filling words and `v`."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    for word, short in _WORDS:
        letters = letters.replace(word, short)
    return re.sub(r"v(?:ersion)?(?=\d)", "", letters)
