"""Two COCO files that share images: `python -m benchmarks.merging_data FOLDER IMAGES PER_IMAGE SHARED SEED`.

Photographs of 1920 x 1080 pixels with objects of eight classes, every other one with a polygon of twelve points. On the
shared images the second file draws 95 % of the first one's objects anew, within two pixels, and gives the others
another class. Images lie in the order of their SHA-256, as in every dataset version, with their annotations in the same
order. Boxes are xywh pixels to two decimals.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

CLASSES = tuple(f"c{number}" for number in range(1, 9))
_IMAGES_AT_ONCE = 5000
_REDRAWN = 0.95


@dataclass(frozen=True)
class Size:
    """How large each of the two files is; the last `shared` images of the first are the first of the second."""

    images: int
    per_image: int
    shared: int
    seed: int = 0

    @property
    def annotations(self) -> int:
        """Of both files together."""
        return 2 * self.images * self.per_image

    @property
    def arguments(self) -> list[str]:
        return [str(value) for value in (self.images, self.per_image, self.shared, self.seed)]


@dataclass(frozen=True)
class Drawn:
    """N objects: `boxes_xywh` (N, 4) in pixels, `category_ids` (N,) from 1."""

    boxes_xywh: NDArray[np.float64]
    category_ids: NDArray[np.int64]


def folder_of(folder: Path, size: Size) -> Path:
    """Where the two files of that size lie."""
    return folder / "-".join(["merging", *size.arguments])


def paths_in(folder: Path) -> tuple[Path, Path]:
    """The two files, each in the layout that datumaro asks for."""
    return folder / "first/annotations/instances_all.json", folder / "second/annotations/instances_all.json"


def write_datasets(folder: Path, size: Size) -> None:
    """Write both files; the same size gives the same bytes."""
    random = np.random.default_rng(size.seed)
    first = _draw(size.images * size.per_image, random)
    second = _draw(size.images * size.per_image, random)
    count = size.shared * size.per_image
    redrawn = _redraw(first.boxes_xywh[-count:], first.category_ids[-count:], random) if count else None
    if redrawn:
        second.boxes_xywh[:count], second.category_ids[:count] = redrawn.boxes_xywh, redrawn.category_ids
    one, other = paths_in(folder)
    _write(one, first, size, start=0, random=random)
    _write(other, second, size, start=size.images - size.shared, random=random)


def _draw(count: int, random: np.random.Generator) -> Drawn:
    left_top = random.uniform((0, 0), (1700, 860), (count, 2))
    boxes_xywh = np.concatenate([left_top, random.uniform(30, 200, (count, 2))], axis=1).round(2)
    return Drawn(boxes_xywh, random.integers(1, len(CLASSES) + 1, count))


def _redraw(boxes_xywh: NDArray[np.float64], category_ids: NDArray[np.int64], random: np.random.Generator) -> Drawn:
    """Moved by at most two pixels, which leaves an IoU above 0.7 of the smallest box."""
    moved = boxes_xywh.copy()
    moved[:, :2] = np.abs(boxes_xywh[:, :2] + random.normal(0, 1, (len(moved), 2)).clip(-2, 2)).round(2)
    same = random.uniform(size=len(moved)) < _REDRAWN
    return Drawn(moved, np.where(same, category_ids, category_ids % len(CLASSES) + 1))


def _write(path: Path, drawn: Drawn, size: Size, *, start: int, random: np.random.Generator) -> None:
    photographs = sorted(range(start, start + size.images), key=_sha256)
    drawn = _of_images(drawn, np.array(photographs) - start, size.per_image)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.with_name("images").mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as handle:
        handle.write(b'{"info":{},"licenses":[{"id":1,"name":"CC BY 4.0"}],"categories":')
        handle.write(orjson.dumps([{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]))
        handle.write(b',"images":')
        handle.write(orjson.dumps([_image(number, photograph) for number, photograph in enumerate(photographs)]))
        handle.write(b',"annotations":[')
        step = _IMAGES_AT_ONCE * size.per_image
        for begin in range(0, len(drawn.category_ids), step):
            rows = orjson.dumps(list(_annotations(drawn, begin, begin + step, size.per_image, random)))
            handle.write((b"," if begin else b"") + rows[1:-1])
        handle.write(b"]}")
    part.replace(path)


def _of_images(drawn: Drawn, images: NDArray[np.int64], per_image: int) -> Drawn:
    """The objects of these images, in their order."""
    rows = (images[:, None] * per_image + np.arange(per_image)).ravel()
    return Drawn(drawn.boxes_xywh[rows], drawn.category_ids[rows])


def _sha256(photograph: int) -> str:
    return hashlib.sha256(str(photograph).encode()).hexdigest()


def _image(number: int, photograph: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "file_name": f"img_{photograph:06}.jpg",
        "sha256": _sha256(photograph),
        "family": f"car {photograph}",
        "width": 1920,
        "height": 1080,
        "license": 1,
    }


def _annotations(
    drawn: Drawn, begin: int, end: int, per_image: int, random: np.random.Generator
) -> Iterator[dict[str, Any]]:
    boxes_xywh = drawn.boxes_xywh[begin:end]
    polygons = _polygons(boxes_xywh, random).tolist()
    categories = drawn.category_ids[begin:end].tolist()
    for place, (bbox, category_id, polygon) in enumerate(zip(boxes_xywh.tolist(), categories, polygons, strict=True)):
        number = begin + place
        yield {
            "id": number + 1,
            "image_id": number // per_image + 1,
            "category_id": category_id,
            "bbox": bbox,
            "area": round(bbox[2] * bbox[3], 2),
            "iscrowd": 0,
            "segmentation": [polygon] if number % 2 else [],
        }


def _polygons(boxes_xywh: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Twelve points around the middle of each box, in turn: (N, 24)."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    reach = random.uniform(0.7, 1, (len(boxes_xywh), 12, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = boxes_xywh[:, None, :2] + boxes_xywh[:, None, 2:] * (1 + reach) / 2
    rounded: NDArray[np.float64] = points.reshape(-1, 24).round(2)
    return rounded


if __name__ == "__main__":
    write_datasets(Path(sys.argv[1]), Size(*map(int, sys.argv[2:6])))
    print("{}")
