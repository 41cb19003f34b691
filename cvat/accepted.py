"""The dataset that people agreed to: what was pulled, without what may not or cannot be in it, which is counted."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from cvat.tracks import shapes_of_track
from datasets.coco import Annotation, Dataset, Image, make_dataset
from datasets.comparison import Fate
from datasets.labelled import LabelledObject
from datasets.ledger import FateRow
from datasets.review import accepted_dataset, beyond_coco
from datasets.snapshot import Frame, TaskSnapshot
from datasets.taxonomy import Taxonomy


@dataclass(frozen=True)
class Accepted:
    """The dataset, and what is not in it.

    `drift` counts objects of classes that the project file lacks, by class; `left_out` frames and objects by reason.
    """

    dataset: Dataset
    drift: Mapping[str, int]
    left_out: Mapping[str, int]


@dataclass
class _Choice:
    """Which frame tells of each image, by SHA-256, with the place of its task; and why other frames do not."""

    frames: dict[str, tuple[int, Frame]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def make_accepted(
    tasks: Sequence[TaskSnapshot],
    taxonomy: Taxonomy,
    images: Mapping[str, Image],
    *,
    withheld: Mapping[str, str],
    annotated_ids: Collection[int] | None = None,
) -> Accepted:
    """A dataset of what is on these tasks' frames, with tracks as an object on every frame where they are seen.

    An image that several frames show is told by the last task, and there by the first frame. `images` are those that
    are known, by SHA-256; `withheld` says why some may not be in the dataset. Deleted frames become tombstones. The
    others were searched for the classes of `annotated_ids`, by default for all of the taxonomy.
    """
    choice = _choose_frames(tasks, images, withheld)
    objects = list(_objects(tasks, choice.frames))
    drift = Counter(labelled.category for _, labelled in objects if not taxonomy.has(labelled.category))
    rows = [FateRow(sha256, None, Fate("added", None, o)) for sha256, o in objects if taxonomy.has(o.category)]
    as_pulled = {sha256: _as_pulled(images[sha256], frame) for sha256, (_, frame) in choice.frames.items()}
    live = [image for image in as_pulled.values() if not image.deleted]
    annotated = taxonomy.ids() if annotated_ids is None else annotated_ids
    searched = accepted_dataset(taxonomy, live, rows, annotated_ids=annotated)
    tombstones = [image for image in as_pulled.values() if image.deleted]
    dataset = make_dataset(taxonomy, [*searched.images, *tombstones], searched.annotations)
    return Accepted(dataset, dict(drift), dict(choice.left_out + _objects_left_out(rows, searched)))


def _objects_left_out(rows: Sequence[FateRow], dataset: Dataset) -> Counter[str]:
    """Objects that are in no annotation or tag of the dataset, by reason."""
    kinds = Counter(row.fate.after.kind for row in rows if row.fate.after)
    shapes = kinds.total() - kinds["tag"] - sum(beyond_coco(rows).values())
    return Counter(
        {
            **{f"{kind}, which COCO lacks": count for kind, count in beyond_coco(rows).items()},
            "tags that say the same": kinds["tag"] - sum(len(image.tags) for image in dataset.images),
            "objects with nothing inside their image": shapes - sum(map(_parts, dataset.annotations)),
        }
    )


def _parts(annotation: Annotation) -> int:
    """How many shapes an annotation was drawn with."""
    return max(len(annotation.segmentation), 1) if isinstance(annotation.segmentation, tuple) else 1


def _choose_frames(tasks: Sequence[TaskSnapshot], images: Mapping[str, Image], withheld: Mapping[str, str]) -> _Choice:
    choice = _Choice()
    for place in reversed(range(len(tasks))):
        for frame in tasks[place].frames:
            if reason := withheld.get(frame.sha256) or _unfit(frame, images) or _repeated(frame, choice):
                choice.left_out[f"frames {reason}"] += 1
            else:
                choice.frames[frame.sha256] = (place, frame)
    return choice


def _unfit(frame: Frame, images: Mapping[str, Image]) -> str | None:
    image = images.get(frame.sha256)
    if image is None:
        return "of images that are not on the shelf"
    return None if (frame.width, frame.height) == (image.width, image.height) else "of another size than their image"


def _repeated(frame: Frame, choice: _Choice) -> str | None:
    return "of images that another frame tells of" if frame.sha256 in choice.frames else None


def _objects(
    tasks: Sequence[TaskSnapshot], chosen: Mapping[str, tuple[int, Frame]]
) -> Iterator[tuple[str, LabelledObject]]:
    """What is on the chosen frames that are not deleted; tracks are numbered through all tasks."""
    live: list[dict[int, str]] = [{} for _ in tasks]
    for sha256, (place, frame) in chosen.items():
        if not frame.deleted:
            live[place][frame.number] = sha256
            yield from ((sha256, labelled) for labelled in frame.objects)
    track_id = 0
    for task, sha256_of in zip(tasks, live, strict=True):
        for track in task.tracks:
            track_id += 1
            for number, labelled in shapes_of_track(track, sorted(sha256_of)):
                yield sha256_of[number], replace(labelled, track_id=track_id)


def _as_pulled(image: Image, frame: Frame) -> Image:
    """The image without what others said of it before."""
    return replace(
        image,
        tags=(),
        neg_category_ids=(),
        not_exhaustive_category_ids=(),
        views=(),
        deleted=frame.deleted,
    )
