"""Reading YOLO: Darknet's with `obj.data`, Ultralytics' with a YAML file. Coordinates are shares of the image's size.

Images are those that the lists name, or whose labels are there; an image without a label file has no objects.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from cvat.embedded.errors import RefusedImport
from cvat.embedded.formats.files import Files, Images
from cvat.embedded.formats.target import Target, TargetFrame
from cvat.embedded.formats.yolo import ABSENT, HIDDEN, RESERVED
from cvat.embedded.images import media_type
from cvat.embedded.labeled import Element, LabeledData, Shape
from cvat.embedded.specs import LabelSpec

#: Makes a shape of the numbers of a line after the label's. Raises ValueError where they are too few or too many.
Reader = Callable[[Sequence[float], TargetFrame, LabelSpec], Shape]

DARKNET_CONFIG = "obj.data"
_PREFIX = "data/"


@dataclass(frozen=True)
class _Item:
    """An image: its name, its subset, and its label file if there is one."""

    name: str
    subset: str
    labels: str | None


class YoloReader:
    """One of the formats, told by what a line of its label files holds."""

    def __init__(self, read_line: Reader, *, darknet: bool = False) -> None:
        self._read_line = read_line
        self._read_layout = _read_darknet if darknet else _read_ultralytics

    def read_annotations(self, files: Files, target: Target) -> LabeledData:
        """The annotations of all label files. Raises RefusedImport where one is broken or does not fit the task."""
        names, items = self._read_layout(files)
        found = LabeledData()
        wanted = [item for item in items if target.subset in (None, item.subset)]
        root = target.root_of(item.name for item in wanted)
        for item in wanted:
            frame = target.frame_named(item.name, root=root)
            for number, line in enumerate(_lines(files, item), 1):
                found.shapes.append(self._read(line, frame, names, target, f"{item.labels}: line {number}"))
        return found

    def images_by_subset(self, files: Files) -> Mapping[str, Images]:
        """The images of each subset."""
        found: dict[str, Images] = {}
        for item in self._read_layout(files)[1]:
            found.setdefault(item.subset, {})[item.name] = None
        return found

    def label_names(self, files: Files) -> list[str]:
        """The classes."""
        return list(self._read_layout(files)[0].values())

    def _read(self, line: str, frame: TargetFrame, names: Mapping[int, str], target: Target, place: str) -> Shape:
        first, *rest = line.split()
        try:
            number, values = int(first), [float(value) for value in rest]
            if number not in names:
                raise RefusedImport(f"{place}: there is no class {number}; the classes are {', '.join(names.values())}")
            return self._read_line(values, frame, target.label(names[number]))
        except ValueError as error:
            raise RefusedImport(f"{place}: {error}") from None


def read_box(values: Sequence[float], frame: TargetFrame, label: LabelSpec) -> Shape:
    """Middle and size of a box."""
    _check_count(values, 4)
    cx, cy, width, height = values
    corners = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]
    return _shape("rectangle", _pixels(corners, frame), frame, label)


def read_turned_box(values: Sequence[float], frame: TargetFrame, label: LabelSpec) -> Shape:
    """The four corners of a box, in the order in which they follow each other."""
    _check_count(values, 8)
    xs, ys = _pixels(values, frame)[::2], _pixels(values, frame)[1::2]
    width, height = math.dist((xs[0], ys[0]), (xs[1], ys[1])), math.dist((xs[1], ys[1]), (xs[2], ys[2]))
    cx, cy = sum(xs) / 4, sum(ys) / 4
    rotation = math.degrees(math.atan2(ys[1] - ys[0], xs[1] - xs[0])) % 360
    points = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]
    return _shape("rectangle", points, frame, label, rotation=rotation)


def read_polygon(values: Sequence[float], frame: TargetFrame, label: LabelSpec) -> Shape:
    """The corners of a polygon."""
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"{len(values)} numbers are no polygon")
    return _shape("polygon", _pixels(values, frame), frame, label)


def read_skeleton(values: Sequence[float], frame: TargetFrame, label: LabelSpec) -> Shape:
    """A box, which is left, and x, y and visibility of each point, in the order of the label's parts."""
    _check_count(values, 4 + 3 * max(len(label.parts), (len(values) - 4) // 3))
    triples = zip(*[iter(values[4:])] * 3, strict=True)
    elements = [
        Element(
            frame=frame.index,
            label_id=part.id,
            source="file",
            type="points",
            points=_pixels([x, y], frame),
            outside=state == ABSENT,
            occluded=state == HIDDEN,
        )
        for part, (x, y, state) in zip(label.parts.values(), triples, strict=False)
    ]
    return _shape("skeleton", [], frame, label, elements=elements)


def _shape(kind: Any, points: list[float], frame: TargetFrame, label: LabelSpec, **more: Any) -> Shape:
    return Shape(type=kind, frame=frame.index, label_id=label.id, group=0, source="file", points=points, **more)


def _pixels(shares: Sequence[float], frame: TargetFrame) -> list[float]:
    sizes = (frame.width, frame.height)
    return [value * sizes[position % 2] for position, value in enumerate(shares)]


def _check_count(values: Sequence[float], count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{len(values)} numbers after the class, where {count} are wanted")


def _lines(files: Files, item: _Item) -> Iterator[str]:
    if item.labels is not None:
        text = _text(files, item.labels)
        yield from (line for line in text.splitlines() if line.strip())


def _text(files: Files, name: str) -> str:
    try:
        return files.read(name).decode()
    except UnicodeDecodeError as error:
        raise RefusedImport(f"{name}: this is no text in UTF-8 ({error.reason}); save it as UTF-8") from None


def _read_darknet(files: Files) -> tuple[dict[int, str], list[_Item]]:
    config = _one(files, lambda path: path.name == DARKNET_CONFIG, f"no {DARKNET_CONFIG}; send a whole archive")
    pairs = (line.partition("=") for line in _text(files, config).splitlines() if "=" in line)
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    base = PurePosixPath(config).parent
    names = _text(files, _listed(files, base, settings.get("names", "data/obj.names"))).splitlines()
    members = set(files.names)
    items: list[_Item] = []
    for subset in settings.keys() - RESERVED:
        for path in _text(files, _listed(files, base, settings[subset])).split("\n"):
            if image := path.strip().removeprefix(_PREFIX):
                labels = str((base / image).with_suffix(".txt"))
                items.append(_Item(_below(image, 1), subset, labels if labels in members else None))
    return dict(enumerate(name.strip() for name in names if name.strip())), items


def _read_ultralytics(files: Files) -> tuple[dict[int, str], list[_Item]]:
    config = _one(files, lambda path: path.suffix in (".yaml", ".yml"), "no data.yaml; send a whole archive")
    try:
        settings = yaml.safe_load(_text(files, config))
        names = settings["names"]
        named = dict(enumerate(names)) if isinstance(names, list) else {int(number): names[number] for number in names}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RefusedImport(f"{config}: the classes cannot be read ({error}); check names:") from None
    base = PurePosixPath(config).parent
    items: list[_Item] = []
    for subset, places in settings.items():
        if subset not in RESERVED:
            for place in places if isinstance(places, list) else [places]:
                items += _items(files, base, str(subset), str(place))
    return {number: str(name) for number, name in named.items()}, items


def _items(files: Files, base: PurePosixPath, subset: str, place: str) -> Iterator[_Item]:
    """The images that a list names, or that lie in a folder of images or have their labels beside it."""
    members = set(files.names)
    if place.endswith(".txt"):
        lines = _text(files, _listed(files, base, place)).split("\n")
        images = [line.strip().removeprefix("./").removeprefix(_PREFIX) for line in lines if line.strip()]
    else:
        folder = place.removeprefix("./").strip("/")
        labels = _labels_of(folder)
        inside = [str(PurePosixPath(name).relative_to(base)) for name in files.names if _is_below(name, base)]
        found = [name for name in inside if name.startswith(f"{folder}/") and media_type(name)]
        stems = {str(PurePosixPath(name).with_suffix("")) for name in found}
        texts = [folder + name.removeprefix(labels) for name in inside if name.startswith(f"{labels}/")]
        images = [*found, *(name for name in texts if str(PurePosixPath(name).with_suffix("")) not in stems)]
    for image in images:
        labels = str((base / _labels_of(image)).with_suffix(".txt"))
        yield _Item(_below(image, 2), subset, labels if labels in members else None)


def _is_below(name: str, base: PurePosixPath) -> bool:
    return PurePosixPath(name).is_relative_to(base)


def _labels_of(image: str) -> str:
    """Where the labels of an image, or of a folder of images, lie: `labels` in place of the last `images`."""
    parts = list(PurePosixPath(image).parts)
    places = [position for position, part in enumerate(parts) if part == "images"]
    if not places:
        raise RefusedImport(f"{image!r} is not in a folder called images; keep Ultralytics' layout")
    parts[places[-1]] = "labels"
    return str(PurePosixPath(*parts))


def _below(image: str, folders: int) -> str:
    """The name of an image without the folders of the layout."""
    parts = PurePosixPath(image).parts
    return str(PurePosixPath(*parts[folders:])) if len(parts) > folders else image


def _listed(files: Files, base: PurePosixPath, place: str) -> str:
    name = str(base / place.strip().removeprefix("./").removeprefix(_PREFIX))
    if name not in files.names:
        raise RefusedImport(f"the file {name!r} is missing; send a whole archive")
    return name


def _one(files: Files, fits: Callable[[PurePosixPath], bool], sentence: str) -> str:
    found = [name for name in files.names if fits(PurePosixPath(name))]
    if not found:
        raise RefusedImport(f"there is {sentence}")
    return min(found, key=lambda name: len(PurePosixPath(name).parts))
