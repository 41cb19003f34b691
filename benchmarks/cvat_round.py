"""One round of annotation as a process that can be killed: push, correct and accept, pull. Run again, it goes on.

    python -m benchmarks.cvat_round FOLDER --url URL --project NAME

FOLDER keeps the ledger. What was pulled is written there last, as a snapshot by names and content.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import click
from cvat_sdk import Client
from PIL import Image as PillowImage

from cvat.annotator import annotate_task
from cvat.client import Credentials, connect
from cvat.contents import specs_of
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.filling import Content
from cvat.jobs import read_frames
from cvat.pull import Puller, read_tasks
from cvat.push import Order, Pusher
from cvat.settings import CvatSettings
from datasets.coco import Image
from datasets.files import write_bytes
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger
from datasets.snapshot import encode_snapshot, make_snapshot
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY

IMAGES = 12
PULLED = "pulled.json"
_GUESS = LabelledObject("damaged door", (10.0, 10.0, 40.0, 30.0), score=0.9, model="damage_detector@1", source="auto")
_TRUTH = (LabelledObject("dent", (12.0, 12.0, 44.0, 36.0)), tag("dirty"))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--url", required=True)
@click.option("--project", required=True)
def main(folder: Path, url: str, project: str) -> None:
    """Push, correct, accept and pull."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    credentials = Credentials(os.environ[USER_VARIABLE], os.environ[PASSWORD_VARIABLE])
    with connect(url, credentials) as client, ledger.lock("round"):
        write_bytes(folder / PULLED, _play(client, ledger, ImageStore(folder / "store"), project))
    ledger.close()


def _play(client: Client, ledger: Ledger, store: ImageStore, project: str) -> bytes:
    images = [_photograph(store, 20 * number) for number in range(IMAGES)]
    settings = CvatSettings(project=project, task_size=IMAGES // 2, segment_size=IMAGES // 4)
    content = Content(objects={image.sha256: [_GUESS] for image in images})
    pushed = Pusher(client, ledger, store, DEFAULT_TAXONOMY, settings).push(Order("cars", images, "train", content))
    _correct(client, ledger, images)
    frames = ledger.read_frames()
    puller = Puller(client, pushed.project_id, ledger, lambda task_id, names: frames[task_id])
    listing = puller.pull()
    return encode_snapshot(make_snapshot(specs_of(listing.labels), read_tasks(ledger, listing)))


def _correct(client: Client, ledger: Ledger, images: Sequence[Image]) -> None:
    by_sha256 = {image.sha256: image for image in images}
    for task_id in ledger.read_frames():
        annotate_task(client, read_frames(client, task_id, by_sha256), dict.fromkeys(by_sha256, _TRUTH))


def _photograph(store: ImageStore, shade: int) -> Image:
    content = io.BytesIO()
    PillowImage.new("RGB", (64, 48), (shade, 90, 30)).save(content, "JPEG")
    stored = store.write_image(content.getvalue())
    return Image(stored.sha256, stored.file_name, 64, 48, family=f"car-{shade:03}")


if __name__ == "__main__":
    main()
