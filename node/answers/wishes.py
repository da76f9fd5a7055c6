"""What the command line is told of wishes."""

from .node import Answer


class WishedDesign(Answer, frozen=True):
    id: str
    name: str
    version: str
    author: str
    author_name: str
    size_bytes: int
    copies: int
    """How many others promise to keep it."""
    state: str
    """here, coming, no room"""
    why: str = ""
    """Why it has no room, or has not come yet."""


class WishLine(Answer, frozen=True):
    id: int
    at: int
    what: str
    """The wish in words."""
    budget_bytes: int | None
    here: int
    here_bytes: int
    coming: int
    coming_bytes: int
    no_room: int
    no_room_bytes: int
    designs: list[WishedDesign]
    """The first of them, the most wished first."""
