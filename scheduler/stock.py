"""How much of a material a machine has, and at what price."""

from commonfab.protocol.records import Machine


def stock_of(machine: Machine) -> dict[str, tuple[int, int]]:
    """Return milligrams and minor units per kilogram of each material that it has.

    Two entries of one material count together, at the higher of their prices: nobody
    pays more than was said.
    """
    held: dict[str, tuple[int, int]] = {}
    for stock in machine.stock:
        mass, price = held.get(stock.material, (0, 0))
        held[stock.material] = mass + stock.mass_mg, max(price, stock.price_minor_per_kg)
    return held
