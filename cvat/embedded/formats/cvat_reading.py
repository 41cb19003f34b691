"""Reading CVAT's own XML, of images and of videos. Of tracks only the key frames count."""

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element as XmlElement
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from cvat.embedded.errors import RefusedImport
from cvat.embedded.formats.cvat_xml import CUBOID_CORNERS
from cvat.embedded.formats.dataset import DEFAULT_SUBSET
from cvat.embedded.formats.files import Files, Images
from cvat.embedded.formats.target import Target, attribute_values, number_in
from cvat.embedded.images import media_type
from cvat.embedded.labeled import Element, ElementTrack, KeyFrame, LabeledData, Shape, Tag, Track
from cvat.embedded.specs import LabelSpec

_SHAPES = {
    "box": "rectangle",
    "cuboid": "cuboid",
    "ellipse": "ellipse",
    "mask": "mask",
    "points": "points",
    "polygon": "polygon",
    "polyline": "polyline",
    "skeleton": "skeleton",
}
_DIGITS = 2


def read_annotations(files: Files, target: Target) -> LabeledData:
    """The annotations of all XML files. Raises RefusedImport where one is broken or does not fit the task."""
    found = LabeledData()
    for name in _documents(files):
        for item in _items(files.read(name), name):
            try:
                _read_item(item, target, found)
            except (KeyError, ValueError) as error:
                raise RefusedImport(f"{name}: <{item.tag}> lacks {error} or has a value that is no number") from None
    return found


def images_by_subset(files: Files) -> Mapping[str, Images]:
    """The images of each subset. A video's are the files there are, numbered by their names."""
    found: dict[str, Images] = {}
    for name in _documents(files):
        for item in _items(files.read(name), name):
            if item.tag == "image":
                number = item.get("id", "")
                found.setdefault(item.get("subset") or DEFAULT_SUBSET, {})[item.get("name", "")] = (
                    int(number) if number.isdigit() else None
                )
    return found or _frames_of_videos(files)


def _frames_of_videos(files: Files) -> Mapping[str, Images]:
    found: dict[str, Images] = {}
    for name in sorted(files.names):
        folder, *below = PurePosixPath(name).parts
        number = number_in(name)
        if folder == "images" and below and media_type(name) and number is not None:
            subset = below[0] if len(below) > 1 else DEFAULT_SUBSET
            found.setdefault(subset, {})[below[-1]] = number
    return found


def label_names(files: Files) -> list[str]:
    """The labels of the file, without parts of skeletons."""
    names: dict[str, None] = {}
    for name in _documents(files):
        for element in _elements(files.read(name), name):
            if element.tag == "label" and element.find("parent") is None:
                names[element.findtext("name", "")] = None
            elif element.tag == "meta":
                break
    return list(names)


def _documents(files: Files) -> list[str]:
    names = [name for name in files.names if name.lower().endswith(".xml")]
    if not names:
        raise RefusedImport(f"there is no XML file among {', '.join(files.names[:3]) or 'the files'}; send CVAT's own")
    return names


def _elements(content: bytes, name: str) -> Iterator[XmlElement]:
    try:
        for _, element in iterparse(BytesIO(content), ("end",)):
            yield element
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise RefusedImport(f"{name}: the XML cannot be read ({error}); export it anew") from None


def _items(content: bytes, name: str) -> Iterator[XmlElement]:
    """The images and tracks, one after another, so that a large file is never in memory as a whole."""
    for element in _elements(content, name):
        if element.tag in ("image", "track"):
            yield element
            element.clear()


def _read_item(item: XmlElement, target: Target, found: LabeledData) -> None:
    if target.subset is not None and (item.get("subset") or DEFAULT_SUBSET) != target.subset:
        return
    if item.tag == "track":
        _read_track(item, target, found)
        return
    frame = target.frame_named(item.attrib["name"], number=int(item.attrib["id"])).index
    for element in item:
        if element.tag == "tag":
            label = target.label(element.attrib["label"])
            found.tags.append(Tag(frame=frame, **_common(element, label)))
        elif element.tag in _SHAPES:
            found.shapes.append(_shape(element, frame, target))


def _shape(element: XmlElement, frame: int, target: Target) -> Shape:
    label = target.label(element.attrib["label"])
    elements = [_element(part, frame, target, label) for part in _drawn(element)]
    return Shape(frame=frame, **_common(element, label), **_placed(element), elements=elements)


