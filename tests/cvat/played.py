"""One round of annotation on a few small photographs: push, pre-label, correct, accept."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from cvat_sdk import Client
from msgspec.structs import replace
from PIL import Image as PillowImage

from cvat.annotator import annotate_task
from cvat.client import Credentials, connect
from cvat.jobs import Frames, list_jobs, read_frames, read_objects
from cvat.prelabel import prelabel_job
from cvat.project import push_project
from cvat.push import push_task
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger, Prelabel
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


@contextmanager
def new_ledger() -> Iterator[Ledger]:
    """An empty ledger for the block."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite")
        yield ledger
        ledger.close()


def prelabel_task(client: Client, ledger: Ledger, frames: Frames, predictions: Sequence[Prelabel]) -> list[int]:
    """Pre-label the new jobs of a task; gives their ids."""
    new = [job for job in list_jobs(client, task_id=frames.task_id) if job.is_new]
    for job in new:
        shown = [frames.sha256[number] for number in job.frames]
        ours = [prediction for prediction in predictions if prediction.sha256 in shown]
        prelabel_job(client, ledger, job.id, frames, ours, sha256s=shown, models={"damage_detector"})
    return [job.id for job in new]


def play(client: Client, project: str, images: Sequence[Image], store: ImageStore) -> list[object]:
    """Push, pre-label, correct and accept; what each accepted job has then, without the server's ids."""
    _, task_id = push(client, project, images, store)
    frames = read_frames(client, task_id, {image.sha256: image for image in images})
    predictions = [Prelabel(image.sha256, "damage_detector@1", DOOR) for image in images]
    with new_ledger() as ledger:
        prelabel_task(client, ledger, frames, predictions)
    annotate_task(client, frames, {image.sha256: TRUTH for image in images})
    return [
        sorted([(sha256, replace(o, shape_id=None)) for sha256, o in read_objects(client, job.id, frames)], key=repr)
        for job in list_jobs(client, task_id=task_id)
        if job.is_accepted
    ]
