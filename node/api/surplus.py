"""What the command line can ask about pieces that were made here and that nobody took."""

from msgspec import Struct

from ..answers.surplus import SurplusLine
from ..control.server import Progress
from ..node import Node
from ..surplus import surplus


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class SurplusApi:
    """Answers for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def surplus(self, _params: Nothing, _progress: Progress) -> list[SurplusLine]:
        return surplus(self._node.library, self._node.me)
