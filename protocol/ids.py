"""Distinct types for distinct things, so that a checker notices a mix-up."""

from typing import NewType

NodeId = NewType("NodeId", bytes)
"""The 32 bytes of a node's Ed25519 public key."""

RecordId = NewType("RecordId", bytes)
"""SHA-256 of the text that a record's author signed; 32 bytes."""

OrderId = NewType("OrderId", bytes)
"""16 random bytes, chosen by the buyer."""

Timestamp = NewType("Timestamp", int)
"""Milliseconds since 1970-01-01 UTC."""

NODE_ID_BYTES = 32
RECORD_ID_BYTES = 32
ORDER_ID_BYTES = 16


def short(identifier: bytes) -> str:
    """Return the first eight hexadecimal digits: for people, never for comparing."""
    return identifier.hex()[:8]
