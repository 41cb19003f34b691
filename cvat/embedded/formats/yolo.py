"""CVAT's formats for YOLO. Coordinates are shares of the image's width and height; label files are named as images.

`YOLO 1.1` is Darknet's with `obj.data`; the others are Ultralytics' with `data.yaml`: boxes, turned boxes, polygons or
skeletons. Formats: https://github.com/AlexeyAB/darknet and https://docs.ultralytics.com/datasets/
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import yaml

from cvat.embedded.formats.dataset import Dataset, DatasetFrame
from cvat.embedded.labeled import Element, Shape
from cvat.embedded.specs import LabelSpec
from datasets.errors import BadInput
from datasets.geometry import extent

#: Names of subsets that mean something else in the list of subsets.
RESERVED = {"path", "names", "nc", "backup", "classes", "kpt_shape", "flip_idx"}

ABSENT, HIDDEN, VISIBLE = 0, 1, 2
_NO_POINT = f"0.0 0.0 {ABSENT}"

#: Degrees from which a box counts as turned.
_TURNED = 1e-5

#: What a line says after the number of the label; nothing for a shape that the format does not hold.
Line = Callable[[Shape, DatasetFrame], str]


def box_line(shape: Shape, frame: DatasetFrame) -> str:
    """Middle and size of a box that is not turned."""
    if shape.type != "rectangle" or shape.rotation % 360 > _TURNED:
        return ""
    return _box(shape.points, frame)


def turned_box_line(shape: Shape, frame: DatasetFrame) -> str:
    """The four corners of a box."""
    if shape.type != "rectangle":
        return ""
    left, top, right, bottom = shape.points
    cx, cy, turn = (left + right) / 2, (top + bottom) / 2, math.radians(shape.rotation)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return _shares([value for x, y in corners for value in _turned(x - cx, y - cy, cx, cy, turn)], frame)


def polygon_line(shape: Shape, frame: DatasetFrame) -> str:
    """The corners of a polygon."""
    return _shares(shape.points, frame) if shape.type == "polygon" else ""


def ultralytics_files(line: Line, dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """A label file for each frame that has any such line, a list of images for each subset, and the classes."""
    numbers = {label_id: number for number, label_id in enumerate(dataset.labels)}
    yield from _label_files(dataset, line, numbers)
    yield from _lists_and_classes(dataset, list(dataset.labels.values()), {})


def image_name(frame: DatasetFrame) -> str:
    """Where an image lies in an archive of Ultralytics' formats."""
    return f"images/{subset_of(frame)}/{frame.file_name}"


def pose_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Ultralytics' format for skeletons: only their labels count, with as many points as the largest one has."""
    skeletons = {label_id: label for label_id, label in dataset.labels.items() if label.type == "skeleton"}
    points = max((len(label.parts) for label in skeletons.values()), default=0)
    numbers = {label_id: number for number, label_id in enumerate(skeletons)}

    def line(shape: Shape, frame: DatasetFrame) -> str:
        label = skeletons.get(shape.label_id)
        return _pose(shape, label, points, frame) if label and shape.type == "skeleton" else ""

    yield from _label_files(dataset, line, numbers)
    yield from _lists_and_classes(dataset, list(skeletons.values()), {"kpt_shape": [points, 3]})


def darknet_files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Darknet's format: a label file for every frame, lists of images, classes, and what is where."""
    numbers = {label_id: number for number, label_id in enumerate(dataset.labels)}
    for name, frame in _named(dataset, lambda frame: f"obj_{subset_of(frame)}_data/{frame.stem}.txt"):
        yield name, _lines(frame, box_line, numbers).encode()
    lists = _image_lists(dataset, darknet_image_name)
    for subset, lines in lists.items():
        yield f"{subset}.txt", "".join(lines).encode()
    yield "obj.names", "".join(f"{label.name}\n" for label in dataset.labels.values()).encode()
    subsets = {subset: f"data/{subset}.txt" for subset in lists}
    places = {"classes": len(numbers), **subsets, "names": "data/obj.names", "backup": "backup/"}
    yield "obj.data", "".join(f"{name} = {value}\n" for name, value in places.items()).encode()


