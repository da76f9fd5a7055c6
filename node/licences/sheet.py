"""The attribution sheet of a design: itself and all that it was made from, and what they ask."""

from collections.abc import Callable
from typing import Literal

from commonfab.protocol.ids import RecordId
from commonfab.protocol.records import Design, Origin, Record

from ..answers.licences import Attribution, Work
from . import duties
from .duties import Duties

WORKS_MAX = 100
"""In one sheet: nobody names more, and a hostile author could make very many."""

Find = Callable[[RecordId], Record | None]


def attribution(record: Record, find: Find) -> Attribution:
    """Return a design's sheet, each work once, the nearest first. `find`: a design by its id."""
    works = [_work(record.id, record, "", 0)]
    conflicts: list[str] = []
    seen = {record.id}
    level = [record]
    depth = 0
    while level and len(works) < WORKS_MAX:
        depth += 1
        above: list[Record] = []
        for child in level:
            conflicts += conflicts_of(_design(child), find)
            for origin in _design(child).derived_from:
                identifier = RecordId(origin.design)
                if identifier in seen or len(works) >= WORKS_MAX:
                    continue
                seen.add(identifier)
                found = find(identifier)
                works.append(_work(identifier, found, origin.relation, depth))
                if found is not None:
                    above.append(found)
        level = above
    return Attribution(works=works, conflicts=conflicts)


def conflicts_of(design: Design, find: Find) -> list[str]:
    """Return where a design gives more than those that it was made from let it."""
    return [
        f"{design.name} was made from {_design(ancestor).name}: {why}"
        for ancestor in _ancestors(design.derived_from, find)
        for why in duties.conflicts(design.licence, _design(ancestor).licence)
    ]


def _ancestors(origins: tuple[Origin, ...], find: Find) -> list[Record]:
    found = [find(RecordId(origin.design)) for origin in origins]
    return [record for record in found if record is not None]


def _work(
    identifier: RecordId,
    record: Record | None,
    relation: Literal["", "fork", "remix"],
    below: int,
) -> Work:
    if record is None:
        return Work(id=identifier.hex(), relation=relation, below=below)
    design = _design(record)
    return Work(
        id=identifier.hex(),
        relation=relation,
        below=below,
        name=design.name,
        version=design.version,
        licence=design.licence,
        licensor=design.licensor,
        duties=sentences(design.licence, design.licensor),
    )


def sentences(licence: str, licensor: str) -> list[str]:
    """Return what a licence asks, in words, for each way to take it."""
    found = duties.choices(licence)
    if not found:
        return ["It names no licence: ask its licensor before you make, change or sell it."]
    said: list[str] = []
    for name, asks in found:
        prefix = f"Under {name}: " if len(found) > 1 else ""
        said += [prefix + sentence for sentence in _sentences(asks, name, licensor)]
    return said


def _sentences(asks: Duties, licence: str, licensor: str) -> list[str]:
    said: list[str] = []
    if not asks.is_known:
        said.append(f"{licence} is not known here: read it, or ask {licensor}.")
    if asks.attribution:
        said.append(f"Name {licensor}, {licence}, and what you changed.")
    if asks.sharing == "whole":
        said.append(f"What you make from it and pass on stays under {licence}.")
    if asks.sharing == "files":
        said.append("Changes to its own files stay under the same licence.")
    if asks.hardware:
        said.append("With a thing made from it, hand over its files or where to find them.")
    if asks.non_commercial:
        said.append("Nobody may earn money with it: agree on cost alone, or ask for leave.")
    if asks.no_derivatives:
        said.append("Make it as it is: nothing that is made from it may be passed on.")
    return said or ["Do as you like with it."]


def _design(record: Record) -> Design:
    assert isinstance(record.body, Design)
    return record.body
