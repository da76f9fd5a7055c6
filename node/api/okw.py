"""The workshops that this node knows, for others who read Open Know-Where."""

from msgspec import Struct

from .. import clock
from ..answers.okw import Facilities
from ..control.server import Progress
from ..exporting import okw
from ..manifests.findings import Tree
from ..node import Node


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class OkwApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def facilities(self, _params: Nothing, _progress: Progress) -> Facilities:
        """Return all known workshops, with their machines as far as what they said still holds."""
        library = self._node.library
        now = clock.now()
        found: list[Tree] = []
        for author, workshop in library.workshops.items():
            said = library.newest(author, "capacity")
            holds = said is not None and now < said.body.until
            found.append(okw.facility(author, workshop, said if holds else None))
        return Facilities(facilities=found)
