"""A dataset's numbers as a page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.files import write_bytes
from datasets.seeing.charts import Chart, chart, count_chart, draw_heat
from datasets.seeing.statistics import ClassRow, Statistics
from datasets.seeing.templates import data_url, render

_SPLIT_COLOURS = {"train": "blue", "test": "orange", "none": "none"}
_KNOWN_COLOURS = {"present": "blue", "partly": "orange", "absent": "green", "unknown": "none"}
_ROWS = 60
_CLASSES = 24


@dataclass(frozen=True)
class Cell:
    """How many images show two classes; `percent` is their share of those with the row's class."""

    count: int
    percent: int
    self: bool


@dataclass(frozen=True)
class Matrix:
    """The commonest classes against each other, in the project's order; `left_out` are the other ones."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    left_out: int


def write_statistics_page(found: Statistics, path: Path, *, title: str = "The dataset") -> None:
    """Write the numbers as one HTML file that needs nothing beside it."""
    content = {
        "title": title,
        "stats": found,
        "numbers": headline(found),
        "most_images": max((row.images for row in found.classes), default=0),
        "split_colours": {name: _SPLIT_COLOURS[name] for name in (row.name for row in found.splits)},
        "known_colours": _KNOWN_COLOURS,
        "charts": _charts(found),
        "heat": data_url(draw_heat(found.heat), "image/png"),
        "hottest": max(map(max, found.heat)),
        "met": matrix(found),
        "licenses": list(found.licenses.items()),
        "most_rows": _ROWS,
    }
    write_bytes(path, render("statistics.html.j2", content, by_split=_by_split, by_knowledge=_by_knowledge))


def headline(found: Statistics) -> list[tuple[str, int]]:
    """The first numbers that one wants; what there is none of is left out, but for images, objects and tags."""
    always = [("images", found.images), ("objects", found.annotations), ("tags", found.tags)]
    rest = [
        ("families", found.families.count),
        ("images without objects", found.empty),
        ("merged objects", found.merged),
        ("images with copies", found.copies),
        ("near-duplicate pairs", found.near_pairs),
        ("derived images", found.derived),
        ("deleted images", found.deleted),
        ("families on both sides", len(found.families.across)),
        ("images of disputed licence", found.license_disagreements),
    ]
    return always + [(name, number) for name, number in rest if number]


def _by_split(row: ClassRow) -> list[tuple[int, str]]:
    return [(count, _SPLIT_COLOURS[name]) for name, count in row.splits.items()]


def _by_knowledge(row: ClassRow) -> list[tuple[int, str]]:
    return [(getattr(row, name), colour) for name, colour in _KNOWN_COLOURS.items()]


def _charts(found: Statistics) -> list[Chart]:
    sizes = ", ".join(f"{width} × {height} ({count:,})" for width, height, count in found.image_sizes[:3])
    coco = ", ".join(f"{name} {count:,}" for name, count in found.coco_sizes.items())
    return [
        chart(
            "Image size, megapixels", found.megapixels, shown="{:.3g}".format, caption=f"commonest {sizes or 'none'}"
        ),
        chart("Box size, pixels", found.box_sides, shown="{:.0f}".format, caption=f"side of the square; COCO: {coco}"),
        chart("Box size, share of the image's side", found.box_shares, shown="{:.0%}".format, every=4),
        chart("Box width to height", found.aspect_ratios, shown=ratio, every=2),
        count_chart("Objects per image", found.objects_per_image, unit="objects"),
        count_chart("Images per family", found.families.sizes, unit="images"),
    ]


def ratio(value: float) -> str:
    """Width to height as `2:1` or `1:1.4`."""
    return f"{value:.2g}:1" if value >= 1 else f"1:{1 / value:.2g}"


def matrix(found: Statistics) -> Matrix:
    """Co-occurrence of the commonest classes that there are any of."""
    shown = [number for number, row in enumerate(found.classes, start=1) if row.images]
    commonest = sorted(sorted(shown, key=lambda number: -found.classes[number - 1].images)[:_CLASSES])
    met: dict[tuple[int, int], int] = defaultdict(int)
    for one, other, count in found.co_occurrence:
        met[one, other] = met[other, one] = count
    names = [found.classes[number - 1].name for number in commonest]
    rows = [(name, _cells(number, commonest, met)) for name, number in zip(names, commonest, strict=True)]
    return Matrix(tuple(names), tuple(rows), len(shown) - len(commonest))


def _cells(row: int, commonest: Sequence[int], met: dict[tuple[int, int], int]) -> tuple[Cell, ...]:
    return tuple(
        Cell(met[row, column], round(85 * met[row, column] / met[row, row]), row == column) for column in commonest
    )
