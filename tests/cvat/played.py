"""One round of annotation on a few small photographs: push, pre-label, correct, pull."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager

from cvat_sdk import Client
from msgspec.structs import replace
from PIL import Image as PillowImage

from cvat.annotator import annotate_task
from cvat.client import Credentials, connect
from cvat.jobs import pull_jobs, read_frames
from cvat.prelabel import write_prelabels
from cvat.project import push_project
from cvat.push import push_task
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Prelabel
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY

DOOR = LabelledObject("damaged door", (10.0, 10.0, 40.0, 30.0), score=0.9)
TRUTH = (LabelledObject("dent", (12.0, 12.0, 44.0, 36.0)), tag("dirty"))


def directly(server) -> AbstractContextManager[Client]:
    """A client of a server of the tests."""
    return connect(server.url, Credentials(server.user, server.password))


def photograph(store: ImageStore, shade: int) -> Image:
    content = io.BytesIO()
    PillowImage.new("RGB", (64, 48), (shade, 90, 30)).save(content, "JPEG")
    stored = store.write_image(content.getvalue())
    return Image(stored.sha256, stored.file_name, 64, 48, family=f"car-{shade:03}")


def push(client: Client, project: str, images: Sequence[Image], store: ImageStore) -> tuple[int, int]:
    """The ids of the project and of its one task, which has two frames a job."""
    project_id = push_project(client, project, DEFAULT_TAXONOMY)
    settings = CvatSettings(segment_size=2)
    return project_id, push_task(client, project_id, images, store, title="cars", subset="train", settings=settings)


def play(client: Client, project: str, images: Sequence[Image], store: ImageStore) -> list[object]:
    """Push, pre-label, correct and pull; what was pulled, without the server's ids."""
    _, task_id = push(client, project, images, store)
    frames = read_frames(client, task_id, {image.sha256: image for image in images})
    write_prelabels(client, frames, [Prelabel(image.sha256, "damage_detector@1", DOOR) for image in images], {})
    annotate_task(client, frames, {image.sha256: TRUTH for image in images})
    return [
        (job.sha256s, sorted([(sha256, replace(o, shape_id=None)) for sha256, o in job.objects], key=repr))
        for job in pull_jobs(client, frames)
    ]
