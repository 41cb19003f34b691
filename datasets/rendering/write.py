"""Write rendered cars as a COCO folder: images/, annotations.json, and manifest.json last."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from datasets.errors import BadInput
from datasets.files import MANIFEST, is_complete, new_folder, read_json, write_json
from datasets.rendering.render import DEFAULT_SIZE, RenderedFrame, render_car
from datasets.taxonomy import DEFAULT_TAXONOMY

JPEG_QUALITY = 92
SMALLEST_SIZE = 64
LICENSE = {"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}


def write_rendered_cars(folder: Path, *, cars: int, seed: int, size: int = DEFAULT_SIZE) -> None:
    """Fill a new `folder` with cars 0 to `cars` - 1; a folder that has them already stays as it is.

    Raises:
        BadInput: an argument is out of range, or the folder holds something else.
    """
    arguments = {"cars": cars, "seed": seed, "size": size}
    _check(arguments)
    if folder.exists():
        _check_same(folder, arguments)
        return
    with new_folder(folder) as part:
        frames = list(_write_images(part / "images", **arguments))
        write_json(part / "annotations.json", to_coco(frames))
        write_json(part / MANIFEST, {**arguments, **_counts(frames)})


def _check(arguments: Mapping[str, int]) -> None:
    for name, least in (("cars", 1), ("seed", 0), ("size", SMALLEST_SIZE)):
        if arguments[name] < least:
            raise BadInput(f"rendered cars: {name} is {arguments[name]}; it has to be {least} or more")


def _check_same(folder: Path, arguments: Mapping[str, int]) -> None:
    if not is_complete(folder):
        raise BadInput(f"{folder} is there but holds no rendered cars; choose another folder")
    manifest = read_json(folder / MANIFEST)
    found = {name: manifest.get(name) for name in arguments}
    if found != arguments:
        raise BadInput(
            f"{folder} was rendered with {_spelt(found)}, not {_spelt(arguments)}; delete it or choose another folder"
        )


def _spelt(arguments: Mapping[str, int | None]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arguments.items())


def _write_images(folder: Path, *, cars: int, seed: int, size: int) -> Iterator[RenderedFrame]:
    folder.mkdir()
    for number in range(cars):
        for frame in render_car(number, seed=seed, size=size):
            (folder / frame.file_name).write_bytes(to_jpeg(frame))
            yield frame


def to_jpeg(frame: RenderedFrame) -> bytes:
    """The frame's file, the same bytes each time under one version of OpenCV."""
    bgr = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(encoded)


def to_coco(frames: Sequence[RenderedFrame]) -> dict[str, Any]:
    """The frames and their boxes as plain COCO with the default project's categories."""
    numbered = list(enumerate(frames, start=1))
    boxes = [(image_id, *labelled) for image_id, frame in numbered for labelled in frame.boxes]
    return {
        "info": {"description": "Cars rendered by Carloop"},
        "licenses": [LICENSE],
        "categories": [{"id": DEFAULT_TAXONOMY.category_id(name), "name": name} for name in DEFAULT_TAXONOMY.names()],
        "images": [_coco_image(image_id, frame) for image_id, frame in numbered],
        "annotations": [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": DEFAULT_TAXONOMY.category_id(category),
                "bbox": list(bbox_xywh),
                "area": bbox_xywh[2] * bbox_xywh[3],
                "iscrowd": 0,
                "segmentation": [],
            }
            for annotation_id, (image_id, category, bbox_xywh) in enumerate(boxes, start=1)
        ],
    }


def _coco_image(image_id: int, frame: RenderedFrame) -> dict[str, Any]:
    height, width = frame.pixels.shape[:2]
    return {
        "id": image_id,
        "file_name": f"images/{frame.file_name}",
        "width": width,
        "height": height,
        "license": LICENSE["id"],
        "family": frame.family,
        "tags": [{"category_id": DEFAULT_TAXONOMY.category_id(frame.cleanliness), "attributes": {}}],
    }


def _counts(frames: Sequence[RenderedFrame]) -> dict[str, Any]:
    categories = Counter(category for frame in frames for category, _ in frame.boxes)
    states = Counter(frame.cleanliness for frame in frames)
    return {"images": len(frames), "annotations": categories.total(), "counts": {**categories, **states}}
