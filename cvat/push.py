"""Pushing images as a task: keyed by content, so that pushing again does nothing."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cvat_sdk import Client, models

from cvat.client import address, list_all
from cvat.errors import CvatConflict, told_in_a_sentence
from cvat.frames import frame_name
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.files import digest
from datasets.store import ImageStore


def push_task(
    client: Client,
    project_id: int,
    images: Sequence[Image],
    store: ImageStore,
    *,
    title: str,
    subset: str,
    settings: CvatSettings,
) -> int:
    """The id of the task that holds these images, made if need be.

    The task's name ends with a digest of the images. A task of that name whose upload was cut short is replaced;
    a whole one is taken as it is. Frames are in the order of families.
    """
    ordered = sorted(images, key=lambda image: (image.family, frame_name(image)))
    name = f"{title} [{digest([image.sha256 for image in ordered])[:12]}]"
    with told_in_a_sentence(f"pushing task {name!r}", address(client)):
        task_id = _whole_task(client, project_id, name, frames=len(ordered))
        if task_id is None:
            task_id = _create(client, project_id, name, ordered, store, subset=subset, settings=settings)
    return task_id


def _whole_task(client: Client, project_id: int, name: str, *, frames: int) -> int | None:
    """The oldest complete task of that name; incomplete ones, which nobody can have worked on, are removed."""
    found = list_all(client.api_client.tasks_api, project_id=project_id, name=name)
    whole = [task for task in found if getattr(task, "size", 0) and task.jobs.count]  # no data yet: no size at all
    incomplete = [task.id for task in found if task not in whole]
    if incomplete:
        client.tasks.remove_by_ids(incomplete)
    if not whole:
        return None
    if whole[0].size != frames:
        raise CvatConflict(f"CVAT task {name!r} has {whole[0].size} frames instead of {frames}; remove or rename it")
    return int(whole[0].id)


def _create(
    client: Client,
    project_id: int,
    name: str,
    images: Sequence[Image],
    store: ImageStore,
    *,
    subset: str,
    settings: CvatSettings,
) -> int:
    spec = models.TaskWriteRequest(
        name=name, project_id=project_id, subset=subset, segment_size=settings.segment_size, overlap=0
    )
    # cvat-sdk names a frame after its file, and follows symbolic links; the store's files are named by digest alone.
    with tempfile.TemporaryDirectory(prefix="push-", dir=store.root) as staging:
        links = [Path(staging) / frame_name(image) for image in images]
        for link, image in zip(links, images, strict=True):
            link.hardlink_to(store.path(image.file_name))
        task = client.tasks.create_from_data(
            spec,
            resources=links,
            data_params={"image_quality": settings.image_quality, "sorting_method": "predefined"},
        )
    return int(task.id)
