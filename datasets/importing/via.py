"""VGG Image Annotator, versions 1 and 2: https://www.robots.ox.ac.uk/~vgg/software/via/. Points are in pixels."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets.coco import BboxXywh, Polygons, Provenance
from datasets.errors import BadDataset
from datasets.files import read_json
from datasets.geometry import bounds
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource
from datasets.importing.places import find_image, source_name
from datasets.importing.texts import attribute_texts

CLASS_ATTRIBUTES = ("name", "class", "label", "category", "type")
_CIRCLE_POINTS = 32
Region = Mapping[str, Any]
Drawn = tuple[BboxXywh | None, Polygons]


def entries_of(content: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """The entries of a VIA file, one an image; None when the content is no VIA."""
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        return None
    sound = all(isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in entries.values())
    return entries if sound else None


def read_via_source(path: Path, *, root: Path, name: str, class_attribute: str | None = None) -> ForeignSource:
    """One VIA file below `root`: a project, or its exported annotations.

    The class of a region is its attribute `class_attribute`, or else the first of `CLASS_ATTRIBUTES` that any region
    has, or else the one that most regions have.

    Raises:
        BadDataset: it cannot be read as VIA, no region has such an attribute, or image names leave the folder.
    """
    content = read_json(path)
    entries = entries_of(content)
    if entries is None:
        raise BadDataset(f"{path} is no VIA file: it needs entries with 'filename' and 'regions'; export it again")
    attribute = _class_attribute(entries, class_attribute, path)
    images = tuple(_read_image(entry, attribute, path) for entry in entries.values())
    used = {found.name for image in images for found in image.objects}
    names = dict.fromkeys([*_options(content, attribute), *sorted(used)])
    return ForeignSource(source_name(name, path, root), tuple(names), images)


def _regions(entry: Mapping[str, Any]) -> Iterator[Region]:
    """Version 1 has them in an object by number, version 2 in an array."""
    regions = entry["regions"]
    found = regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else ()
    yield from (region for region in found if isinstance(region, dict))


def _attributes(region: Region) -> Mapping[str, Any]:
    attributes = region.get("region_attributes")
    return attributes if isinstance(attributes, dict) else {}


def _class_attribute(entries: Mapping[str, Mapping[str, Any]], wanted: str | None, path: Path) -> str:
    regions = [region for entry in entries.values() for region in _regions(entry)]
    times = Counter(name for region in regions for name, value in _attributes(region).items() if _classes(value))
    if wanted is None:
        known = [name for name in times if name.lower() in CLASS_ATTRIBUTES]
        known.sort(key=lambda name: CLASS_ATTRIBUTES.index(name.lower()))
        wanted = next(iter(known or sorted(times, key=lambda name: (-times[name], name))), "")
    if regions and not times[wanted]:
        found = ", ".join(sorted(times)) or "none"
        raise BadDataset(
            f"{path}: no region says its class in an attribute {wanted or CLASS_ATTRIBUTES[0]!r}; "
            f"the regions' attributes are: {found}; name the one with the class"
        )
    return wanted


def _classes(value: Any) -> list[str]:
    """The class, or those ticked of a check box."""
    if isinstance(value, dict):
        return sorted(str(name) for name, ticked in value.items() if ticked is True)
    return [str(value).strip()] if isinstance(value, str | int) and str(value).strip() else []


def _options(content: Mapping[str, Any], attribute: str) -> list[str]:
    """The classes that a project offers for choice."""
    try:
        offered = content["_via_attributes"]["region"][attribute]
        return [str(name) for name in offered["options"]] if offered["type"] != "text" else []
    except (KeyError, TypeError):
        return []


def _read_image(entry: Mapping[str, Any], attribute: str, path: Path) -> ForeignImage:
    file_name = str(entry["filename"])
    objects: list[ForeignObject] = []
    lost: list[str | None] = []
    for number, region in enumerate(_regions(entry)):
        names = _classes(_attributes(region).get(attribute))
        drawn = _drawn(region.get("shape_attributes"))
        if drawn is None or not names:
            lost.extend(names or [None])
            continue
        others = {key: value for key, value in _attributes(region).items() if key != attribute}
        for name in names:
            objects.append(
                ForeignObject(
                    annotation_id=f"{file_name}#{number}" + (f":{name}" if len(names) > 1 else ""),
                    name=name,
                    bbox_xywh=drawn[0],
                    segmentation=drawn[1],
                    attributes=attribute_texts(others),
                )
            )
    return ForeignImage(
        file_name=file_name,
        path=find_image(file_name, [path.parent, path.parent / "images"], told_in=path),
        objects=tuple(objects),
        lost=tuple(lost),
        provenance=Provenance(url=_url(entry)),
    )


def _url(entry: Mapping[str, Any]) -> str | None:
    attributes = entry.get("file_attributes")
    found = attributes.get("image_url") if isinstance(attributes, dict) else None
    return found if isinstance(found, str) and found else None


def _drawn(shape: Any) -> Drawn | None:
    """A region's box or polygon; None for a point, which has no extent, and for what is broken."""
    try:
        match shape["name"]:
            case "polygon":
                return None, (_points(shape),)
            case "polyline":
                return bounds(_points(shape)), ()  # a line has no area: what it is around is known as a box
            case "rect":
                return (float(shape["x"]), float(shape["y"]), float(shape["width"]), float(shape["height"])), ()
            case "circle":
                return None, (_ellipse(shape, shape["r"], shape["r"]),)
            case "ellipse":
                return None, (_ellipse(shape, shape["rx"], shape["ry"], float(shape.get("theta") or 0)),)
    except (KeyError, TypeError, ValueError):
        return None
    return None


def _points(shape: Mapping[str, Any]) -> tuple[float, ...]:
    pairs = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
    return tuple(float(value) for pair in pairs for value in pair)


def _ellipse(shape: Mapping[str, Any], rx: float, ry: float, theta: float = 0.0) -> tuple[float, ...]:
    """A polygon for an ellipse that is turned by `theta` radians."""
    points: list[float] = []
    for step in range(_CIRCLE_POINTS):
        angle = 2 * math.pi * step / _CIRCLE_POINTS
        across, down = rx * math.cos(angle), ry * math.sin(angle)
        points.append(shape["cx"] + across * math.cos(theta) - down * math.sin(theta))
        points.append(shape["cy"] + across * math.sin(theta) + down * math.cos(theta))
    return tuple(points)
