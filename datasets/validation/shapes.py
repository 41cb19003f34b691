"""Are segmentations polygons or masks that are whole, and inside their image? Coordinates are pixels."""

from dataclasses import dataclass

import numpy as np

from datasets.rle import Mask, parse_mask
from datasets.validation.boxes import SLACK
from datasets.validation.columns import ABSENT, Columns, Flags, Floats, Ints, Polygons, parse_polygons
from datasets.validation.findings import Notes, shown
from datasets.validation.text import parse_piece


@dataclass(frozen=True)
class Shapes:
    """What the annotations' shapes are: (N,). Areas are in square pixels, `low` to `high` as polygons may overlap."""

    has_polygons: Flags
    has_mask: Flags
    low: Floats
    high: Floats


def check_shapes(columns: Columns, notes: Notes) -> Shapes:
    """Polygons that are too short, odd or outside; masks that are broken or of another size; what is neither."""
    pieces = [bytes(annotation.segmentation) for annotation in columns.records.annotations]
    heads = np.fromiter((piece[0] if piece and piece != b"[]" else 0 for piece in pieces), np.uint8, len(pieces))
    has_mask = heads == b"{"[0]
    listed = np.flatnonzero(heads == b"["[0])
    for row in np.flatnonzero((heads != 0) & ~has_mask & (heads != b"["[0])).tolist():
        notes.add("bad-segmentation", f"segmentation is {shown(parse_piece(pieces[row]))}", "annotations", row)
    polygons = parse_polygons([pieces[row] for row in listed.tolist()], listed, notes)
    polygons = _whole(polygons, columns, notes)
    has_polygons = np.zeros(len(pieces), np.bool_)
    has_polygons[polygons.rows] = True
    low = columns.boxes_xywh[:, 2] * columns.boxes_xywh[:, 3]
    high = low.copy()
    if len(polygons.rows):
        _check_extents(polygons, columns, notes)
        areas = _areas(polygons)
        low[has_polygons] = high[has_polygons] = 0
        np.maximum.at(low, polygons.rows, areas)
        np.add.at(high, polygons.rows, areas)
    for row in np.flatnonzero(has_mask).tolist():
        mask = _mask(row, pieces[row], columns, notes)
        low[row] = high[row] = np.nan if mask is None else mask.area
    return Shapes(has_polygons, has_mask, low, high)


def _whole(polygons: Polygons, columns: Columns, notes: Notes) -> Polygons:
    """The polygons that are some; the others are noted, each annotation once."""
    odd, short = polygons.counts % 2 == 1, polygons.counts < 6
    for code, flags in (("polygon-odd", odd), ("polygon-too-short", short & ~odd)):
        counts = dict(zip(polygons.rows[flags].tolist(), polygons.counts[flags].tolist(), strict=True))
        notes.add_rows(
            code,
            "annotations",
            counts,
            lambda row, counts=counts: f"a polygon of {counts[row]} numbers",  # type: ignore[misc]
            columns.file_name,
        )
    return polygons.only(~odd & ~short)


def _check_extents(polygons: Polygons, columns: Columns, notes: Notes) -> None:
    xy = polygons.coordinates.reshape(-1, 2)
    starts = _starts(polygons)
    low, high = np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)
    rows = polygons.rows
    wide, tall = columns.own_widths[rows], columns.own_heights[rows]
    out = (low < -SLACK).any(1) | (high[:, 0] > wide + SLACK) | (high[:, 1] > tall + SLACK)
    out &= ~np.isnan(wide) & ~np.isnan(tall)
    spans = {int(rows[i]): (*low[i].tolist(), *high[i].tolist()) for i in np.flatnonzero(out)}
    notes.add_rows(
        "polygon-outside",
        "annotations",
        spans,
        lambda row: "a polygon spans ({:g}, {:g}) to ({:g}, {:g})".format(*spans[row]) + _size(columns, row),
        columns.file_name,
    )
    _check_boxes_against(polygons.rows, low, high, columns, notes)


def _size(columns: Columns, row: int) -> str:
    image = columns.image_rows[row]
    return "" if image == ABSENT else f", the image is {columns.widths[image]:g} x {columns.heights[image]:g}"


def _check_boxes_against(rows: Ints, low: Floats, high: Floats, columns: Columns, notes: Notes) -> None:
    """Note boxes whose borders are more than two pixels, and 2 % of the box, away from their polygons' extent."""
    first = np.flatnonzero(np.append(True, rows[1:] != rows[:-1]))
    owners, low, high = rows[first], np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    boxes = columns.boxes_xywh[owners]
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.maximum(np.abs(boxes[:, :2] - low), np.abs(boxes[:, :2] + boxes[:, 2:] - high))
        off = (apart > np.maximum(2, 0.02 * boxes[:, 2:])).any(1) & (boxes[:, 2:] > 0).all(1)
    distance = {int(owners[i]): float(apart[i].max()) for i in np.flatnonzero(off)}
    notes.add_rows(
        "bbox-off-shape",
        "annotations",
        distance,
        lambda row: f"a border of bbox is {distance[row]:g} pixels from that of its polygons",
        columns.file_name,
    )


def _starts(polygons: Polygons) -> Ints:
    points = polygons.counts // 2
    return np.cumsum(points) - points


def _areas(polygons: Polygons) -> Floats:
    """(P,) the polygons' areas by the shoelace formula."""
    x, y = polygons.coordinates.reshape(-1, 2).T
    starts = _starts(polygons)
    following = np.arange(1, len(x) + 1)
    following[starts + polygons.counts // 2 - 1] = starts
    with np.errstate(over="ignore", invalid="ignore"):
        return np.abs(np.add.reduceat(x * y[following] - x[following] * y, starts)) / 2


def _mask(row: int, piece: bytes, columns: Columns, notes: Notes) -> Mask | None:
    file_name = columns.file_name(row)
    try:
        mask = parse_mask(parse_piece(piece))
    except ValueError as error:
        notes.add("rle-broken", str(error), "annotations", row, file_name)
        return None
    image = columns.image_rows[row]
    wide, tall = (columns.widths[image], columns.heights[image]) if image != ABSENT else (np.nan, np.nan)
    if not np.isnan(wide) and not np.isnan(tall) and (mask.height, mask.width) != (tall, wide):
        detail = f"the mask is {mask.width} x {mask.height}, the image {wide:g} x {tall:g}"
        notes.add("rle-size", detail, "annotations", row, file_name)
    return mask
