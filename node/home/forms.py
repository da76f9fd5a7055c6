"""The forms of single settings that several sections have."""

from typing import Annotated

from msgspec import Meta

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=_ONE_LINE)]
Text = Annotated[str, Meta(max_length=2000, pattern=_ONE_LINE)]
Word = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
MachineId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
