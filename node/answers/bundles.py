"""What the command line is told of a folder of carried files."""

from .node import Answer, OpenedBundle


class PassedOver(Answer, frozen=True):
    """A file of a folder that was not opened."""

    file: str
    why: str


class ReceiptLine(Answer, frozen=True):
    """A receipt of another node's."""

    file: str
    receiver: str
    receiver_name: str
    at: int
    size_bytes: int
    sha256: str


class OpenedFolder(Answer, frozen=True):
    folder: str
    opened: list[OpenedBundle]
    passed_over: list[PassedOver]
    receipts: list[ReceiptLine]
