"""Which parts share a plate: their boxes stand side by side on the bed of a machine.

Each box is seen from above, and may be turned by a right angle. A few boxes are tried in
every way that matters: there is always a way in which each touches, to the left and in
front, the edge of the bed or another box. More of them stand in shelves, the deepest
first (first fit decreasing height: Coffman, Garey, Johnson and Tarjan, 1980), which may
need more room than the best way.
"""

from collections.abc import Iterator, Sequence

from ..factors import PLATE_GAP_UM
from ..problem import Want

EXACT_MAX = 4
"""Boxes that are tried in every way: some milliseconds."""

Footprint = tuple[int, int]
"""Width and depth, micrometres."""
Taken = tuple[int, int, int, int]
"""Left, front, right, back."""


def shared(wants: Sequence[Want], bed_um: Footprint) -> list[list[int]]:
    """Return which wants share a plate, each want's pieces all on one, the others alone.

    They must be of one process and material, and go to one place by one date: a plate is
    done when its last piece is.
    """
    gap = int(PLATE_GAP_UM.value)
    # Half a gap all around each box, and the outermost halves may stand out.
    bed = bed_um[0] + gap, bed_um[1] + gap
    alike: dict[object, list[int]] = {}
    for at, want in enumerate(wants):
        kind = want.part.process, want.part.material, want.place, want.by
        alike.setdefault(kind, []).append(at)
    groups: list[list[int]] = []
    for members in alike.values():
        boxes = [_boxes(wants[at], gap) for at in members]
        groups += [[members[each] for each in plate] for plate in plates(boxes, bed)]
    return groups


def _boxes(want: Want, gap: int) -> list[Footprint]:
    width, depth, _ = want.part.bbox_um
    return [(width + gap, depth + gap)] * want.pieces


def fit_together(boxes: Sequence[Footprint], bed: Footprint) -> bool:
    """Tell whether all stand on the bed; of more than `EXACT_MAX`, a way that is not found
    counts as none."""
    if sum(width * depth for width, depth in boxes) > bed[0] * bed[1]:
        return False
    if len(boxes) <= EXACT_MAX:
        return _stands(sorted(boxes, key=max, reverse=True), [], bed)
    return _in_shelves(boxes, bed)


def plates(sets: Sequence[Sequence[Footprint]], bed: Footprint) -> list[list[int]]:
    """Return which sets of boxes share a plate, the largest first; what fits no plate is alone."""
    area = [sum(width * depth for width, depth in boxes) for boxes in sets]
    found: list[list[int]] = []
    for at in sorted(range(len(sets)), key=lambda at: (-area[at], at)):
        for plate in found:
            if fit_together([box for each in [*plate, at] for box in sets[each]], bed):
                plate.append(at)
                break
        else:
            found.append([at])
    return found


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


def _in_shelves(boxes: Sequence[Footprint], bed: Footprint) -> bool:
    """Try shelves along the bed, each box lying along its shelf, or all standing across."""
    lying = sorted(((max(box), min(box)) for box in boxes), key=lambda box: -box[1])
    across = sorted(((min(box), max(box)) for box in boxes), key=lambda box: -box[1])
    return any(_shelved(way, bed) for way in (lying, across))


def _shelved(boxes: Sequence[Footprint], bed: Footprint) -> bool:
    """Put each, deepest first, on the first shelf that is wide enough, else on a new one."""
    used: list[int] = []
    back = 0
    for width, depth in boxes:
        shelf = next((at for at, right in enumerate(used) if right + width <= bed[0]), None)
        if shelf is not None:
            used[shelf] += width
        elif width <= bed[0] and back + depth <= bed[1]:
            used.append(width)
            back += depth
        else:
            return False
    return True
