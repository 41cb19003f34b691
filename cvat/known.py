"""What a dataset knows of its images, as objects that CVAT takes: in the kind that the project gives their class.

COCO holds boxes, polygons and masks. An outline is made a mask and a mask an outline where the class wants the other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cvat.labels import MODEL
from cvat.tracks import shapes_of_track
from datasets.coco import Annotation, Dataset, Image, Rle
from datasets.exporting.geometry import corners, cut_out, mask_of, mask_of_polygons, outlines, row_runs
from datasets.exporting.losses import is_occluded, plain_attributes, polygons_of
from datasets.geometry import rotation_of
from datasets.labelled import LabelledObject
from datasets.rle import Mask
from datasets.snapshot import Snapshot
from datasets.taxonomy import Category, Taxonomy

Points = tuple[float, ...]


@dataclass(frozen=True)
class Known:
    """Objects by their image's SHA-256, and how many of each class cannot be drawn in the kind that it has.

    `predicted` are the images that a model looked at, whether it found something there or not.
    """

    objects: Mapping[str, Sequence[LabelledObject]]
    undrawn: Mapping[str, int]
    predicted: frozenset[str] = frozenset()


def known_objects(dataset: Dataset, taxonomy: Taxonomy) -> Known:
    """The dataset's annotations and tags under the project's classes.

    Raises:
        UnknownCategory: the project lacks a class of the dataset.
        BadDataset: a mask is broken.
    """
    category_of = _categories(dataset, taxonomy)
    objects: dict[str, list[LabelledObject]] = defaultdict(list)
    undrawn: Counter[str] = Counter()
    for image in dataset.images:
        for tag in image.tags:
            drawn = LabelledObject(category_of[tag.category_id].name, kind="tag", attributes=tag.attributes)
            objects[image.sha256].append(drawn)
        for group, annotation in enumerate(dataset.annotations_of.get(image.sha256, ()), start=1):
            category = category_of[annotation.category_id]
            drawn_parts = list(_draw(annotation, image, category, group))
            objects[image.sha256] += drawn_parts
            undrawn[category.name] += not drawn_parts
    return Known(objects, +undrawn, _predicted(dataset))


def _predicted(dataset: Dataset) -> frozenset[str]:
    """The images of sources in which a model drew something: it looked at all of them."""
    drawn = [a for a in dataset.annotations if a.source == "auto" and MODEL in a.attributes]
    sources = {origin.source for annotation in drawn for origin in annotation.origins}
    shown = {image.sha256 for image in dataset.images if any(view.source in sources for view in image.views)}
    return frozenset(shown | {annotation.sha256 for annotation in drawn})


def snapshot_objects(snapshot: Snapshot, taxonomy: Taxonomy) -> dict[str, list[LabelledObject]]:
    """What people left on the images of a snapshot, by SHA-256, with all that COCO cannot hold.

    An image in several tasks is told by the last. Tracks become the objects that they show. Whatever models drew has
    been accepted, and is no prediction any more; classes that the project lacks are left out.
    """
    objects: dict[str, list[LabelledObject]] = {}
    for task in reversed(snapshot.tasks):
        drawn = {frame.number: list(frame.objects) for frame in task.frames}
        for track in task.tracks:
            for number, labelled in shapes_of_track(track, sorted(drawn)):
                drawn[number].append(labelled)
        for frame in task.frames:
            if frame.sha256 not in objects:
                kept = [labelled for labelled in drawn[frame.number] if taxonomy.has(labelled.category)]
                objects[frame.sha256] = [_accepted(labelled, taxonomy) for labelled in kept]
    return objects


def _accepted(labelled: LabelledObject, taxonomy: Taxonomy) -> LabelledObject:
    category = taxonomy.name(taxonomy.category_id(labelled.category))
    return replace(labelled, category=category, model=None, score=None, shape_id=None)


def _categories(dataset: Dataset, taxonomy: Taxonomy) -> dict[int, Category]:
    used = {a.category_id for a in dataset.annotations}
    used |= {tag.category_id for image in dataset.images for tag in image.tags}
    return {
        number: taxonomy.categories[taxonomy.category_id(dataset.taxonomy.name(number)) - 1] for number in sorted(used)
    }


def _draw(annotation: Annotation, image: Image, category: Category, group: int) -> Iterator[LabelledObject]:
    attributes = plain_attributes(annotation)
    model = attributes.pop(MODEL, None)
    drawn = LabelledObject(
        category.name,
        score=annotation.score,
        model=model,
        attributes=attributes,
        occluded=is_occluded(annotation),
        source=annotation.source,
    )
    kind = _best_kind(annotation) if category.kind == "any" else category.kind
    if kind == "rectangle":
        turn = 0.0 if annotation.segmentation else rotation_of(annotation.attributes) % 360
        yield replace(drawn, kind="rectangle", points=_sides(annotation), rotation=turn)
    elif kind == "ellipse":
        left, top, right, bottom = _sides(annotation)
        middle = ((left + right) / 2, (top + bottom) / 2)
        yield replace(
            drawn, kind="ellipse", points=(*middle, right, top), rotation=rotation_of(annotation.attributes) % 360
        )
    elif kind == "mask":
        if mask := _mask(annotation, image):
            yield replace(drawn, kind="mask", points=_crop(mask))
    elif kind == "polygon":
        parts = _polygons(annotation, image)
        for points in parts:
            yield replace(drawn, kind="polygon", points=points, group=group if len(parts) > 1 else 0)


def _best_kind(annotation: Annotation) -> str:
    if isinstance(annotation.segmentation, Rle):
        return "mask"
    return "polygon" if polygons_of(annotation) else "rectangle"


def _sides(annotation: Annotation) -> tuple[float, float, float, float]:
    x, y, width, height = annotation.bbox_xywh
    return x, y, x + width, y + height


def _polygons(annotation: Annotation, image: Image) -> Sequence[Points]:
    if isinstance(annotation.segmentation, Rle):
        return outlines(mask_of(annotation.segmentation, image))[0]
    return polygons_of(annotation) or [corners(annotation)]


def _mask(annotation: Annotation, image: Image) -> Mask | None:
    """None where no pixel is on."""
    if isinstance(annotation.segmentation, Rle):
        mask = mask_of(annotation.segmentation, image)
    else:
        mask = mask_of_polygons(polygons_of(annotation) or [corners(annotation)], image)
    return mask if mask.area else None


def _crop(mask: Mask) -> Points:
    """A mask's points: run lengths along the rows of its box, then the box's corners, the last inside."""
    left, top, pixels = cut_out(mask)
    height, width = pixels.shape
    return (*map(float, row_runs(pixels)), left, top, left + width - 1, top + height - 1)
