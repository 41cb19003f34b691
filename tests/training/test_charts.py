import io

import numpy as np
import pytest
from PIL import Image

from training.charts import FOUND, TRUTH, Drawn, Tile, draw_confusion, draw_grid, draw_history, draw_precision_recall

PICTURE = np.full((40, 80, 3), 200, np.uint8)


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def test_losses_and_metrics_are_drawn_apart() -> None:
    history = [{"epoch": 1, "box_loss": 2.0, "map50": 0.1, "batch": 8}, {"epoch": 2, "box_loss": 1.0}]

    assert set(draw_history(history)) == {"losses.png", "metrics.png"}
    assert set(draw_history([{"epoch": 1, "loss": 2.0, "batch": 8}])) == {"losses.png"}
    assert draw_history([]) == {}


@pytest.mark.parametrize("size", [1, 3])
def test_a_confusion_matrix_is_shaded_by_the_share_of_each_row(size: int) -> None:
    names = [f"class {number}" for number in range(size)]

    assert opened(draw_confusion(np.eye(size, dtype=np.int64), names, names)).width > 100


def test_precision_and_recall_can_be_drawn_of_no_class() -> None:
    assert opened(draw_precision_recall({})).width > 100
    assert opened(draw_precision_recall({"dent": ([0.0, 1.0], [1.0, 0.5])})).width > 100


def test_a_grid_has_four_tiles_in_a_row() -> None:
    one, five = (opened(draw_grid([Tile(PICTURE, "caption")] * count)) for count in (1, 5))

    assert five.width == 4 * one.width + 3 * 4
    assert one.height * 1.8 < five.height < 2 * one.height


def test_a_grid_of_nothing_says_so() -> None:
    assert opened(draw_grid([])).getcolors() != [(280 * 18, (255, 255, 255))]


def test_a_grid_names_the_colours_that_it_uses() -> None:
    with_truth, without = (
        opened(draw_grid([Tile(PICTURE, "", (Drawn((20, 10, 60, 30), colour),))])) for colour in (TRUTH, FOUND)
    )
    green = tuple(bytes.fromhex(TRUTH[1:]))

    bottom = (0, with_truth.height - 16, 280, with_truth.height)
    assert green in {colour for _, colour in with_truth.crop(bottom).getcolors(9999) or []}
    assert green not in {colour for _, colour in without.crop(bottom).getcolors(9999) or []}


def test_a_box_is_drawn_where_it_lies_on_the_picture() -> None:
    red = tuple(bytes.fromhex(FOUND[1:]))
    tile = Tile(PICTURE, "", (Drawn((20, 10, 60, 30), FOUND),))

    grid = opened(draw_grid([tile]))

    scale = grid.width / PICTURE.shape[1]
    assert grid.getpixel((round(40 * scale), round(10 * scale))) == red
    assert grid.getpixel((round(40 * scale), round(20 * scale))) == (200, 200, 200)
