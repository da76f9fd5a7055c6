"""What a workshop last said of its machines: for orders that can wait, it counts for longer."""

from msgspec import structs

from commonfab.protocol.limits import PATIENCE_MS_MAX
from commonfab.protocol.records import Capacity


def lasting(capacity: Capacity) -> Capacity:
    """Return what a capacity record is to an order with patience (BUNDLE-14)."""
    return structs.replace(capacity, until=capacity.until + PATIENCE_MS_MAX)
