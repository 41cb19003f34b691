"""Are boxes boxes, inside their image, and is the rest of what an annotation says about them true?

Boxes are xywh in pixels; a hundredth of a pixel beyond the border is still inside.
"""

import numpy as np

from datasets.validation.columns import MOST_SIDE, Columns, Flags, Floats
from datasets.validation.findings import Notes
from datasets.validation.forms import UNKNOWN
from datasets.validation.text import MOST

SLACK = 0.01
_TINY = 1.0


def check_sizes(columns: Columns, notes: Notes) -> None:
    """Declared sizes that no image can have."""
    images = columns.records.images
    wrong = np.isnan(columns.widths) | np.isnan(columns.heights)
    told = np.fromiter((image.width == UNKNOWN for image in images), np.bool_, len(images))
    notes.add_rows(
        "bad-size",
        "images",
        np.flatnonzero(wrong & ~told),
        lambda row: f"the size is {images[row].width} x {images[row].height}, not 1 to {MOST_SIDE} pixels each",
        lambda row: images[row].file_name,
    )


def check_boxes(columns: Columns, notes: Notes) -> None:
    """Boxes that are negative, empty, tiny or outside their image."""
    x, _, width, height = columns.boxes_xywh.T
    negative = (width < 0) | (height < 0)
    empty = ~negative & ((width == 0) | (height == 0))
    sound = ~negative & ~empty & ~np.isnan(x)
    outside, reaching = _outside(columns)
    tiny = sound & ~outside & ((width < _TINY) | (height < _TINY))
    told = {
        "bbox-negative": negative,
        "bbox-empty": empty,
        "bbox-tiny": tiny,
        "bbox-outside": sound & outside,
        "bbox-partly-outside": sound & reaching & ~outside,
    }
    for code, flags in told.items():
        notes.add_rows(
            code, "annotations", np.flatnonzero(flags), lambda row: _described(columns, row), columns.file_name
        )


def _outside(columns: Columns) -> tuple[Flags, Flags]:
    """(N,) boxes with nothing inside their image, and those with something outside; none where the size is unknown."""
    x, y, width, height = columns.boxes_xywh.T
    wide, high = columns.own_widths, columns.own_heights
    with np.errstate(over="ignore"):
        right, bottom = x + width, y + height
    outside = (x >= wide) | (y >= high) | (right <= 0) | (bottom <= 0)
    reaching = (x < -SLACK) | (y < -SLACK) | (right > wide + SLACK) | (bottom > high + SLACK)
    known = ~np.isnan(wide) & ~np.isnan(high)
    return outside & known, reaching & known


def _described(columns: Columns, row: int) -> str:
    bbox = ", ".join(f"{side:g}" for side in columns.boxes_xywh[row])
    image = columns.image_rows[row]
    size = f", the image is {columns.widths[image]:g} x {columns.heights[image]:g}" if image >= 0 else ""
    return f"bbox is [{bbox}]{size}"


def check_areas(columns: Columns, low: Floats, high: Floats, notes: Notes) -> None:
    """Areas that are absent, negative, or not those of the shapes: `low` to `high` (N,) square pixels, NaN for unknown.

    A polygon's area counted in pixels differs from the exact one by up to half its circumference; so much is allowed.
    """
    annotations = columns.records.annotations
    areas, (_, _, width, height) = columns.areas, columns.boxes_xywh.T
    rows = np.flatnonzero(np.isnan(areas))
    notes.add_rows("missing-area", "annotations", rows, lambda _: "area is absent", columns.file_name)
    absurd = ((areas < 0) | (areas > MOST)) & np.isfinite(areas)
    notes.add_rows(
        "bad-area",
        "annotations",
        np.flatnonzero(absurd),
        lambda row: f"area is {annotations[row].area:g}",
        columns.file_name,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        slack = 1 + width + height + 0.01 * high
        wrong = ((areas < low - slack) | (areas > high + slack)) & np.isfinite(areas) & ~absurd
        wrong &= np.isfinite(slack) & (width > 0) & (height > 0)
    notes.add_rows(
        "area-mismatch",
        "annotations",
        np.flatnonzero(wrong),
        lambda row: f"area is {areas[row]:g}, the shape's is {high[row]:g}",
        columns.file_name,
    )


def check_crowds(columns: Columns, has_polygons: Flags, has_mask: Flags, notes: Notes) -> None:
    """iscrowd that is neither 0 nor 1, or does not go with the kind of shape."""
    annotations, crowds = columns.records.annotations, columns.crowds
    told = {
        "bad-iscrowd": (crowds != 0) & (crowds != 1) & (crowds != UNKNOWN),
        "crowd-with-polygons": (crowds == 1) & has_polygons,
        "rle-not-crowd": (crowds == 0) & has_mask,
    }
    for code, flags in told.items():
        notes.add_rows(
            code,
            "annotations",
            np.flatnonzero(flags),
            lambda row: f"iscrowd is {annotations[row].iscrowd}",
            columns.file_name,
        )
