"""What a node answers when it is asked which known parts are like a part."""

from msgspec import Struct


class AlikeLine(Struct, frozen=True, kw_only=True):
    """A part of a design, and how much its form is like the wanted one."""

    to: str
    """The wanted part's name, or the file's."""
    likeness: int
    """100: the same form, however turned, scaled or meshed; 0: nothing like it."""
    design: str
    name: str
    version: str
    part: str
    author: str
    author_name: str
    licence: str


class AlikeParts(Struct, frozen=True, kw_only=True):
    lines: list[AlikeLine]
    """The most alike first."""
    compared: int
    """Parts whose form is known here."""
