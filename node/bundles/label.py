"""What the outside of a carried file tells: for whom it is; and the receipt beside it.

A receipt is a text file called as the bundle with `.receipt` behind it. People can read it, and
its last line is a note that the receiving node signed.
"""

import binascii
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from commonfab.protocol.carrying import notes, sealing
from commonfab.protocol.carrying.notes import Delivery, Summary
from commonfab.protocol.carrying.sealing import SEALED_HEAD_BYTES, SEALED_MAGIC
from commonfab.protocol.envelope import Signer
from commonfab.protocol.errors import Malformed, PeerError, ResourceError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.peer_id import peer_text
from commonfab.storage.car.car import Block, Reader
from commonfab.storage.disk import reporting

RECEIPT_SUFFIX = ".receipt"
_RECEIPT_BYTES_MAX = 16 * 1024
_SIGNED = "signed "
_SECTIONS_LOOKED_AT = 8
"""In a bundle as nodes write it, the summary is the first of the records, after the folders."""


@dataclass(frozen=True, slots=True)
class Label:
    """For whom a file is, as far as its beginning says."""

    to: NodeId | None
    """None: it does not say; whoever has it may open it."""
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, its signature checked."""

    receiver: NodeId
    delivery: Delivery


def read_label(file: BinaryIO) -> Label:
    """Read the beginning of a file, whatever it is. Raises `OSError` as the disk does."""
    head = file.read(SEALED_HEAD_BYTES)
    if head.startswith(SEALED_MAGIC):
        return Label(sealing.addressee(head), is_sealed=True)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        items = Reader(file, size).items()
    except PeerError:
        return Label(None, is_sealed=False)
    for _, item in zip(range(_SECTIONS_LOOKED_AT), items, strict=False):
        if isinstance(item, Block) and notes.is_note(item.data):
            return Label(_told(item.data), is_sealed=False)
    return Label(None, is_sealed=False)


def _told(data: bytes) -> NodeId | None:
    try:
        note = notes.read(data).note
    except PeerError:
        return None
    return NodeId(note.to) if isinstance(note, Summary) else None


def write_receipt(path: Path, delivery: Delivery, signer: Signer) -> Path:
    """Write the receipt for a file beside it, in the place of an older one; return its path.

    Raises `ResourceError` if the disk refuses, such as a stick that cannot be written.
    """
    receipt = path.with_name(path.name + RECEIPT_SUFFIX)
    when = datetime.fromtimestamp(delivery.at // 1000, UTC)
    signed = b64encode(notes.sign(delivery, signer)).decode()
    lines = (
        f"{path.name} has arrived.",
        f"where  {peer_text(signer.node)}",
        f"when   {when:%Y-%m-%d %H:%M:%S} UTC",
        f"bytes  {delivery.size_bytes}",
        f"sha256 {delivery.file_sha256.hex()}",
        f"{_SIGNED}{signed}",
    )
    aside = receipt.with_name(f"{receipt.name}.{secrets.token_hex(4)}")
    with reporting(str(receipt), "make room on the disk or stick that it is on"):
        try:
            with aside.open("xb") as file:
                file.write("\n".join((*lines, "")).encode())
                file.flush()
                os.fsync(file.fileno())
            aside.replace(receipt)
        finally:
            aside.unlink(missing_ok=True)
    return receipt


def read_receipt(path: Path) -> Receipt:
    """Return what a receipt says. Raises `Malformed` or `BadSignature`, or `ResourceError`."""
    try:
        with path.open("rb") as file:
            text = file.read(_RECEIPT_BYTES_MAX).decode(errors="replace")
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    for line in text.splitlines():
        if line.startswith(_SIGNED):
            try:
                data = b64decode(line.removeprefix(_SIGNED), validate=True)
            except (binascii.Error, ValueError) as error:
                raise Malformed(f"{path}: not a receipt") from error
            signed = notes.read(data)
            if isinstance(signed.note, Delivery):
                return Receipt(signed.author, signed.note)
    raise Malformed(f"{path}: not a receipt")
