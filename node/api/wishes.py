"""What the command line can ask about wishes: say one, take one back, see what came."""

from typing import Annotated

from msgspec import Meta, Struct

from commonfab.protocol.carrying.wishes import Area, Choice, Wish
from commonfab.protocol.encoding import plain_text
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design
from commonfab.scheduler.vocabulary import processes
from commonfab.storage.cid import CID

from ..answers.wishes import WishedDesign, WishLine
from ..control.server import Progress
from ..node import Node
from ..wishes.wishing import OwnWish
from .bundles import find_peer

SHOWN_MAX = 100
"""Designs that are told of one wish."""


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class Add(Struct, forbid_unknown_fields=True):
    author: str = ""
    """A workshop's name, or a peer id or its end."""
    tag: str = ""
    lat: Annotated[float, Meta(ge=-90, le=90)] = 0
    lon: Annotated[float, Meta(ge=-180, le=180)] = 0
    radius_m: Annotated[int, Meta(ge=0, le=20_100_000)] = 0
    """0: anywhere."""
    licence: str = ""
    process: str = ""
    words: str = ""
    budget_bytes: Annotated[int, Meta(ge=1)] | None = None


class Remove(Struct, forbid_unknown_fields=True):
    id: int


class WishesApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def add(self, params: Add, _progress: Progress) -> WishLine:
        area = None
        if params.radius_m:
            area = Area(
                lat_udeg=round(params.lat * 1e6),
                lon_udeg=round(params.lon * 1e6),
                radius_m=params.radius_m,
            )
        wish = Wish(
            author=find_peer(self._node, params.author) if params.author else None,
            tag=plain_text(params.tag)[:40] or None,
            area=area,
            licence=_name(params.licence),
            process=_name(processes.id_of(params.process)),
            words=_name(params.words),
            budget_bytes=params.budget_bytes,
        )
        added = await self._node.wishing.add(wish)
        return next(line for line in await self._lines() if line.id == added.id)

    async def remove(self, params: Remove, _progress: Progress) -> WishLine:
        lines = {line.id: line for line in await self._lines()}
        gone = await self._node.wishing.remove(params.id)
        return lines[gone.id]

    async def wishes(self, _params: Nothing, _progress: Progress) -> list[WishLine]:
        return await self._lines()

    async def _lines(self) -> list[WishLine]:
        choices = await self._node.wishing.choose()
        return [
            self._line(own, [each for each in choices if each.wish == place])
            for place, own in enumerate(self._node.wishing.wishes)
        ]

    def _line(self, own: OwnWish, choices: list[Choice]) -> WishLine:
        by_state: dict[str, list[int]] = {"here": [], "coming": [], "no room": []}
        for each in choices:
            by_state[_state(each)].append(each.wanted.size_bytes)
        here, coming, no_room = by_state.values()
        return WishLine(
            id=own.id,
            at=own.at,
            what=self._in_words(own.wish),
            budget_bytes=own.wish.budget_bytes,
            here=len(here),
            here_bytes=sum(here),
            coming=len(coming),
            coming_bytes=sum(coming),
            no_room=len(no_room),
            no_room_bytes=sum(no_room),
            designs=[self._design(each) for each in choices[:SHOWN_MAX]],
        )

    def _design(self, choice: Choice) -> WishedDesign:
        node, wanted = self._node, choice.wanted
        record = node.library.designs.get(wanted.id)
        body = record.body if record else None
        trouble = node.wishing.troubles().get(CID.from_bytes(wanted.root).as_v1(), "")
        return WishedDesign(
            id=wanted.id.hex(),
            name=body.name if isinstance(body, Design) else "",
            version=body.version if isinstance(body, Design) else "",
            author=peer_text(wanted.author),
            author_name=node.library.name_of(wanted.author),
            size_bytes=wanted.size_bytes,
            copies=wanted.copies,
            state=_state(choice),
            why=choice.why or trouble,
        )

    def _in_words(self, wish: Wish) -> str:
        said: list[str] = []
        if wish.author is not None:
            node = NodeId(wish.author)
            author = self._node.library.name_of(node) or peer_text(node)
            said.append(f"author:{author}")
        if wish.area is not None:
            lat, lon = wish.area.lat_udeg / 1e6, wish.area.lon_udeg / 1e6
            said.append(f"area:{lat:g},{lon:g},{wish.area.radius_m / 1000:g}km")
        for name in ("tag", "licence", "process", "words"):
            value: str | None = getattr(wish, name)
            if value is not None:
                said.append(f"{name}:{value}")
        return " ".join(said)


def _state(choice: Choice) -> str:
    if not choice.is_kept:
        return "no room"
    return "here" if choice.wanted.is_here else "coming"


def _name(text: str) -> str | None:
    return plain_text(text)[:120] or None
