"""What a node will have nothing to do with: its own deny-list, and those it subscribes to.

Nobody is held to a list that was not chosen: by default nothing is denied. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..encoding import plain_text
from ..ids import NodeId, RecordId
from ..peer_id import peer_text
from ..records import Design, Record
from ..statements import Denial, Replica

What = Literal["author", "design", "root"]


@dataclass(frozen=True, slots=True)
class Denied:
    """Why something is denied, and by whom."""

    by: NodeId
    what: What
    reason: str


class Denials:
    """The lists that hold on one node, the first in order counting before the others."""

    def __init__(self, lists: Iterable[tuple[NodeId, Iterable[Denial]]] = ()) -> None:
        self._denied: dict[tuple[What, bytes], Denied] = {}
        for by, entries in lists:
            for entry in entries:
                found = Denied(by, entry.what, entry.reason)
                self._denied.setdefault((entry.what, entry.name), found)

    def __len__(self) -> int:
        return len(self._denied)

    def of_author(self, author: NodeId) -> Denied | None:
        return self._denied.get(("author", author))

    def of_root(self, root: bytes) -> Denied | None:
        """`root`: the CID, as version 1."""
        return self._denied.get(("root", root))

    def of_record(self, record: Record) -> Denied | None:
        """Return why a public record is denied: for its author, for itself, or for its root. What
        protects others (a proof, a revocation) never is."""
        if record.kind in ("proof", "revocation"):
            return None
        found = self.of_author(record.author) or self._denied.get(("design", record.id))
        if found is None and isinstance(record.body, Design | Replica):
            found = self.of_root(as_v1(record.body.root))
        return found

    def authors(self) -> dict[NodeId, Denied]:
        return {NodeId(name): why for (what, name), why in self._denied.items() if what == "author"}

    def designs(self) -> list[RecordId]:
        """Return the designs that are denied by themselves."""
        return [RecordId(name) for what, name in self._denied if what == "design"]

    def roots(self) -> list[bytes]:
        """Return the CIDs of the roots that are denied by themselves."""
        return [name for what, name in self._denied if what == "root"]


def say(denied: Denied, name: str) -> str:
    """Say why something is denied, and by whom, who is called `name`."""
    by = f"…{peer_text(denied.by)[-8:]}"
    who = f"{plain_text(name)} ({by})" if name else by
    return f"denied by {who}: {plain_text(denied.reason) or 'no reason given'}"


def as_v1(cid: bytes) -> bytes:
    """Return a binary CID as version 1: version 0 is a bare SHA-256 multihash of DAG-PB."""
    return b"\x01\x70" + cid if cid[:2] == b"\x12\x20" else cid
