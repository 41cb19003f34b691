"""CVAT for images 1.1 and for video 1.1, read by datumaro. https://docs.cvat.ai/docs/dataset_management/formats/

datumaro's reader ends at the first image that is absent; so it only parses here, and images are found by us. It passes
over ellipses, cuboids and skeletons without a word: they are counted here. It makes numbers of attributes of type
number, select and radio, so 1.50 comes back as 1.5.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.importing.datumaro_items import convert_object, convert_tag, told
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource, ForeignTag
from datasets.importing.places import find_image, iterate_xml, list_images, root_tag, source_name
from datasets.importing.texts import declared_size

_UNREAD = ("ellipse", "cuboid", "skeleton")
_NUMBER = re.compile(r"(\d+)$")


class _Every:
    """Equal to each subset's name, so that datumaro reads the images of all at once."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def is_cvat(path: Path) -> bool:
    """Whether an .xml is one of CVAT's."""
    return root_tag(path) == "annotations"


def read_cvat_sources(paths: Sequence[Path], *, root: Path, name: str) -> list[ForeignSource]:
    """One source an annotation file.

    Raises:
        BadDataset: the file is broken, or names an image outside its folder.
    """
    return [_read_file(path, root, name) for path in paths]


def _read_file(path: Path, root: Path, name: str) -> ForeignSource:
    from datumaro.components.annotation import AnnotationType
    from datumaro.plugins.data_formats.cvat.base import CvatBase

    with told(path, "CVAT's XML"):
        unread = _count_unread(path)
        reader = CvatBase.__new__(CvatBase)  # its constructor looks for the images
        reader._subset = _Every()
        items, categories = reader._parse(str(path))
        names = [label.name for label in categories[AnnotationType.label].items]
        images = tuple(_read_images(items, names, unread, path))
    note = f"{unread.total()} ellipses, cuboids and skeletons cannot be read and were left out"
    own_name = source_name(name, path, root, plain=("annotations",))
    return ForeignSource(own_name, tuple(names), images, (note,) if unread else ())


def _count_unread(path: Path) -> Counter[str]:
    """How many shapes datumaro passes over, by image name. Raises ValueError for a mask that it would garble."""
    unread, image = Counter[str](), ""
    for element in iterate_xml(path, "start"):
        if element.tag == "image":
            image = element.attrib.get("name", "")
        unread[image] += element.tag in _UNREAD
        if element.tag == "mask":
            _check_runs(element.attrib)
        element.clear()
    return +unread


def _check_runs(mask: Mapping[str, str]) -> None:
    runs = [int(run) for run in mask["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != int(mask["width"]) * int(mask["height"]):
        raise ValueError(f"a mask's run lengths don't fill its {mask['width']} x {mask['height']} pixels")


def _read_images(
    items: Mapping[str, Any], names: list[str], unread: Mapping[str, int], path: Path
) -> Iterator[ForeignImage]:
    folders = [path.parent, path.parent / "images", path.parent / "images" / "default"]
    frames = _frames(path)
    for frame, item in items.items():
        file_name = item.get("name")
        found = find_image(file_name, folders, told_in=path) if file_name else frames.get(int(frame))
        objects, tags, lost = _convert(item["annotations"], names, f"frame {frame}")
        yield ForeignImage(
            file_name=file_name or (found.name if found else f"frame_{int(frame):06d}"),
            path=found,
            declared_size=declared_size(item.get("width"), item.get("height")),
            objects=objects,
            tags=tags,
            lost=(None,) * (lost + unread.get(file_name or "", 0)),
        )


def _frames(path: Path) -> dict[int, Path]:
    """The frames of a video's annotations, which have numbers instead of names."""
    numbered = ((_NUMBER.search(found.stem), found) for found in list_images(path.parent))
    return {int(match[1]): found for match, found in numbered if match}


def _convert(
    annotations: Sequence[Any], names: list[str], place: str
) -> tuple[tuple[ForeignObject, ...], tuple[ForeignTag, ...], int]:
    objects: list[ForeignObject] = []
    tags: list[ForeignTag] = []
    lost = 0
    for number, found in enumerate(annotations):
        if found.attributes.pop("outside", False):
            continue  # a track's object that is out of sight in this frame
        found.attributes.pop("keyframe", None)
        if found.type.name == "label":
            tag = convert_tag(found, names)
            tags.extend([tag] if tag else [])
        elif (made := convert_object(found, names, f"{place}#{number}")) is not None:
            objects.append(made)
        else:
            lost += 1
    return tuple(objects), tuple(tags), lost
