"""What was found in a manifest, and what was made of it: for people, and for programs."""

from dataclasses import dataclass
from typing import Literal

Tree = dict[str, object]
"""Keys to texts, numbers, truth values, dates, lists and trees; numbers with a point are Decimal,
so that 1.10 stays what was written."""

Level = Literal["repaired", "inferred", "doubt", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a reader did to a manifest, or could not do."""

    level: Level
    """`repaired`: understood, and written anew. `inferred`: not said, and taken from elsewhere.
    `doubt`: kept, and somebody should look. `wrong`: nothing can be made with it."""
    key: str
    """In the manifest, with the part that it is of: `part.clip.material`; empty: of the whole."""
    found: str
    """What was there, or what is wrong."""
    made: str = ""
    """What it is read as."""
    remedy: str = ""
    """What a person may do about it."""
    file: str = ""
    """That it is in; empty: the design's own manifest."""

    def __str__(self) -> str:
        match self.level:
            case "repaired":
                said = f"{self.found!r} is read as {self.made!r}"
            case "inferred":
                said = f"{self.made} is assumed, from {self.found}"
            case "doubt" | "wrong":
                said = self.found
        where = ": ".join(filter(None, (self.file, self.key, said)))
        return f"{where}; {self.remedy}" if self.remedy else where


class KeyRefused(Exception):
    """One key of a manifest cannot be used. The reader adds the file and the line."""

    def __init__(self, key: str, what: str, way_out: str) -> None:
        super().__init__(f"{what}; {way_out}")
        self.key = key
        self.what = what
        self.way_out = way_out