def darknet_image_name(frame: DatasetFrame) -> str:
    """Where an image lies in an archive of Darknet's format."""
    return f"obj_{subset_of(frame)}_data/{frame.file_name}"


def subset_of(frame: DatasetFrame) -> str:
    """The subset of a frame; what has none is for training. Raises BadInput where the name has another meaning."""
    if frame.subset in RESERVED:
        raise BadInput(f"subset {frame.subset!r} has another meaning in YOLO's formats; rename the task's subset")
    return "train" if frame.subset == "default" else frame.subset


def _label_files(dataset: Dataset, line: Line, numbers: Mapping[int, int]) -> Iterator[tuple[str, bytes]]:
    for name, frame in _named(dataset, lambda frame: f"labels/{subset_of(frame)}/{frame.stem}.txt"):
        if text := _lines(frame, line, numbers):
            yield name, text.encode()


def _named(dataset: Dataset, label_file: Callable[[DatasetFrame], str]) -> Iterator[tuple[str, DatasetFrame]]:
    """The name of the label file of each frame. Raises BadInput where two images would share one."""
    seen: dict[str, str] = {}
    for frame in dataset.frames:
        name = label_file(frame)
        if name in seen:
            raise BadInput(f"{seen[name]!r} and {frame.file_name!r} would share a label file; rename one of them")
        seen[name] = frame.file_name
        yield name, frame


def _lists_and_classes(
    dataset: Dataset, labels: Sequence[LabelSpec], more: Mapping[str, object]
) -> Iterator[tuple[str, bytes]]:
    lists = _image_lists(dataset, image_name)
    for subset, lines in lists.items():
        yield f"{subset}.txt", "".join(lines).encode()
    names = {number: label.name for number, label in enumerate(labels)}
    settings = {"path": ".", "names": names, **{subset: f"{subset}.txt" for subset in lists}, **more}
    yield "data.yaml", yaml.safe_dump(settings, allow_unicode=True).encode()


def _image_lists(dataset: Dataset, place: Callable[[DatasetFrame], str]) -> dict[str, list[str]]:
    """A line for each image, by subset."""
    lists: dict[str, list[str]] = {}
    for frame in dataset.frames:
        lists.setdefault(subset_of(frame), []).append(f"data/{place(frame)}\n")
    return lists


def _lines(frame: DatasetFrame, line: Line, numbers: Mapping[int, int]) -> str:
    found = [(seen.shape.label_id, line(seen.shape, frame)) for seen in frame.shapes]
    return "".join(f"{numbers[label_id]} {text}\n" for label_id, text in found if text)


def _box(points: Sequence[float], frame: DatasetFrame) -> str:
    left, top, right, bottom = points
    return _shares([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], frame)


def _shares(points: Sequence[float], frame: DatasetFrame) -> str:
    sizes = (frame.width, frame.height)
    return " ".join(f"{value / sizes[position % 2]:.6f}" for position, value in enumerate(points))


def _turned(x: float, y: float, cx: float, cy: float, turn: float) -> tuple[float, float]:
    return cx + math.cos(turn) * x - math.sin(turn) * y, cy + math.sin(turn) * x + math.cos(turn) * y


def _pose(shape: Shape, label: LabelSpec, points: int, frame: DatasetFrame) -> str:
    seen = [value for element in shape.elements if not element.outside for value in element.points]
    if not seen:
        return ""
    elements = {element.label_id: element for element in shape.elements}
    told = [_key_point(elements.get(part_id), frame) for part_id in label.parts]
    return " ".join([_box(extent(seen), frame), *told, *[_NO_POINT] * (points - len(told))])


def _key_point(element: Element | None, frame: DatasetFrame) -> str:
    if element is None:
        return _NO_POINT
    return f"{_shares(element.points[:2], frame)} {visibility(element)}"


def visibility(element: Element) -> int:
    """How a point is to be seen, as COCO and YOLO count it."""
    return ABSENT if element.outside else HIDDEN if element.occluded else VISIBLE