def _element(element: XmlElement, frame: int, target: Target, skeleton: LabelSpec) -> Element:
    label = target.label(element.attrib["label"], parent=skeleton)
    return Element(frame=frame, **_common(element, label), **_placed(element))


def _common(element: XmlElement, label: LabelSpec) -> dict[str, Any]:
    return {
        "label_id": label.id,
        "group": int(element.get("group_id", 0)),
        "source": "file",
        "attributes": attribute_values(label, _values(element)),
    }


def _read_track(item: XmlElement, target: Target, found: LabeledData) -> None:
    label = target.label(item.attrib["label"])
    shapes = [element for element in _drawn(item) if element.get("keyframe") == "1"]
    if not shapes:
        return
    if shapes[0].tag == "mask":  # CVAT has no tracks of masks; it takes the first one
        frame = target.frame_at(int(shapes[0].attrib["frame"])).index
        found.shapes.append(Shape(frame=frame, **_common(shapes[0], label), **_placed(shapes[0])))
        return
    key_frames = [_key_frame(element, element, label, target) for element in shapes]
    found.tracks.append(
        Track(
            frame=min(shape.frame for shape in key_frames),
            label_id=label.id,
            group=int(item.get("group_id", 0)),
            source="file",
            attributes=_fixed(shapes, label),
            shapes=key_frames,
            elements=list(_element_tracks(item, label, target)),
        )
    )


def _element_tracks(item: XmlElement, skeleton: LabelSpec, target: Target) -> Iterator[ElementTrack]:
    parts: dict[str, list[tuple[XmlElement, XmlElement]]] = {}
    for whole in _drawn(item):
        for part in _drawn(whole):
            if part.get("keyframe") == "1":
                parts.setdefault(part.attrib["label"], []).append((part, whole))
    for name, shown in parts.items():
        label = target.label(name, parent=skeleton)
        shapes = [_key_frame(part, whole, label, target) for part, whole in shown]
        fixed = _fixed([part for part, _ in shown], label)
        frame = min(shape.frame for shape in shapes)
        yield ElementTrack(frame=frame, label_id=label.id, source="file", attributes=fixed, shapes=shapes)


def _key_frame(element: XmlElement, whole: XmlElement, label: LabelSpec, target: Target) -> KeyFrame:
    """A key frame; that of an element is on the frame of the `whole` skeleton."""
    frame = target.frame_at(int(whole.attrib["frame"])).index
    return KeyFrame(frame=frame, attributes=attribute_values(label, _values(element), mutable=True), **_placed(element))


def _fixed(elements: Iterable[XmlElement], label: LabelSpec) -> list[Any]:
    """What cannot change is told with every shape; the last one counts, as in CVAT."""
    *_, last = elements
    return attribute_values(label, _values(last), mutable=False)


def _drawn(element: XmlElement) -> list[XmlElement]:
    return [child for child in element if child.tag in _SHAPES]


def _values(element: XmlElement) -> dict[str, str]:
    return {child.attrib["name"]: child.text or "" for child in element if child.tag == "attribute"}


def _placed(element: XmlElement) -> dict[str, Any]:
    return {
        "type": _SHAPES[element.tag],
        "occluded": element.get("occluded") == "1",
        "outside": element.get("outside") == "1",
        "z_order": int(element.get("z_order", 0)),
        "rotation": float(element.get("rotation", 0)),
        "points": _points(element.tag, element.attrib),
    }


def _points(tag: str, values: Mapping[str, str]) -> list[float]:
    match tag:
        case "box":
            return [float(values[side]) for side in ("xtl", "ytl", "xbr", "ybr")]
        case "ellipse":
            cx, cy, rx, ry = (float(values[name]) for name in ("cx", "cy", "rx", "ry"))
            return [cx, cy, round(cx + rx, _DIGITS), round(cy - ry, _DIGITS)]
        case "cuboid":
            return [float(values[axis + corner]) for corner in CUBOID_CORNERS for axis in ("x", "y")]
        case "mask":
            left, top, width, height = (int(values[name]) for name in ("left", "top", "width", "height"))
            runs = [float(run) for run in values["rle"].split(",")]
            return [*runs, left, top, left + width - 1, top + height - 1]
        case "skeleton":
            return []
    return [float(value) for pair in values["points"].split(";") for value in pair.split(",")]
