"""What a licence asks of those who make, change, sell or pass on a design: as data.

The table is ours, from reading the licences; it is a help to people and no legal advice.
A licence that it does not name is unknown, and unknown is never "no".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from . import spdx

Sharing = Literal["none", "files", "whole"]
"""What is made from it must be shared alike: nothing, its own files, or all of the new work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """Of one licence, or of several together."""

    is_known: bool = True
    attribution: bool = True
    """Name who made it, and its licence."""
    sharing: Sharing = "none"
    hardware: bool = False
    """Whoever hands over a thing made from it hands over, or says where to find, the design."""
    non_commercial: bool = False
    no_derivatives: bool = False


_FREE = Duties(attribution=False)
_CREDIT = Duties()
_FAMILIES: tuple[tuple[str, Duties], ...] = (
    (r"CC0-.*|Unlicense|0BSD|MIT-0|PDDL-.*|WTFPL|CC-PDDC|BSD-0.*", _FREE),
    (r"CC-BY-NC-ND-.*", Duties(non_commercial=True, no_derivatives=True)),
    (r"CC-BY-NC-SA-.*", Duties(non_commercial=True, sharing="whole")),
    (r"CC-BY-NC-.*", Duties(non_commercial=True)),
    (r"CC-BY-ND-.*", Duties(no_derivatives=True)),
    (r"CC-BY-SA-.*|FreeART|GFDL-.*|ODbL-.*", Duties(sharing="whole")),
    (r"CERN-OHL-S-.*|CERN-OHL-1\..*|TAPR-OHL-.*", Duties(sharing="whole", hardware=True)),
    (r"CERN-OHL-W-.*", Duties(sharing="files", hardware=True)),
    (r"(A?GPL|EUPL|OSL)-.*", Duties(sharing="whole")),
    (r"(LGPL|MPL|EPL|CDDL|MS-RL)(-.*)?", Duties(sharing="files")),
    (r"CC-BY-\d.*|CERN-OHL-P-.*|SHL-.*|MIT|MIT-.*|ISC|BSD-.*|Apache-.*|Zlib|OFL-.*", _CREDIT),
)

_SUCCESSORS: tuple[tuple[str, str], ...] = (
    ("CC-BY-SA-4.0", r"GPL-3\.0-.*|FreeART"),
    ("CERN-OHL-1.1", r"CERN-OHL-1\.2|CERN-OHL-S-2\.0"),
    ("CERN-OHL-1.2", r"CERN-OHL-S-2\.0"),
    ("GPL-2.0-or-later", r"A?GPL-3\.0-.*"),
    ("GPL-3.0-only", r"AGPL-3\.0-.*"),
    ("GPL-3.0-or-later", r"AGPL-3\.0-.*"),
)
"""Of licences that share the whole work alike: under which other ones their text lets it go on."""
_VERSION = re.compile(r"-(\d+(?:\.\d+)*)")


def duties_of(licence: str) -> Duties:
    """Return what one licence asks; an exception to it (`WITH`) only takes something away."""
    name = licence.split(" WITH ")[0]
    for pattern, duties in _FAMILIES:
        if re.fullmatch(pattern, name):
            return duties
    return Duties(is_known=False)


def choices(expression: str) -> list[tuple[str, Duties]]:
    """Return the ways to take an expression, each with all that it asks; empty: nothing said."""
    if expression in ("", "NOASSERTION", "NONE"):
        return []
    return [
        (" AND ".join(sorted(licences)), _together([duties_of(one) for one in sorted(licences)]))
        for licences in spdx.alternatives(expression)
    ]


def _together(all_of: list[Duties]) -> Duties:
    order: list[Sharing] = ["none", "files", "whole"]
    return Duties(
        is_known=all(duties.is_known for duties in all_of),
        attribution=any(duties.attribution for duties in all_of),
        sharing=max((duties.sharing for duties in all_of), key=order.index),
        hardware=any(duties.hardware for duties in all_of),
        non_commercial=any(duties.non_commercial for duties in all_of),
        no_derivatives=any(duties.no_derivatives for duties in all_of),
    )


def why_not_paid(expression: str) -> str:
    """Return why nobody may be paid for making it, or nothing if that may be."""
    found = choices(expression)
    if found and all(duties.is_known and duties.non_commercial for _, duties in found):
        return f"{expression} is for non-commercial use only"
    return ""


def why_not_changed(expression: str) -> str:
    """Return why nothing that is made from it may be passed on, or nothing if it may be."""
    found = choices(expression)
    if found and all(duties.is_known and duties.no_derivatives for _, duties in found):
        return f"{expression} lets nobody pass on what is made from it"
    return ""


def conflicts(expression: str, ancestor: str) -> list[str]:
    """Return in which ways a design gives less, or asks less, than what it was made from lets it.

    Nothing is found where the two agree, or where too little is known of either.
    """
    why = why_not_changed(ancestor)
    if why:
        return [why]
    ours, theirs = choices(expression), choices(ancestor)
    if not ours or not theirs:
        return []
    # Whoever made it chose one way to take the ancestor: the one that it keeps best.
    found = [_kept_less(expression, ours, licence, asks) for licence, asks in theirs]
    return min(found, key=len)


def _kept_less(
    expression: str, ours: list[tuple[str, Duties]], licence: str, asks: Duties
) -> list[str]:
    known = [duties for _, duties in ours if duties.is_known]
    if len(known) < len(ours) or not asks.is_known:
        return []
    found: list[str] = []
    if asks.non_commercial and not all(duties.non_commercial for duties in known):
        found.append(f"{licence} is for non-commercial use only, and {expression} is not")
    if asks.sharing == "whole" and not all(_goes_on(licence, name) for name, _ in ours):
        found.append(f"what is made from {licence} stays under it, and {expression} is another")
    elif asks.attribution and not all(duties.attribution for duties in known):
        found.append(f"{licence} asks to name its author, and {expression} does not")
    return found


def _goes_on(ancestor: str, licence: str) -> bool:
    """Tell whether what is under `ancestor`, shared alike, may go on under `licence`."""
    return all(
        any(_is_same_or_newer(old, new) or _is_successor(old, new) for new in _parts(licence))
        for old in _parts(ancestor)
        if duties_of(old).sharing == "whole"
    )


def _parts(licences: str) -> Iterator[str]:
    for licence in licences.split(" AND "):
        yield licence.split(" WITH ")[0]


def _is_successor(old: str, new: str) -> bool:
    return any(old == name and re.fullmatch(pattern, new) for name, pattern in _SUCCESSORS)


def _is_same_or_newer(old: str, new: str) -> bool:
    """Tell whether one is the other, or a later version of it where that one lets it be."""
    was, now = _VERSION.search(old), _VERSION.search(new)
    if old == new or was is None or now is None:
        return old == new
    if old[: was.start()] != new[: now.start()]:
        return False
    of_time = [[int(number) for number in found[1].split(".")] for found in (was, now)]
    if old.startswith("CC-"):  # All of these from 2.0 on say so themselves.
        return of_time[0] >= [2, 0] and of_time[1] >= of_time[0]
    return old.endswith("-or-later") and of_time[1] >= of_time[0]
