"""What `commonfab find` is told: who has a design's files, and how that is known."""

from commonfab.protocol.peer_id import peer_text
from commonfab.storage.cid import CID

from ..answers.node import Found, HolderLine
from ..node import Node


async def find(node: Node, root: CID) -> Found:
    """Ask everywhere who has what is under a root."""
    holders, looked = await node.finding.holders(root)
    linked = {link.peer for link in node.transport.links()}
    return Found(
        root=str(root),
        is_here=await node.shelf.look(root),
        denied=node.denying.why_not(root),
        holders=[
            HolderLine(
                node=peer_text(holder.peer),
                name=node.library.name_of(holder.peer),
                how=holder.how,
                where=holder.where,
                is_connected=holder.peer in linked,
                addresses=list(holder.addresses),
            )
            for holder in holders
        ],
        looked=looked,
    )
