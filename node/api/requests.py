"""What the command line can ask about requests that wait for a person, and tell of them."""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol import events
from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId, RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design, Record, Request

from .. import clock
from ..answers.requests import RequestLine
from ..control.server import Progress
from ..node import Node

_ID_PREFIX_MIN = 4


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Decide(Struct, forbid_unknown_fields=True):
    request: str
    takes: bool
    reason: Annotated[str, Meta(max_length=200)] = ""


class RequestsApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def requests(self, _params: Nothing, _progress: Progress) -> list[RequestLine]:
        return [self._line(record) for record in self._node.owner.waiting(clock.now())]

    async def decide(self, params: Decide, _progress: Progress) -> RequestLine:
        record = self._find(params.request)
        decided = events.Decided(record.id, params.takes, params.reason)
        await self._node.driver.handle(decided)
        return self._line(record)

    def _find(self, prefix: str) -> Record:
        waiting = self._node.owner.waiting(clock.now())
        found = [each for each in waiting if each.id.hex().startswith(prefix.lower())]
        if len(prefix) < _ID_PREFIX_MIN or len(found) != 1:
            raise UsageError(f"no request {prefix!r} waits here; see: commonfab requests")
        return found[0]

    def _line(self, record: Record) -> RequestLine:
        request = record.body
        assert isinstance(request, Request)
        design = self._node.library.record(RecordId(request.design))
        return RequestLine(
            id=record.id.hex(),
            buyer=peer_text(record.author),
            buyer_name=self._node.library.name_of(NodeId(record.author)),
            part=request.part.name,
            design=design.body.name if design and isinstance(design.body, Design) else "",
            material=request.part.material,
            pieces=request.pieces,
            seconds=request.pieces * request.part.seconds,
            by=request.by,
            at=request.at,
            until=request.until,
        )
