"""Reading COCO: instances, or key points as skeletons. Where there are outlines, the box says nothing more.

Boxes are xywh, in pixels. Shapes with `track_id` and `keyframe` among their attributes are parts of tracks, as CVAT
exports them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cvat.embedded.errors import RefusedImport
from cvat.embedded.formats.files import Files, Images
from cvat.embedded.formats.target import Target, TargetFrame, attribute_values
from cvat.embedded.formats.tracking import key_frames
from cvat.embedded.formats.yolo import ABSENT, HIDDEN
from cvat.embedded.labeled import Element, KeyFrame, LabeledData, Shape, Track
from cvat.embedded.specs import LabelSpec
from cvat.embedded.tracks import Sight


class _Rle(Struct):
    size: list[int]
    counts: str | list[int]


class _Image(Struct):
    id: int
    file_name: str


class _Category(Struct):
    id: int
    name: str
    keypoints: list[str] = []


class _Annotation(Struct):
    image_id: int
    category_id: int
    id: int = 0
    bbox: list[float] = []
    segmentation: list[list[float]] | _Rle | None = None
    keypoints: list[float] = []
    score: float | None = None
    attributes: dict[str, Any] = {}


class _Coco(Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


_decoder = msgspec.json.Decoder(_Coco)


def read_instances(files: Files, target: Target) -> LabeledData:
    """The boxes, polygons and masks of all JSON files.

    Raises:
        RefusedImport: a file is broken or does not fit the task.
    """
    return _read(files, target, _instance_shapes)


def read_keypoints(files: Files, target: Target) -> LabeledData:
    """The key points of all JSON files, as skeletons. Raises RefusedImport as above."""
    return _read(files, target, _skeleton_shapes)


def images_by_subset(files: Files) -> Mapping[str, Images]:
    """The images of each subset."""
    found: dict[str, Images] = {}
    for name, content in _documents(files, None):
        found.setdefault(_subset(name), {}).update({image.file_name: None for image in content.images})
    return found


def label_names(files: Files) -> list[str]:
    """The categories of all files."""
    return list(dict.fromkeys(label.name for _, content in _documents(files, None) for label in content.categories))


@dataclass
class _Found:
    """Shapes on frames, and what is to be seen of each track."""

    shapes: list[Shape] = field(default_factory=list)
    seen: dict[int, list[tuple[Shape, bool]]] = field(default_factory=lambda: defaultdict(list))
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    labels: dict[int, LabelSpec] = field(default_factory=dict)

    def annotations(self, target: Target) -> LabeledData:
        tracks = [self._track(number, target) for number in self.seen]
        return LabeledData(shapes=self.shapes, tracks=tracks)

    def _track(self, number: int, target: Target) -> Track:
        first, label = self.seen[number][0][0], self.labels[number]
        mutable = {spec.id for spec in label.attributes.values() if spec.mutable}
        sights = [Sight(_key_frame(shape, mutable), is_key) for shape, is_key in self.seen[number]]
        shapes = key_frames(sights, end=target.end)
        fixed = attribute_values(label, self.values[number], mutable=False)
        return Track(
            frame=shapes[0].frame,
            label_id=first.label_id,
            group=first.group,
            source=first.source,
            attributes=fixed,
            shapes=shapes,
        )


def _key_frame(shape: Shape, mutable: set[int]) -> KeyFrame:
    names = ("frame", "type", "occluded", "outside", "z_order", "rotation", "points")
    attributes = [value for value in shape.attributes if value.spec_id in mutable]
    return KeyFrame(attributes=attributes, **{name: getattr(shape, name) for name in names})


def _documents(files: Files, subset: str | None) -> Iterator[tuple[str, _Coco]]:
    names = [name for name in files.names if name.lower().endswith(".json")]
    if not names:
        raise RefusedImport(f"there is no JSON file among {', '.join(files.names[:3]) or 'the files'}; send one")
    for name in names:
        if subset is None or _subset(name) == subset:
            try:
                yield name, _decoder.decode(files.read(name))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RefusedImport(f"{name}: this is no COCO file ({error}); check it") from None


def _subset(name: str) -> str:
    """`annotations/instances_train.json` is of subset `train`."""
    return PurePosixPath(name).stem.removeprefix("person_keypoints_").removeprefix("instances_")


@dataclass(frozen=True)
class _Place:
    """An annotation, where it is, and what it is of."""

    annotation: _Annotation
    frame: TargetFrame
    category: _Category
    label: LabelSpec
    file: str

    @property
    def told(self) -> str:
        """The place in words."""
        return f"{self.file}: annotation {self.annotation.id}"

    @property
    def values(self) -> dict[str, Any]:
        """The attributes, and the score as one of them."""
        score = {} if self.annotation.score is None else {"score": self.annotation.score}
        return {**self.annotation.attributes, **score}

    def shape(self, kind: Any, points: list[float], **more: Any) -> Shape:
        """A shape here."""
        return Shape(
            frame=self.frame.index,
            label_id=self.label.id,
            source="file",
            type=kind,
            points=points,
            occluded=self.annotation.attributes.get("occluded") is True,
            attributes=attribute_values(self.label, self.values),
            **more,
        )


#: The shapes that an annotation becomes.
_Shapes = Callable[[_Place, Target], Iterator[Shape]]


def _read(files: Files, target: Target, shapes_of: _Shapes) -> LabeledData:
    found = _Found()
    for name, content in _documents(files, target.subset):
        groups = defaultdict[int, int](int)
        for place in _places(content, name, target):
            shapes = list(shapes_of(place, target))
            groups[place.frame.index] += len(shapes) > 1  # the parts of one object
            group = groups[place.frame.index] if len(shapes) > 1 else 0
            _add([replace(shape, group=group) for shape in shapes], place, found)
    return found.annotations(target)


def _places(content: _Coco, name: str, target: Target) -> Iterator[_Place]:
    root = target.root_of(image.file_name for image in content.images)
    frames = {image.id: target.frame_named(image.file_name, root=root) for image in content.images}
    categories = {category.id: category for category in content.categories}
    for annotation in content.annotations:
        if annotation.image_id not in frames or annotation.category_id not in categories:
            raise RefusedImport(f"{name}: annotation {annotation.id} is of an image or category that is not listed")
        category = categories[annotation.category_id]
        yield _Place(annotation, frames[annotation.image_id], category, target.label(category.name), name)


def _add(shapes: list[Shape], place: _Place, found: _Found) -> None:
    """Add shapes, or the one shape of a track."""
    values = place.annotation.attributes
    number = values.get("track_id")
    if not isinstance(number, int) or "keyframe" not in values or len(shapes) != 1 or shapes[0].elements:
        found.shapes += shapes
        return
    found.seen[number].append((shapes[0], values["keyframe"] is True))
    found.labels.setdefault(number, place.label)
    found.values[number] = values


def _instance_shapes(place: _Place, _target: Target) -> Iterator[Shape]:
    segmentation, bbox = place.annotation.segmentation, place.annotation.bbox
    if isinstance(segmentation, _Rle):
        points = _mask_points(segmentation, place)
        if points is not None:
            yield place.shape("mask", points)
    elif segmentation:
        for polygon in segmentation:
            yield place.shape("polygon", polygon)
    elif bbox:
        if len(bbox) != 4:
            raise RefusedImport(f"{place.told}: the bbox is not [x, y, width, height]")
        x, y, width, height = bbox
        yield place.shape("rectangle", [x, y, x + width, y + height], rotation=_rotation(place.annotation.attributes))


def _rotation(values: Mapping[str, Any]) -> float:
    rotation = values.get("rotation", 0)
    return float(rotation) % 360 if isinstance(rotation, int | float) else 0.0


def _mask_points(rle: _Rle, place: _Place) -> list[float] | None:
    from cvat.embedded.formats.masks import points_of
    from datasets.rle import parse_mask

    if rle.size != [place.frame.height, place.frame.width]:
        raise RefusedImport(f"{place.told}: the mask has the size {rle.size}, which is not the image's")
    try:
        return points_of(parse_mask({"size": rle.size, "counts": rle.counts}).pixels.astype(bool))
    except ValueError as error:
        raise RefusedImport(f"{place.told}: the mask is broken: {error}") from None


def _skeleton_shapes(place: _Place, target: Target) -> Iterator[Shape]:
    if place.annotation.keypoints:
        yield place.shape("skeleton", [], elements=list(_elements(place, target)))


def _elements(place: _Place, target: Target) -> Iterator[Element]:
    states = zip(*[iter(place.annotation.keypoints)] * 3, strict=False)
    for name, (x, y, state) in zip(place.category.keypoints, states, strict=False):
        part = target.label(name, parent=place.label)
        flags = {"outside": state == ABSENT, "occluded": state == HIDDEN}
        yield Element(frame=place.frame.index, label_id=part.id, source="file", type="points", points=[x, y], **flags)
