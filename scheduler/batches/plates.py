"""How many pieces of a part stand on the bed of a machine side by side.

Each box is seen from above, and may be turned by a right angle. A few are tried in every way that
matters: there is always a way in which each touches, to the left and in front, the edge of the
bed or another box. More of them stand in rows, all turned alike, which may need more room than
the best way.
"""

from collections.abc import Iterator, Sequence

from ..factors import PLATE_GAP_UM

EXACT_MAX = 4
"""Boxes that are tried in every way: some milliseconds."""

Footprint = tuple[int, int]
"""Width and depth, micrometres."""
Taken = tuple[int, int, int, int]
"""Left, front, right, back."""


def most_on(box_um: Footprint, bed_um: Footprint) -> int:
    """Return how many such boxes surely stand on a bed, with a gap between them; 0: not one."""
    gap = int(PLATE_GAP_UM.value)
    # Half a gap all around each box, and the outermost halves may stand out.
    width, depth = box_um[0] + gap, box_um[1] + gap
    bed = bed_um[0] + gap, bed_um[1] + gap
    in_rows = max(
        (bed[0] // width) * (bed[1] // depth),
        (bed[0] // depth) * (bed[1] // width),
    )
    exact = (n for n in range(EXACT_MAX, in_rows, -1) if _stands([(width, depth)] * n, [], bed))
    return next(exact, in_rows)


def _stands(left: Sequence[Footprint], placed: list[Taken], bed: Footprint) -> bool:
    """Try all orders, turns and corners for those that are left."""
    if not left:
        return True
    for at, box in enumerate(left):
        rest = [*left[:at], *left[at + 1 :]]
        for width, depth in {box, box[::-1]}:
            for x, y in _corners(placed):
                spot = x, y, x + width, y + depth
                is_free = spot[2] <= bed[0] and spot[3] <= bed[1]
                is_free = is_free and not any(_overlap(spot, other) for other in placed)
                if is_free and _stands(rest, [*placed, spot], bed):
                    return True
    return False


def _corners(placed: Sequence[Taken]) -> Iterator[tuple[int, int]]:
    """Yield where a box may stand that touches an edge or another box on two sides."""
    for x in sorted({0, *(right for _, _, right, _ in placed)}):
        for y in sorted({0, *(back for _, _, _, back in placed)}):
            yield x, y


def _overlap(a: Taken, b: Taken) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
