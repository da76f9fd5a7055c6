"""Where a mesh is not one closed skin: open edges, faces that disagree, pieces that hang free."""

from dataclasses import dataclass

import numpy as np

from ..geometry import BED_MM, Faces, Floats, Vertices, label_bodies
from .walls import Place, in_um

_TOUCH_MM = 0.01
"""Boxes that come so near to each other are taken to hold each other."""


@dataclass(frozen=True, slots=True)
class Seams:
    """The counts, and one place of each, if there is any."""

    open_edges: int = 0
    """Edges with a face on one side only."""
    open_at: Place | None = None
    turned_edges: int = 0
    """Edges whose two faces do not agree on what is outside."""
    turned_at: Place | None = None


def find_seams(vertices: Vertices, faces: Faces) -> Seams:
    """Return where a mesh that is not watertight is not."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    keys = np.minimum(start, end) * len(vertices) + np.maximum(start, end)
    keys, place, uses = np.unique(keys, return_inverse=True, return_counts=True)
    balance = np.bincount(place, weights=np.where(start < end, 1.0, -1.0), minlength=len(keys))
    is_open = (balance != 0) & (uses % 2 == 1)
    is_turned = (balance != 0) & (uses % 2 == 0)
    return Seams(
        int(is_open.sum()),
        _middle(vertices, keys[is_open]),
        int(is_turned.sum()),
        _middle(vertices, keys[is_turned]),
    )


def _middle(vertices: Vertices, keys: Faces) -> Place | None:
    if not keys.size:
        return None
    ends = np.divmod(keys, len(vertices))
    lengths = np.linalg.norm(vertices[ends[0]] - vertices[ends[1]], axis=1)
    longest = int(lengths.argmax())
    return in_um((vertices[ends[0][longest]] + vertices[ends[1][longest]]) / 2.0)


def find_floating(vertices: Vertices, faces: Faces) -> tuple[int, Place | None]:
    """Return how many pieces hang in the air, and the lowest point of one of them.

    A piece hangs if it ends above the bed and no other piece's box comes near its own.
    """
    count, labels = label_bodies(len(vertices), faces)
    if count < 2:
        return 0, None
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, labels, vertices)
    np.maximum.at(high, labels, vertices)
    used = np.unique(labels[faces[:, 0]])
    low, high = low[used], high[used]
    (above,) = np.nonzero(low[:, 2] > low[:, 2].min() + BED_MM)
    hanging = [body for body in above.tolist() if not _is_held(body, low, high)]
    if not hanging:
        return 0, None
    first = hanging[0]
    middle = (low[first] + high[first]) / 2.0
    return len(hanging), in_um(np.array([middle[0], middle[1], low[first, 2]]))


def _is_held(body: int, low: Floats, high: Floats) -> bool:
    near = (low <= high[body] + _TOUCH_MM) & (high >= low[body] - _TOUCH_MM)
    return int(near.all(axis=1).sum()) > 1
