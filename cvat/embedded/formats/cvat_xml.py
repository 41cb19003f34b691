"""What CVAT's two XML formats share: labels and facts in front, and shapes as elements. Pixels, with two decimals.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element as XmlElement
from xml.etree.ElementTree import SubElement, indent, tostring

from cvat.embedded.formats.dataset import Dataset, DatasetFrame, named_values
from cvat.embedded.labeled import AttributeValue, Element, KeyFrame
from cvat.embedded.specs import LabelSpec
from datasets.exporting.xml import xml_text

ANNOTATIONS = "annotations.xml"
CUBOID_CORNERS = ("tl1", "bl1", "tr1", "br1", "tl2", "bl2", "tr2", "br2")

_TAGS = {"rectangle": "box"}


def start_document(dataset: Dataset) -> XmlElement:
    """The root with everything that comes before the annotations."""
    root = XmlElement("annotations")
    SubElement(root, "version").text = "1.1"
    facts = {**dataset.facts, "labels": _Labels(dataset.labels)}
    _add_facts(SubElement(root, "meta"), {dataset.kind: facts, "dumped": dataset.written})
    return root


def finish_document(root: XmlElement) -> bytes:
    """The document as text; characters that XML cannot hold are replaced."""
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{xml_text(tostring(root, encoding="unicode"))}'.encode()


def image_name(frame: DatasetFrame, *, in_project: bool) -> str:
    """Where an image lies in the archive."""
    return f"images/{frame.subset}/{frame.file_name}" if in_project else f"images/{frame.file_name}"


def add_shape(parent: XmlElement, shape: Element | KeyFrame, fields: Mapping[str, str]) -> XmlElement:
    """The element of a shape: `fields` in front, then where it lies."""
    element = SubElement(parent, _TAGS.get(shape.type, shape.type), {**fields, **_geometry(shape.type, shape.points)})
    if shape.rotation and shape.type in ("rectangle", "ellipse"):
        element.set("rotation", f"{shape.rotation:.2f}")
    return element


def add_attributes(element: XmlElement, label: LabelSpec, attributes: Sequence[AttributeValue]) -> None:
    """The values of attributes, by name."""
    for name, value in named_values(label, attributes).items():
        SubElement(element, "attribute", {"name": name}).text = value


class _Labels(dict[int, LabelSpec]):
    """Labels among the facts."""


def _add_facts(parent: XmlElement, facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        element = SubElement(parent, name)
        if isinstance(value, _Labels):
            for label in value.values():
                _add_label(element, label, parent=None)
        elif isinstance(value, Mapping):
            _add_facts(element, value)
        elif isinstance(value, list):
            for item in value:
                _add_facts(element, item)
        else:
            element.text = str(value)


def _add_label(labels: XmlElement, label: LabelSpec, *, parent: LabelSpec | None) -> None:
    element = SubElement(labels, "label")
    _add_facts(element, {"name": label.name, "color": label.color, "type": label.type})
    attributes = SubElement(element, "attributes")
    for spec in label.attributes.values():
        facts = {"name": spec.name, "mutable": spec.mutable, "input_type": spec.input_type}
        values = {"default_value": spec.default_value, "values": "\n".join(spec.values)}
        _add_facts(SubElement(attributes, "attribute"), {**facts, **values})
    if parent is not None:
        SubElement(element, "parent").text = parent.name
    if label.type == "skeleton":
        SubElement(element, "svg").text = named_drawing(label)
    for part in label.parts.values():
        _add_label(labels, part, parent=label)


def named_drawing(label: LabelSpec) -> str:
    """The drawing of a skeleton with the names of its parts in place of their ids."""
    svg = label.svg
    for part in label.parts.values():
        svg = svg.replace(f'data-label-id="{part.id}"', f'data-label-name="{part.name}"')
    return svg


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
        names = [axis + corner for corner in CUBOID_CORNERS for axis in ("x", "y")]
        return dict(zip(names, texts, strict=True))
    if kind == "skeleton":
        return {}
    return {"points": ";".join(f"{x},{y}" for x, y in zip(texts[::2], texts[1::2], strict=True))}


def _mask(points: Sequence[float]) -> dict[str, str]:
    *runs, left, top, right, bottom = (round(number) for number in points)
    size = {"width": str(right - left + 1), "height": str(bottom - top + 1)}
    return {"rle": ", ".join(map(str, runs)), "left": str(left), "top": str(top), **size}
