"""CVAT's "CVAT for images 1.1": what is to be seen on each frame. It keeps everything but the course of tracks."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element as XmlElement
from xml.etree.ElementTree import SubElement

from cvat.embedded.formats.cvat_xml import (
    ANNOTATIONS,
    add_attributes,
    add_shape,
    finish_document,
    start_document,
)
from cvat.embedded.formats.dataset import Dataset, DatasetFrame, Part, parts_of
from cvat.embedded.labeled import Element, Shape, Tag
from cvat.embedded.specs import LabelSpec


def annotation_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of the one file of annotations."""
    root = start_document(dataset)
    for part in dataset.parts:
        for frame in part.frames:
            _add_image(root, frame, part, dataset)
    yield ANNOTATIONS, finish_document(root)


def _add_image(root: XmlElement, frame: DatasetFrame, part: Part, dataset: Dataset) -> None:
    fields = {"id": str(frame.number), "name": frame.name}
    if dataset.kind == "project":
        fields |= {"subset": frame.subset, "task_id": str(part.task_id)}
    image = SubElement(root, "image", {**fields, "width": str(frame.width), "height": str(frame.height)})
    for seen in frame.shapes:
        _add_shape(image, seen.shape, dataset.labels[seen.shape.label_id])
    for tag in frame.tags:
        label = dataset.labels[tag.label_id]
        element = SubElement(image, "tag", {"label": label.name, "source": tag.source, **_group(tag)})
        add_attributes(element, label, tag.attributes)


def _add_shape(image: XmlElement, shape: Shape, label: LabelSpec) -> None:
    fields = {"label": label.name, "source": shape.source}
    if shape.type != "skeleton":
        fields["occluded"] = str(int(shape.occluded))
    element = add_shape(image, shape, fields)
    element.set("z_order", str(shape.z_order))
    for name, value in _group(shape).items():
        element.set(name, value)
    for part, item in parts_of(label, shape):
        _add_element(element, item, part)
    add_attributes(element, label, shape.attributes)


def _add_element(skeleton: XmlElement, element: Element, label: LabelSpec) -> None:
    flags = {"outside": str(int(element.outside)), "occluded": str(int(element.occluded))}
    added = add_shape(skeleton, element, {"label": label.name, "source": element.source, **flags})
    add_attributes(added, label, element.attributes)


def _group(tag: Tag) -> dict[str, str]:
    return {"group_id": str(tag.group)} if tag.group else {}
