"""CVAT for images 1.1: `annotations.xml` and `images/`. Coordinates are pixels of the upright image, not rounded.

Frames are in the order of families. One annotation of several polygons becomes polygons that share a `group_id`. CVAT
takes the folder as a zip.

Not by Datumaro, whose exporter (1.13) drops who drew a shape, keeps coordinates to 0.01 px, writes a mask's runs over
the whole image, orders attributes by chance and fails on `occluded: "true"`.
Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from datasets.coco import Annotation, Image, Rle
from datasets.exporting.geometry import cut_out, mask_of, row_runs
from datasets.exporting.losses import is_occluded, plain_attributes, polygons_of
from datasets.exporting.names import UNSPLIT, export_name
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written, counted
from datasets.exporting.xml import add_texts, number, xml_text
from datasets.geometry import extent, rotation_of
from datasets.rle import Mask

ANNOTATIONS = "annotations.xml"
_TOLD = {
    "loose": ("boxes are not the bounds of their outline", "only the outline is written"),
    "grouped": ("outlines of several parts", "written as polygons that share a group"),
}


def write_cvat_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder."""
    told: Counter[str] = Counter()
    images = sorted(selection.dataset.images, key=lambda image: (image.family, image.sha256))
    with (folder / ANNOTATIONS).open("wb") as handle:
        handle.write(b"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n<version>1.1</version>\n")
        handle.write(_text(_meta(selection)))
        for frame, image in enumerate(images):
            place(image, f"images/{export_name(image)}")
            handle.write(_text(_image(selection, image, frame, told)))
        handle.write(b"</annotations>\n")
    return Written(len(selection.dataset.annotations), counted(told, _TOLD))


def _text(element: Element) -> bytes:
    indent(element)
    return tostring(element, encoding="unicode").encode() + b"\n"


def _subset(image: Image) -> str:
    return image.split or UNSPLIT


def _meta(selection: Selection) -> Element:
    """A project's, not a task's: only in a project do images have subsets."""
    meta = Element("meta")
    project = SubElement(meta, "project")
    add_texts(project, {"id": "", "name": "Carloop export"})
    subsets = SubElement(project, "subsets")
    for name in sorted({_subset(image) for image in selection.dataset.images}):
        SubElement(subsets, "subset").text = name
    labels, attributes = SubElement(project, "labels"), _attribute_names(selection)
    for category_id in sorted((*selection.shape_ids, *selection.tag_ids)):
        label = SubElement(labels, "label")
        kind = "tag" if category_id in selection.tag_ids else "any"
        add_texts(label, {"name": selection.dataset.taxonomy.name(category_id), "type": kind})
        specs = SubElement(label, "attributes")
        for name in sorted(attributes[category_id]):
            entry = {"name": name, "mutable": "False", "input_type": "text", "default_value": "", "values": ""}
            add_texts(SubElement(specs, "attribute"), entry)
    return meta


def _attribute_names(selection: Selection) -> defaultdict[int, set[str]]:
    names: defaultdict[int, set[str]] = defaultdict(set)
    for annotation in selection.dataset.annotations:
        names[annotation.category_id].update(plain_attributes(annotation))
    for image in selection.dataset.images:
        for tag in image.tags:
            names[tag.category_id].update(tag.attributes)
    return names


def _image(selection: Selection, image: Image, frame: int, told: Counter[str]) -> Element:
    size = {"width": str(image.width), "height": str(image.height)}
    fields = {"id": str(frame), "name": export_name(image), "subset": _subset(image), **size}
    element, dataset = Element("image", fields), selection.dataset
    for group, annotation in enumerate(dataset.annotations_of.get(image.sha256, ()), start=1):
        name = xml_text(dataset.taxonomy.name(annotation.category_id))
        for kind, geometry in _shapes(annotation, image, told, group=group):
            common = {"label": name, "source": annotation.source, "occluded": str(int(is_occluded(annotation)))}
            shape = SubElement(element, kind, common | geometry | {"z_order": "0"})
            _add_attributes(shape, plain_attributes(annotation))
    for tag in image.tags:
        entry = SubElement(
            element, "tag", {"label": xml_text(dataset.taxonomy.name(tag.category_id)), "source": "manual"}
        )
        _add_attributes(entry, dict(tag.attributes))
    return element


def _add_attributes(element: Element, attributes: dict[str, str]) -> None:
    for name, value in sorted(attributes.items()):
        SubElement(element, "attribute", {"name": xml_text(name)}).text = xml_text(value)


def _shapes(
    annotation: Annotation, image: Image, told: Counter[str], *, group: int
) -> Iterator[tuple[str, dict[str, str]]]:
    """An annotation's elements: each one's name and geometry."""
    polygons = polygons_of(annotation)
    mask = mask_of(annotation.segmentation, image) if isinstance(annotation.segmentation, Rle) else None
    if mask is not None and mask.area:
        yield "mask", _mask_fields(mask)
    elif polygons:
        told["loose"] += _is_loose(annotation)
        told["grouped"] += len(polygons) > 1
        grouped = {"group_id": str(group)} if len(polygons) > 1 else {}
        for polygon in polygons:
            points = zip(polygon[::2], polygon[1::2], strict=True)
            yield "polygon", {"points": ";".join(f"{number(x)},{number(y)}" for x, y in points)} | grouped
    else:
        yield "box", _box_fields(annotation)


def _box_fields(annotation: Annotation) -> dict[str, str]:
    x, y, width, height = annotation.bbox_xywh
    corners = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
    degrees = rotation_of(annotation.attributes) % 360
    turned = {"rotation": degrees} if degrees else {}
    return {name: number(value) for name, value in (corners | turned).items()}


def _mask_fields(mask: Mask) -> dict[str, str]:
    left, top, pixels = cut_out(mask)
    height, width = pixels.shape
    fields = {"rle": ", ".join(map(str, row_runs(pixels))), "left": left, "top": top, "width": width, "height": height}
    return {name: str(value) for name, value in fields.items()}


def _is_loose(annotation: Annotation) -> bool:
    """Whether a side of the box is more than a pixel off its polygons."""
    drawn = extent([side for polygon in polygons_of(annotation) for side in polygon])
    x, y, width, height = annotation.bbox_xywh
    return any(abs(one - other) > 1 for one, other in zip(drawn, (x, y, x + width, y + height), strict=True))
