"""Pascal VOC: an .xml for each image, read by datumaro. http://host.robots.ox.ac.uk/pascal/VOC/

datumaro's own reader of VOC asks for ImageSets/ and takes the 20 classes of 2012 unless there is a label map; its
reader of Roboflow's flat folders takes the classes that are there, and is given other folders' images here. Coordinates
stay as they are written: whether the first pixel is 0 or 1 differs from tool to tool, and no file tells.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from datasets.importing.datumaro_items import Lenient, convert_object, label_names, told
from datasets.importing.foreign import ForeignImage, ForeignSource
from datasets.importing.places import find_image, list_images, relative, root_tag

_PLAIN = ("Annotations", "annotations", "xml", "labels")


def voc_folders(source: Path) -> list[Path]:
    """The folders, down to two levels below, whose first .xml is an <annotation>."""
    if not source.is_dir():
        return []
    folders = [source, *sorted(p for pattern in ("*", "*/*") for p in source.glob(pattern) if p.is_dir())]
    firsts = {folder: min(folder.glob("*.xml"), default=None) for folder in folders}
    return [folder for folder, first in firsts.items() if first is not None and root_tag(first) == "annotation"]


def read_voc_sources(root: Path, *, name: str) -> list[ForeignSource]:
    """One source a folder of .xml files; images without one are not in it.

    Raises:
        BadDataset: a file is no XML, or names an image outside `root`.
    """
    return [_read_folder(folder, root, name) for folder in voc_folders(root)]


def _read_folder(folder: Path, root: Path, name: str) -> ForeignSource:
    from datumaro.components.importer import ImportContext
    from datumaro.plugins.data_formats.roboflow.base import RoboflowVocBase

    for path in sorted(folder.glob("*.xml")):
        root_tag(path, whole=True)  # datumaro would tell of broken XML without naming the file
    lenient = Lenient(folder, ".xml", "Pascal VOC")
    with told(folder, "Pascal VOC"):
        reader = RoboflowVocBase(str(folder), ctx=ImportContext(error_policy=lenient))
        reader._image_dir = str(_image_folders(folder, root)[0])
        names = label_names(reader)
        items = list(reader)
    lost = Counter(lenient.lost)
    by_stem = {path.stem: path for place in _image_folders(folder, root) for path in reversed(list_images(place))}
    images = tuple(_image(item, names, lost[item.id], by_stem, folder, root) for item in items)
    place = "/".join(part for part in folder.relative_to(root).parts if part not in _PLAIN)
    return ForeignSource(f"{name}/{place}" if place else name, tuple(names), images)


def _image_folders(folder: Path, root: Path) -> list[Path]:
    above = folder.parent if folder != root else folder
    places = [above / "JPEGImages", above / "images", folder / "images", folder]
    return [place for place in places if place.is_dir()]


def _image(item: Any, names: list[str], lost: int, by_stem: dict[str, Path], folder: Path, root: Path) -> ForeignImage:
    """datumaro has the image's path from <filename>; where a tool changed the name, the stems still tell."""
    path = Path(item.media.path) if item.media is not None and item.media.path else None
    if path is None or not path.is_file():
        path = find_image(path.name, _image_folders(folder, root), told_in=folder) if path else None
        path = path or by_stem.get(item.id)
    size = item.media.size if item.media is not None and item.media.has_size else None
    converted = (convert_object(found, names, f"{item.id}#{number}") for number, found in enumerate(item.annotations))
    return ForeignImage(
        file_name=relative(path, root) if path else item.id,
        path=path,
        declared_size=(size[1], size[0]) if size else None,
        objects=tuple(found for found in converted if found is not None),
        lost=(None,) * lost,
    )
