"""What must be forgotten: a buyer's values, and the one-time keys that they are sealed to.

    measured/chosen/ORDER   values of an order of this node's own, until it is over
    measured/keys/JOB       the secret half of a key that an offer of this workshop named

Each is a file of its own, because a file can be removed: nothing of it stands in the records,
which are kept and copied. What no order and no job needs any more goes (`forget`), and the
sealed values that are left in records open to nobody (specs/measures.md).
"""

import os
from collections.abc import Collection, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from commonfab.protocol import measures
from commonfab.protocol.errors import CommonfabError, Malformed, UsageError
from commonfab.protocol.ids import NodeId, OrderId

from ..home.durable_file import write_new
from ..home.keys import NodeKey

KEYS_MAX = 10_000
"""One-time keys at a time, so that nobody fills the disk by asking."""


class Secrets:
    """One for each node."""

    def __init__(self, folder: Path) -> None:
        self._chosen, self._keys = folder / "chosen", folder / "keys"
        self._new: set[str] = set()
        """Kept for orders that the buyer's side has not heard of yet."""
        for place in (folder, self._chosen, self._keys):
            place.mkdir(mode=0o700, exist_ok=True)

    # The buyer's.

    def keep_chosen(self, order: OrderId, values: Mapping[str, str]) -> None:
        """Keep what was chosen for an order: on the disk when this returns."""
        self._new.add(order.hex())
        write_new(self._chosen / order.hex(), msgspec.json.encode(values), mode=0o600)

    def chosen(self, order: OrderId) -> dict[str, str]:
        """Return what was chosen for an order; nothing if it is forgotten, or never was."""
        try:
            return msgspec.json.decode(
                (self._chosen / order.hex()).read_bytes(), type=dict[str, str]
            )
        except (OSError, msgspec.DecodeError):
            return {}

    def seal(self, order: OrderId, key: bytes) -> bytes | None:
        """Return what was chosen for an order, sealed to the key of an offer."""
        values = self.chosen(order)
        try:
            return measures.seal(values, key, os.urandom(32)) if values else None
        except (Malformed, UsageError):  # The key is none: the owner will say what it lacks.
            return None

    # The owner's.

    def key_for(self, job: str) -> bytes | None:
        """Return the public half of a job's one-time key, made and on the disk when this returns;
        None where there are too many."""
        known = self._key(job)
        if known is not None:
            return known.node
        if sum(1 for _ in self._keys.iterdir()) >= KEYS_MAX:
            return None
        secret = os.urandom(32)
        write_new(self._keys / job, secret, mode=0o600)
        return NodeKey(secret).node

    def open(self, job: str, sealed: bytes) -> dict[str, str]:
        """Return what a buyer sealed for a job. Raises `UsageError` where it does not open."""
        key = self._key(job)
        if key is None:
            raise UsageError("the buyer's measures are forgotten here")
        try:
            return measures.unseal(sealed, key.agree)
        except CommonfabError as error:
            raise UsageError(f"the buyer's measures do not open: {error}") from error

    def forget(self, orders: Mapping[OrderId, bool], jobs: Collection[str]) -> int:
        """Remove what belongs to no open order and no job among these; return how much that was.

        `orders`: all of this node's, and whether each is open.
        """
        self._new -= {order.hex() for order in orders}
        wanted = {order.hex() for order, is_open in orders.items() if is_open}
        wanted |= self._new | set(jobs)
        gone = [path for place in (self._chosen, self._keys) for path in place.iterdir()]
        gone = [path for path in gone if path.name not in wanted]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _key(self, job: str) -> NodeKey | None:
        try:
            return NodeKey((self._keys / job).read_bytes())
        except (FileNotFoundError, ValueError):
            return None


def job_name(buyer: NodeId, order: bytes, job: int, epoch: int) -> str:
    """Return the name of one attempt at a job; a buyer may ask for it in several letters."""
    return blake2b(buyer + order + f"/{job}/{epoch}".encode(), digest_size=16).hexdigest()
