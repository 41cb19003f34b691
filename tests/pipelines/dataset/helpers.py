"""Small photographs, COCO folders of them, and the command run in this process."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.versions import read_content
from pipelines.cli import main
from pipelines.shelf import Shelf

Picture = NDArray[np.uint8]
Told = dict[str, Any]
Run = Callable[..., str]
RunJson = Callable[..., Any]
Object = tuple[str, str, list[float]]
FRONT, SIDE, REAR, INSIDE = range(4)


def picture(number: int, *, width: int = 160, height: int = 120) -> Picture:
    """Soft blobs of many sizes; another number is another picture."""
    random = np.random.default_rng(number)
    layers = [
        cv2.resize(random.normal(size=(rows, rows + 3)), (width, height), interpolation=cv2.INTER_CUBIC) / rows**0.4
        for rows in (3, 6, 12, 24, 48)
    ]
    grey = np.sum(layers, axis=0)
    levels = np.clip(120 + 45 * grey / grey.std(), 0, 255).astype(np.uint8)
    return np.stack([levels, levels // 2 + 40, 255 - levels], axis=-1)


def jpeg(pixels: Picture, *, mirrored: bool = False, size: tuple[int, int] | None = None) -> bytes:
    content = io.BytesIO()
    shown = PillowImage.fromarray(np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels))
    (shown.resize(size, PillowImage.Resampling.LANCZOS) if size else shown).save(content, "JPEG", quality=95)
    return content.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_coco(
    folder: Path,
    photographs: Mapping[str, bytes],
    objects: Sequence[Object] = (),
    *,
    classes: Sequence[str] = ("dent", "damaged door"),
    addresses: Mapping[str, str] | None = None,
) -> Path:
    """A COCO folder; objects are (file name, class, xywh)."""
    folder.mkdir(parents=True)
    names = list(photographs)
    for name, content in photographs.items():
        (folder / name).write_bytes(content)
    images = [
        {"id": number, "file_name": name, "license": 1, "coco_url": (addresses or {}).get(name)}
        | dict(zip(("width", "height"), PillowImage.open(io.BytesIO(photographs[name])).size, strict=True))
        for number, name in enumerate(names, start=1)
    ]
    annotations = [
        {"id": number, "image_id": names.index(name) + 1, "category_id": classes.index(found) + 1, "bbox": bbox}
        | {"area": bbox[2] * bbox[3], "iscrowd": 0}
        for number, (name, found, bbox) in enumerate(objects, start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    licenses = [{"id": 1, "name": "CC BY 4.0", "url": ""}]
    content = {"licenses": licenses, "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def many(folder: Path, numbers: Sequence[int]) -> Path:
    photographs = {f"{number}.jpg": jpeg(picture(number)) for number in numbers}
    return write_coco(folder, photographs, [(name, "dent", [10, 10, 40, 30]) for name in photographs])


PHOTOGRAPHS = {number: jpeg(picture(number)) for number in (FRONT, SIDE, REAR, INSIDE)}
SMALL_SIDE, MIRRORED_REAR = jpeg(picture(SIDE), size=(80, 60)), jpeg(picture(REAR), mirrored=True)


def invoke(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command run in this process; whatever is no known error is raised."""
    result = CliRunner().invoke(main, ["dataset", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def state(home: Path) -> dict[str, bytes]:
    """All files of a home but the images, which may come in whole before a command is refused, and locks."""
    files = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(home)): path.read_bytes() for path in files if "store" not in path.parts}


def content_of(home: Path, name: str) -> Any:
    return read_content(Shelf(home).find(name))


def sides(home: Path, version: str) -> dict[str, str | None]:
    return {image.sha256: image.split for image in content_of(home, version).images}
