"""Images in tasks: which of them each task holds, and making it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from cvat_sdk import Client

from cvat.frames import frame_name
from cvat.settings import CvatSettings
from cvat.tasks import make_task
from cvat.uploads import Sent, send_images
from datasets.coco import Image
from datasets.files import digest
from datasets.store import ImageStore

_KEY_DIGITS = 12


@dataclass(frozen=True)
class Batch:
    """The images of one task, in their order; the task's name ends with a digest of them.

    `requests` says of images that go into another task once more at whose request, by number.
    """

    title: str
    subset: str
    images: tuple[Image, ...]
    requests: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        key = [*(image.sha256 for image in self.images), *self.requests]
        return f"{self.title} [{digest(key)[:_KEY_DIGITS]}]"


def plan_batches(
    images: Iterable[Image],
    *,
    title: str,
    subset: str | None,
    size: int,
    requests: Mapping[str, int] = MappingProxyType({}),
) -> list[Batch]:
    """Images in tasks of `size`, in the order of families; in one subset, or each in that of its split.

    `requests` are those at which images go into another task once more, by SHA-256.
    """
    by_subset: dict[str, list[Image]] = {}
    for image in sorted(images, key=lambda image: (image.family, frame_name(image))):
        by_subset.setdefault((image.split or "") if subset is None else subset, []).append(image)
    return [
        _batch(title, name, found[start : start + size], requests)
        for name, found in sorted(by_subset.items())
        for start in range(0, len(found), size)
    ]


def _batch(title: str, subset: str, images: Sequence[Image], requests: Mapping[str, int]) -> Batch:
    asked = tuple(requests[image.sha256] for image in images if image.sha256 in requests)
    return Batch(title, subset, tuple(images), asked)


def push_batch(
    client: Client,
    project_id: int,
    batch: Batch,
    store: ImageStore,
    settings: CvatSettings,
    *,
    validation: Mapping[str, Any] | None = None,
    sent: Sent = lambda count: None,
) -> int:
    """The id of the task that holds these images, made if need be. Raises CvatError."""
    spec = {
        "name": batch.name,
        "project_id": project_id,
        "subset": batch.subset,
        "segment_size": settings.segment_size,
        "overlap": settings.overlap,
    }
    fill: Callable[[int], None] = partial(
        send_images, client, images=batch.images, store=store, settings=settings, validation=validation, sent=sent
    )
    return make_task(client, spec, len(batch.images), fill)
