"""A dataset with derived images in the place of others: annotations, families and sides stay as they are."""

from collections.abc import Collection, Mapping

import msgspec
from msgspec.structs import replace

from datasets.blurring.ledger import Derived
from datasets.merging.conflicts import Conflict
from datasets.records import AnnotationRecord, CocoFile, ImageRecord
from datasets.snapshot import Snapshot

BLURRED = "blurred.json"  # beside a version's annotations


def with_derived(content: CocoFile, derived: Mapping[str, Derived]) -> CocoFile:
    """The dataset with `derived[sha256]` for each such image, in the same pixels; all numbers stay.

    A derived image says where it is from. It has no copies: what was drawn on one counts as it is shown.
    """
    changed = {image.id for image in content.images if image.sha256 in derived}
    return CocoFile(
        content.categories,
        [_image(image, derived) for image in content.images],
        [_unshaped(one) if one.image_id in changed else one for one in content.annotations],
    )


def _image(image: ImageRecord, derived: Mapping[str, Derived]) -> ImageRecord:
    near = tuple(sorted(derived[other].sha256 if other in derived else other for other in image.near))
    new = derived.get(image.sha256)
    if new is None:
        return replace(image, near=near)
    return replace(
        image,
        sha256=new.sha256,
        file_name=new.file_name,
        width=new.width,
        height=new.height,
        near=near,
        copies=(),
        views=tuple(replace(view, sha256=None) for view in image.views),
        derived_from=image.sha256,
    )


def _unshaped(annotation: AnnotationRecord) -> AnnotationRecord:
    origins = tuple(replace(origin, shape=None) for origin in annotation.origins)
    return replace(annotation, origins=origins)


def conflicts_with_derived(conflicts: Collection[Conflict], derived: Mapping[str, Derived]) -> list[Conflict]:
    """The same conflicts, about the derived images."""
    return [
        replace(one, sha256=derived[one.sha256].sha256, file_name=derived[one.sha256].file_name)
        if one.sha256 in derived
        else one
        for one in conflicts
    ]


def snapshot_with_derived(snapshot: Snapshot, derived: Mapping[str, Derived]) -> Snapshot:
    """The same snapshot, with frames that show the derived images."""

    def shown(sha256: str) -> str:
        return derived[sha256].sha256 if sha256 in derived else sha256

    return replace(
        snapshot,
        tasks=tuple(
            replace(task, frames=tuple(replace(frame, sha256=shown(frame.sha256)) for frame in task.frames))
            for task in snapshot.tasks
        ),
    )


def told_beside(derived: Mapping[str, Derived], how: Mapping[str, object]) -> bytes:
    """What the file beside a version's annotations says: how its images were made unreadable, and where."""
    images = {new.sha256: {"derived_from": old, "boxes_xyxy": new.boxes_xyxy} for old, new in derived.items()}
    told = msgspec.json.encode({"how": how, "images": dict(sorted(images.items()))}, order="deterministic")
    return msgspec.json.format(told, indent=1) + b"\n"
