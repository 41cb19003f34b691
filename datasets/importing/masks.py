"""Segmentation masks as PNGs: images/, masks/ and dataset_meta.json, read by datumaro.

dataset_meta.json has the classes: {"labels": [...]}, or {"label_map": {"0": "background", "1": "dent"},
"segmentation_colors": [[0, 0, 0], [255, 0, 0]]} for coloured masks. A mask tells classes, not objects: every connected
region of a class becomes one. datumaro reads every mask at once and leaves out images that have none; those are added
here as images where nothing was found. Our own exports also say which classes were looked for, and of which an image's
pixels do not tell every object.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from datasets.errors import BadDataset
from datasets.files import read_json
from datasets.importing.datumaro_items import label_names, told
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource
from datasets.importing.places import list_images, read_content, relative
from datasets.rle import encode_pixels
from datasets.store import probe

BACKGROUND = ("background", "_background_", "void", "ignore", "unlabeled", "unlabelled")
MIN_AREA = 10  # pixels; smaller regions are an annotator's crumbs
META = "dataset_meta.json"


class _Meta(msgspec.Struct):
    searched_classes: list[str] | None = None
    unknown_classes: dict[str, list[str]] = {}


def mask_folders(source: Path) -> list[Path]:
    """The folder that `source` is, or the splits' folders in it, with masks/ and dataset_meta.json."""
    if not source.is_dir():
        return []
    return [
        folder
        for folder in (source, *sorted(source.glob("*")))
        if (folder / META).is_file() and (folder / "masks").is_dir() and (folder / "images").is_dir()
    ]


def read_mask_sources(root: Path, *, name: str) -> list[ForeignSource]:
    """One source a folder. Raises BadDataset when a file is broken."""
    return [_read_folder(folder, root, name) for folder in mask_folders(root)]


def _read_folder(folder: Path, root: Path, name: str) -> ForeignSource:
    from datumaro.plugins.data_formats.common_semantic_segmentation import CommonSemanticSegmentationBase

    for path in list_images(folder / "masks"):
        _check_mask(path)
    with told(folder, "segmentation masks"):
        reader = CommonSemanticSegmentationBase(str(folder))
        names = label_names(reader)
        meta = msgspec.convert(read_json(folder / META), _Meta)
        items = list(reader)
        objects = {item.id: tuple(_regions(item, names)) for item in items}
        unsure = {item.id: _unsure(item, names, objects[item.id], meta) for item in items}
        sizes = {item.id: _size(item) for item in items}
    images = tuple(
        ForeignImage(
            file_name=relative(path, root),
            path=path,
            declared_size=sizes.get(path.stem),
            objects=objects.pop(path.stem, ()),
            unsure=unsure.get(path.stem, ()),
        )
        for path in list_images(folder / "images")
    )
    absent = tuple(ForeignImage(file_name=f"images/{stem}", path=None) for stem in objects)
    place = "" if folder == root else f"/{relative(folder, root)}"
    listed = names if meta.searched_classes is None else meta.searched_classes
    searched = tuple(label for label in names if _is_class(label) and label in listed)
    return ForeignSource(f"{name}{place}", searched, (*images, *absent))


def _check_mask(path: Path) -> None:
    """datumaro would tell of a broken mask without naming it."""
    try:
        probe(read_content(path))
    except BadDataset as error:
        raise BadDataset(f"{path}: {error}; replace it or remove it") from None


def _size(item: Any) -> tuple[int, int] | None:
    """A mask's width and height: they tell which way up its image was seen."""
    shape = item.annotations[0].image.shape if item.annotations else ()
    return (shape[1], shape[0]) if shape else None


def _regions(item: Any, names: list[str]) -> Iterator[ForeignObject]:
    for name, found in _classes(item, names).items():
        for number, region in enumerate(_connected(found.image)):
            yield ForeignObject(f"{item.id}#{name}#{number}", name, segmentation=encode_pixels(region))


def _classes(item: Any, names: list[str]) -> dict[str, Any]:
    """What is on a mask, by its class."""
    labelled = [found for found in item.annotations if found.label is not None and found.label < len(names)]
    return {names[found.label]: found for found in labelled if _is_class(names[found.label])}


def _is_class(label: str) -> bool:
    return label.lower() not in BACKGROUND


def _unsure(item: Any, names: list[str], objects: tuple[ForeignObject, ...], meta: _Meta) -> tuple[str, ...]:
    """The classes that the file calls unknown on an image, and those of which there are crumbs alone."""
    crumbs = _classes(item, names).keys() - {found.name for found in objects}
    return (*meta.unknown_classes.get(item.id, ()), *sorted(crumbs))


def _connected(pixels: NDArray[Any]) -> Iterator[NDArray[np.bool_]]:
    """The regions of a mask (height, width) that touch along an edge or a corner, without the tiny ones."""
    from scipy import ndimage

    regions, count = ndimage.label(pixels, structure=np.ones((3, 3)))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    yield from (regions == number for number in range(1, count + 1) if areas[number] >= MIN_AREA)
