"""Pictures of meshes: of the right size, showing the body, near things before far ones."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from commonfab.node.meshes.picture import Pixels, draw, png_to_text, render, to_text, write
from tests.scheduler.solids import Solid, box, moved, sphere, together

SIZE = (160, 120)


def body_of(pixels: Pixels) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    """Return where the body's colour is: the ground and its shadow are grey."""
    values = pixels.astype(np.int64)
    return np.asarray(values[:, :, 2] - values[:, :, 0] > 24)


def picture_of(solid: Solid) -> Pixels:
    return draw(solid.vertices, solid.faces, SIZE)


def test_the_picture_is_a_png_with_the_pixels_that_were_drawn() -> None:
    solid = sphere(30)

    image = Image.open(io.BytesIO(render(solid.vertices, solid.faces, SIZE)))
    image.load()

    assert (image.format, image.mode, image.size) == ("PNG", "RGB", SIZE)
    assert np.array_equal(np.asarray(image), picture_of(solid))


def test_the_same_mesh_gives_the_same_picture() -> None:
    solid = sphere(30)

    assert render(solid.vertices, solid.faces, SIZE) == render(solid.vertices, solid.faces, SIZE)


@pytest.mark.parametrize(
    "solid", [box(1, 1, 1), box(300, 2, 2), box(2, 2, 300), moved(sphere(900), (1e4, -1e4, 5))]
)
def test_whatever_its_size_and_place_the_body_fills_the_picture_and_stays_inside(
    solid: Solid,
) -> None:
    body = body_of(picture_of(solid))
    rows, columns = np.nonzero(body)

    assert not body[0].any()
    assert not body[-1].any()
    assert not body[:, 0].any()
    assert not body[:, -1].any()
    assert max(np.ptp(rows) / SIZE[1], np.ptp(columns) / SIZE[0]) > 0.4


def test_a_sphere_is_drawn_as_a_disc() -> None:
    rows, columns = np.nonzero(body_of(picture_of(sphere(30))))

    across, down = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert across == pytest.approx(down, abs=2)
    assert len(rows) == pytest.approx(np.pi / 4 * across * down, rel=0.05)


def test_the_top_of_a_box_is_lighter_than_its_sides() -> None:
    pixels = picture_of(box(20, 20, 20))
    rows, columns = np.nonzero(body_of(pixels))
    middle = columns.min() + np.ptp(columns) // 2

    top = pixels[rows.min() + 12, middle].mean()
    side = pixels[rows.max() - 12, middle].mean()
    assert top > 1.2 * side


def test_what_lies_behind_is_hidden_in_whatever_order_it_comes() -> None:
    near, far = box(20, 20, 20), moved(box(10, 10, 10), (5, 25, 2))
    one, other = together(near, far), together(far, near)

    assert np.array_equal(picture_of(one), picture_of(other))
    hidden = picture_of(together(near, moved(box(2, 2, 2), (9, 9, 9))))
    assert np.array_equal(hidden, picture_of(near))


def test_faces_without_area_and_faces_seen_edge_on_do_no_harm() -> None:
    solid = box(20, 20, 20)
    faces = np.concatenate([solid.faces, [[0, 0, 1], [2, 2, 2], [0, 3, 0]]])

    assert np.array_equal(draw(solid.vertices, faces, SIZE), picture_of(solid))


def test_text_without_colour_is_made_of_blocks_alone_and_shows_the_body() -> None:
    text = to_text(*sphere(30), 60, colour=False)

    assert set(text) == set(" ▀▄█\n")
    lines = text.split("\n")
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 22
    assert lines[0].strip()
    assert lines[-1].strip()


def test_each_half_block_stands_where_the_body_is() -> None:
    solid = sphere(30)
    body = body_of(draw(solid.vertices, solid.faces, (60, 44)))
    first = int(np.flatnonzero(body.any(axis=1))[0]) // 2

    lines = to_text(*solid, 60, colour=False).split("\n")

    for number, line in enumerate(lines, start=first):
        for column, character in enumerate(line):
            assert body[2 * number, column] or character not in "▀█"
            assert body[2 * number + 1, column] or character not in "▄█"


def test_text_in_colour_has_every_column_and_resets_each_line() -> None:
    lines = to_text(*sphere(30), 40, colour=True).split("\n")

    assert len(lines) == 15
    for line in lines:
        assert line.endswith("\x1b[0m")
        assert re.sub(r"\x1b\[[0-9;]*m", "", line) == "▀" * 40


def test_a_png_becomes_text_as_the_picture_itself_would() -> None:
    solid = sphere(30)
    png = render(solid.vertices, solid.faces, (60, 44))

    assert png_to_text(png, 60, colour=True) == write(draw(*solid, (60, 44)), colour=True)
    assert max(map(len, png_to_text(png, 25, colour=False).split("\n"))) <= 25


def test_a_million_samples_of_one_face_are_drawn_in_lots() -> None:
    vertices = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [0.0, 100.0, 1.0]])
    size = (400, 300)

    pixels = draw(vertices, np.array([[0, 1, 2]]), size)

    assert pixels.shape == (size[1], size[0], 3)
    assert body_of(pixels).mean() > 0.2
