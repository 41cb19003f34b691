"""CVAT's own "CVAT for images 1.1": one XML file that keeps everything. Coordinates are pixels with two decimals.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from cvat.embedded.formats.dataset import Dataset, DatasetFrame, LabelSpec, attribute_values

_CUBOID_CORNERS = ("tl1", "bl1", "tr1", "br1", "tl2", "bl2", "tr2", "br2")
_TAGS = {"rectangle": "box"}


def annotation_file(dataset: Dataset) -> tuple[str, bytes]:
    """Name and content of the file of annotations."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _add_meta(root, dataset)
    for frame in dataset.frames:
        _add_image(root, frame, dataset.labels)
    indent(root)
    return "annotations.xml", tostring(root, encoding="utf-8", xml_declaration=True)


def image_name(_dataset: Dataset, frame: DatasetFrame) -> str:
    """Where an image lies in the archive."""
    return f"images/{frame.name}"


def _add_meta(root: Element, dataset: Dataset) -> None:
    task = SubElement(SubElement(root, "meta"), "task")
    _add_texts(task, {"id": dataset.task_id, "name": dataset.task_name, "size": dataset.size, "mode": "annotation"})
    SubElement(task, "subset").text = dataset.subset
    labels = SubElement(task, "labels")
    for label in dataset.labels.values():
        _add_label(labels, label, parent=None)
        for part in label.parts.values():
            _add_label(labels, part, parent=label)


def _add_label(labels: Element, label: LabelSpec, *, parent: LabelSpec | None) -> None:
    element = SubElement(labels, "label")
    _add_texts(element, {"name": label.name, "color": label.color, "type": label.type})
    attributes = SubElement(element, "attributes")
    for spec in label.attributes.values():
        texts = {"name": spec.name, "mutable": spec.mutable, "input_type": spec.input_type}
        values = {"default_value": spec.default_value, "values": "\n".join(spec.values)}
        _add_texts(SubElement(attributes, "attribute"), {**texts, **values})
    if parent is not None:
        SubElement(element, "parent").text = parent.name


def _add_texts(element: Element, texts: Mapping[str, object]) -> None:
    for name, value in texts.items():
        SubElement(element, name).text = str(value)


def _add_image(root: Element, frame: DatasetFrame, labels: Mapping[int, LabelSpec]) -> None:
    numbers = {"width": str(frame.width), "height": str(frame.height)}
    image = SubElement(root, "image", {"id": str(frame.number), "name": frame.name, **numbers})
    for shape in frame.shapes:
        _add_shape(image, shape, labels)
    for tag in frame.tags:
        label = labels[tag["label_id"]]
        element = SubElement(image, "tag", {"label": label.name, "source": tag["source"]})
        _add_attributes(element, label, tag)


def _add_shape(parent: Element, shape: Mapping[str, Any], labels: Mapping[int, LabelSpec]) -> None:
    label, kind = labels[shape["label_id"]], shape["type"]
    fields = {"label": label.name, "source": shape["source"], "occluded": str(int(shape["occluded"]))}
    if shape["outside"]:
        fields["outside"] = "1"
    element = SubElement(parent, _TAGS.get(kind, kind), {**fields, **_geometry(kind, shape["points"])})
    element.set("z_order", str(shape["z_order"]))
    if shape["rotation"]:
        element.set("rotation", f"{shape['rotation']:.2f}")
    if shape["group"]:
        element.set("group_id", str(shape["group"]))
    for part in shape.get("elements", ()):
        _add_shape(element, part, label.parts)
    _add_attributes(element, label, shape)


def _add_attributes(element: Element, label: LabelSpec, annotation: Mapping[str, Any]) -> None:
    for name, (_, value) in attribute_values(label, annotation).items():
        SubElement(element, "attribute", {"name": name}).text = value


def _geometry(kind: str, points: Sequence[float]) -> dict[str, str]:
    if kind == "mask":
        return _mask(points)
    texts = [f"{number:.2f}" for number in points]
    if kind == "rectangle":
        return dict(zip(("xtl", "ytl", "xbr", "ybr"), texts, strict=True))
    if kind == "ellipse":
        cx, cy, right, top = points
        return {"cx": f"{cx:.2f}", "cy": f"{cy:.2f}", "rx": f"{right - cx:.2f}", "ry": f"{cy - top:.2f}"}
    if kind == "cuboid":
        names = [axis + corner for corner in _CUBOID_CORNERS for axis in ("x", "y")]
        return dict(zip(names, texts, strict=True))
    if kind == "skeleton":
        return {}
    return {"points": ";".join(f"{x},{y}" for x, y in zip(texts[::2], texts[1::2], strict=True))}


def _mask(points: Sequence[float]) -> dict[str, str]:
    *runs, left, top, right, bottom = (round(number) for number in points)
    size = {"width": str(right - left + 1), "height": str(bottom - top + 1)}
    return {"rle": ", ".join(map(str, runs)), "left": str(left), "top": str(top), **size}
