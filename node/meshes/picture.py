"""A picture of a mesh, drawn with arrays: no display, no graphics card, no drawing library.

The mesh stands on a light ground, seen from the front right and above, without
perspective. The same mesh gives the same picture.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from commonfab.scheduler.geometry import Faces, Vertices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]
"""(height, width, 3) red, green, blue."""

AZIMUTH_DEGREES = 28.0
ELEVATION_DEGREES = 34.0
SAMPLES = 3
"""Along each side of a pixel; their mean smooths the edges."""
_MARGIN = 0.07
"""Of the width and height, left free on each side."""
_LOT = 1 << 19
"""Samples that are drawn at a time; bounds the memory."""

_BODY = np.array([0.17, 0.62, 0.66])
_GROUND_TOP = np.array([0.975, 0.98, 0.985])
_GROUND_BOTTOM = np.array([0.89, 0.905, 0.92])
_KEY = np.array([-0.55, 0.62, 0.56])
_FILL = np.array([0.80, 0.05, 0.60])
"""Directions to the lights, as the viewer sees them: right, up, towards. Unit length."""
_SUN = np.array([-0.45, -0.35, 1.0])
"""Direction to the light that throws the shadow, in the mesh's own axes."""
_SHADOW = 0.80
_CREASE_COSINE = 0.85
_CREASE_SHADE = 0.62


def render(vertices: Vertices, faces: Faces, size: tuple[int, int]) -> bytes:
    """Return a PNG of `size` (width, height) pixels. There must be at least one face."""
    return _png(draw(vertices, faces, size))


