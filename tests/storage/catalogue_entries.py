"""Designs as the catalogue takes them, for its tests."""

from typing import Any

from commonfab.protocol.envelope import Signer
from commonfab.protocol.records import Record
from commonfab.storage.catalogue.entry import Entry
from tests.builders import a_design, a_part
from tests.protocol.signers import ALICE


def an_entry(
    name: str = "Hand pump",
    by: Signer = ALICE,
    *,
    maker: str = "",
    made: int = 0,
    is_honest: bool = True,
    **changes: Any,
) -> Entry:
    """Return a design of one part, of which `part_…` may be changed too."""
    part = {k.removeprefix("part_"): v for k, v in changes.items() if k.startswith("part_")}
    rest = {k: v for k, v in changes.items() if not k.startswith("part_")}
    rest.setdefault("parts", (a_part(**part),))
    rest.setdefault("stream", f"design/{name.casefold().replace(' ', '-')[:60] or 'x'}")
    return entered(a_design(by, name=name, **rest), maker=maker, made=made, is_honest=is_honest)


def entered(record: Record, *, maker: str = "", made: int = 0, is_honest: bool = True) -> Entry:
    return Entry.of(record, maker=maker, made=made, is_honest=is_honest)
