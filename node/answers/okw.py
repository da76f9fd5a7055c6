"""What a node answers of the workshops that it knows, in the words of Open Know-Where."""

from .node import Answer


class Facilities(Answer, frozen=True):
    """All known workshops."""

    facilities: list[dict[str, object]]
    """Each as exporting/okw.py writes it: the names are those of OKW, not of this program."""