def to_text(vertices: Vertices, faces: Faces, columns: int, *, colour: bool) -> str:
    """Return the picture in lines of half blocks, two pixels a character, for a terminal.

    With `colour`, each character sets its two colours (24 bit) and each line resets them.
    Without, the ground stays blank, the body is dithered, and empty lines are left out.
    """
    rows = max(1, columns * 3 // 8)
    return write(draw(vertices, faces, (columns, 2 * rows)), colour=colour)


def png_to_text(png: bytes, columns: int, *, colour: bool) -> str:
    """Return a picture that `render` made, as `to_text` would, in at most this many columns."""
    pixels = _read_png(png)
    height, width, _ = pixels.shape
    step = -(-width // columns)
    rows, kept = height // step // 2 * 2, width // step
    lots = pixels[: rows * step, : kept * step].reshape(rows, step, kept, step, 3)
    return write(np.asarray(lots.mean(axis=(1, 3)).round(), dtype=np.uint8), colour=colour)


def write(pixels: Pixels, *, colour: bool) -> str:
    """Return pixels, of which there is an even number of lines, in lines of half blocks."""
    if colour:
        return "\n".join(
            _colour_line(*pair) for pair in zip(pixels[::2], pixels[1::2], strict=True)
        )
    ink = _dither(pixels)
    codes: Ints = ink[::2] + 2 * ink[1::2]
    lines = ["".join(" ▀▄█"[code] for code in row).rstrip() for row in codes]
    return "\n".join(lines).strip("\n")


def draw(vertices: Vertices, faces: Faces, size: tuple[int, int]) -> Pixels:
    """Return the picture's pixels."""
    corners = vertices[faces]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    centred = vertices - (low + high) / 2.0
    seen = centred @ _VIEW.T
    cast = _cast_shadow(centred, (low[2] - high[2]) / 2.0) @ _VIEW.T
    frame = _Frame.around(np.concatenate([seen[faces], cast[faces]]).reshape(-1, 3), size)
    body, depth = _rasterise(frame.place(seen), faces, frame)
    shadow, _ = _rasterise(frame.place(cast), faces, frame)
    image = _ground(_blur(np.where(shadow >= 0, 1.0, 0.0), 2 * SAMPLES))
    _paint(image, body, depth, _normals(seen[faces]))
    small = image.reshape(size[1], SAMPLES, size[0], SAMPLES, 3).mean(axis=(1, 3))
    return np.asarray(np.round(np.clip(small, 0.0, 1.0) * 255.0), dtype=np.uint8)


def _view(azimuth: float, elevation: float) -> Floats:
    """Return the matrix whose rows are the viewer's right, up and towards."""
    sin_a, cos_a = np.sin(azimuth), np.cos(azimuth)
    sin_e, cos_e = np.sin(elevation), np.cos(elevation)
    return np.array(
        [
            [cos_a, sin_a, 0.0],
            [-sin_a * sin_e, cos_a * sin_e, cos_e],
            [sin_a * cos_e, -cos_a * cos_e, sin_e],
        ]
    )


_VIEW = _view(np.radians(AZIMUTH_DEGREES), np.radians(ELEVATION_DEGREES))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the scene lies in the image; lengths in samples."""

    width: int
    height: int
    scale: float
    middle: Floats

    @staticmethod
    def around(points: Floats, size: tuple[int, int]) -> "_Frame":
        low, high = points.min(axis=0), points.max(axis=0)
        wide, tall = np.maximum(high - low, 1e-9)[:2]
        width, height = size[0] * SAMPLES, size[1] * SAMPLES
        scale = (1.0 - 2.0 * _MARGIN) * min(width / float(wide), height / float(tall))
        return _Frame(width, height, scale, (low + high) / 2.0)

    def place(self, points: Floats) -> Floats:
        """Return x to the right, y downwards and the height towards the viewer."""
        x, y, towards = ((points - self.middle) * self.scale).T
        return np.stack([self.width / 2.0 + x, self.height / 2.0 - y, towards], axis=1)


def _cast_shadow(points: Floats, ground: float) -> Floats:
    drop = (points[:, 2] - ground) / _SUN[2]
    return np.asarray(points - drop[:, None] * _SUN)


def _normals(corners: Floats) -> Floats:
    """Return unit normals (m, 3), turned towards the viewer; zero for a face without area."""
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    unit = cross / np.maximum(length, 1e-300)
    return np.asarray(unit * np.where(unit[:, 2:] < 0.0, -1.0, 1.0))


def _rasterise(points: Floats, faces: Faces, frame: _Frame) -> tuple[Ints, Floats]:
    """Return, for each sample (height, width), the nearest face or -1, and its height."""
    nearest = np.full(frame.width * frame.height, -np.inf)
    owner = np.full(frame.width * frame.height, -1, dtype=np.int64)
    corners = points[faces]
    slope_x, slope_y = _slopes(corners)
    low, high = corners[:, :, 2].min(axis=1), corners[:, :, 2].max(axis=1)
    for face, x, y in _samples(corners, frame):
        base = corners[face, 0]
        rise = slope_x[face] * (x + 0.5 - base[:, 0]) + slope_y[face] * (y + 0.5 - base[:, 1])
        height = np.clip(base[:, 2] + rise, low[face], high[face])
        sample = y * frame.width + x
        np.maximum.at(nearest, sample, height)
        in_front = nearest[sample] == height
        owner[sample[in_front]] = face[in_front]
    shape = (frame.height, frame.width)
    return owner.reshape(shape), nearest.reshape(shape)


def _slopes(corners: Floats) -> tuple[Floats, Floats]:
    """Return how much each face's height grows with x and y; 0 for one seen edge on."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    level = np.abs(normal[:, 2]) > 1e-12
    towards = np.where(level, normal[:, 2], 1.0)
    return (
        np.where(level, -normal[:, 0] / towards, 0.0),
        np.where(level, -normal[:, 1] / towards, 0.0),
    )


def _samples(corners: Floats, frame: _Frame) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield faces with the samples x, y whose centres they cover, a bounded lot at a time.

    Each line of samples meets a face between the leftmost and the rightmost of the points
    where it crosses the face's edges.
    """
    ys = corners[:, :, 1]
    first, last = _span(ys.min(axis=1), ys.max(axis=1), frame.height)
    for face, y in _expand(np.arange(len(ys)), first, last):
        left, right = _crossings(corners[face], np.asarray(y + 0.5, dtype=np.float64))
        start, end = _span(left, right, frame.width)
        for line, x in _expand(np.arange(face.size), start, end):
            yield face[line], x, y[line]


def _span(low: Floats, high: Floats, limit: int) -> tuple[Ints, Ints]:
    """Return the first and last of the samples 0 to limit - 1 with centres in low to high."""
    first = np.ceil(np.clip(low - 0.5, 0, limit))
    last = np.floor(np.clip(high - 0.5, -1, limit - 1))
    return first.astype(np.int64), last.astype(np.int64)


def _expand(key: Ints, first: Ints, last: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield each key with each number from first to last, a bounded lot at a time."""
    count: Ints = np.maximum(last - first + 1, 0)
    total: Ints = np.cumsum(count)
    start = 0
    while start < len(key):
        most = int(total[start] - count[start]) + _LOT
        stop = max(start + 1, int(np.searchsorted(total, most, side="right")))
        lot: Ints = count[start:stop]
        offset = np.arange(int(lot.sum())) - np.repeat(np.cumsum(lot) - lot, lot)
        yield np.repeat(key[start:stop], lot), np.repeat(first[start:stop], lot) + offset
        start = stop


def _crossings(corners: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the least and greatest x at which each triangle's edges cross its line y."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for i in range(3):
        a, b = corners[:, i], corners[:, (i + 1) % 3]
        fall = b[:, 1] - a[:, 1]
        crosses = (a[:, 1] <= y) != (b[:, 1] <= y)
        x = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / np.where(fall == 0.0, 1.0, fall)
        left = np.where(crosses, np.minimum(left, x), left)
        right = np.where(crosses, np.maximum(right, x), right)
    return left, right


def _ground(shadow: Floats) -> Floats:
    """Return an image (height, width, 3) that darkens downwards and in the shadow."""
    down = np.linspace(0.0, 1.0, shadow.shape[0])[:, None, None]
    ground = _GROUND_TOP * (1.0 - down) + _GROUND_BOTTOM * down
    return np.asarray(ground * (1.0 - (1.0 - _SHADOW) * shadow[:, :, None]))


def _blur(values: Floats, radius: int) -> Floats:
    """Return running means over 2 radius + 1 samples, along both axes, twice."""
    for axis in (0, 1, 0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        summed = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis)
        ends, starts = np.split(summed, [2 * radius + 1], axis=axis)[1], summed
        values = (ends - np.take(starts, range(ends.shape[axis]), axis=axis)) / (2 * radius + 1)
    return values


def _paint(image: Floats, body: Ints, depth: Floats, normals: Floats) -> None:
    """Paint the lit faces over the image, in place, with their creases darkened."""
    covered = body >= 0
    key = np.maximum(normals @ _KEY, 0.0)
    fill = np.maximum(normals @ _FILL, 0.0)
    light = 0.45 + 0.55 * key + 0.15 * fill
    gloss = 0.12 * key**8
    colours = _BODY * light[:, None] + gloss[:, None]
    image[covered] = colours[body[covered]]
    image[_creases(body, depth, normals)] *= _CREASE_SHADE


def _creases(body: Ints, depth: Floats, normals: Floats) -> NDArray[np.bool_]:
    """Return where the body ends or its neighbouring samples belong to turned or distant faces."""
    covered = body >= 0
    facing = normals[body] * covered[:, :, None]
    step = np.ptp(depth[covered]) * 0.03 if covered.any() else 0.0
    level = np.where(covered, depth, depth[covered].min() - 1e9 if covered.any() else 0.0)
    creases = np.zeros_like(covered)
    for axis in (0, 1):
        here = np.take(facing, range(body.shape[axis] - 1), axis=axis)
        there = np.take(facing, range(1, body.shape[axis]), axis=axis)
        turned = (here * there).sum(axis=2) < _CREASE_COSINE
        far = np.abs(np.diff(level, axis=axis)) > step
        edge = turned | far
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        creases[tuple(first)] |= edge
        creases[tuple(second)] |= edge
    return creases & covered


def _dither(pixels: Pixels) -> Ints:
    """Return 1 where a terminal's ink goes: ordered dithering by a 4 x 4 Bayer matrix.

    The darkest of the body keeps a quarter of its ink; the brightest is full.
    """
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    height, width, _ = pixels.shape
    threshold = np.tile(bayer, (height // 4 + 1, width // 4 + 1))[:height, :width]
    body = np.ptp(pixels.astype(np.int64), axis=2) > 24
    brightness = pixels.mean(axis=2)
    low, high = np.percentile(brightness[body], (5, 95)) if body.any() else (0.0, 1.0)
    level = 0.25 + 0.75 * (brightness - low) / max(high - low, 1.0)
    return np.asarray(body & (level * 16.0 > threshold + 0.5), dtype=np.int64)


def _colour_line(upper: Pixels, lower: Pixels) -> str:
    cells = (
        f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀"
        for a, b in zip(upper.tolist(), lower.tolist(), strict=True)
    )
    return "".join(cells) + "\x1b[0m"


def _png(pixels: Pixels) -> bytes:
    """Return the pixels as a PNG (ISO/IEC 15948): 8-bit RGB, each line as the change from the last.

    The change (filter type 2, "up") is what makes smooth areas small.
    """
    height, width, _ = pixels.shape
    lines = pixels.reshape(height, width * 3)
    change = np.diff(lines, axis=0, prepend=np.zeros((1, width * 3), dtype=np.uint8))
    data = np.concatenate([np.full((height, 1), 2, dtype=np.uint8), change], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(data.tobytes(), level=9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _read_png(png: bytes) -> Pixels:
    """Return the pixels of what `_png` wrote; no other PNG can be read by it."""
    width, height = struct.unpack_from(">II", png, _PNG_SIZE_AT)
    (length,) = struct.unpack_from(">I", png, _PNG_DATA_AT - 8)
    data = zlib.decompress(png[_PNG_DATA_AT : _PNG_DATA_AT + length])
    change = np.frombuffer(data, dtype=np.uint8).reshape(height, 1 + width * 3)[:, 1:]
    return np.cumsum(change, axis=0, dtype=np.uint8).reshape(height, width, 3)


_PNG_SIZE_AT = 16
_PNG_DATA_AT = 41
"""Where the size and the packed lines stand: after the signature and the chunks' heads."""


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
