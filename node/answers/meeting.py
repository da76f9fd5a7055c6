"""What a running node answers about whom it meets; an interface, as in node.py."""

from .node import Answer


class Code(Answer, frozen=True):
    """What one person shows another; told as progress, while the node waits for it."""

    code: str
    """Six words."""
    text: str
    """The same as an invitation, for a QR picture."""
    until: int
    is_hidden: bool
    """Only programs on this computer can reach this node."""


class Paired(Answer, frozen=True):
    """Two nodes know each other."""

    node: str
    name: str
    """As the node calls itself, or as the invitation did; empty where neither is known."""
    how: str
    """code, invitation"""
    at: int


class Joined(Answer, frozen=True):
    """What became of an invitation, or of a code, that this node's operator accepted."""

    node: str
    name: str
    is_met: bool
    """Else its host cannot be reached now; the node goes on trying until `until`."""
    until: int


class InvitationLine(Answer, frozen=True):
    id: str
    name: str
    """For whom."""
    made: int
    until: int
    state: str
    """open, used, expired, revoked, ended (somebody guessed at it)"""
    used_by: str = ""
    """The node that did."""
    used_by_name: str = ""
    used_at: int = 0


class Invited(Answer, frozen=True):
    invitation: InvitationLine
    text: str
    is_hidden: bool
    is_private: bool
    """It brings the key of a private network."""
