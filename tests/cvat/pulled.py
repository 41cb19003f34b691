"""A desk to pull with: a project that has every kind of label, photographs, and a ledger."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from cvat_sdk import Client, models
from PIL import Image as PillowImage

from cvat.accepted import Accepted, make_accepted
from cvat.held import identify
from cvat.jobs import list_jobs
from cvat.labels import label_specs, read_labels
from cvat.pull import Listing, Puller, read_tasks
from cvat.push import push_task
from cvat.settings import CvatSettings
from cvat.wire import change_wire, data_of, to_wire, track_to_wire
from datasets.coco import Image
from datasets.labelled import LabelledObject, Track, tag
from datasets.ledger import Ledger
from datasets.snapshot import TaskSnapshot
from datasets.store import ImageStore
from datasets.taxonomy import Attribute, Category, Element, Taxonomy

TAXONOMY = Taxonomy(
    categories=(
        Category(name="dent", attributes=(Attribute(name="note"), Attribute(name="old", type="checkbox"))),
        Category(name="crack", kind="polyline"),
        Category(name="hole", kind="polygon"),
        Category(name="rust", kind="mask"),
        Category(name="corners", kind="points"),
        Category(name="wheel", kind="ellipse"),
        Category(name="car", kind="cuboid"),
        Category(
            name="door",
            kind="skeleton",
            elements=(Element(name="hinge", x=10, y=10), Element(name="handle", x=90, y=50)),
            edges=(("hinge", "handle"),),
        ),
        Category(name="dirty", kind="tag"),
    )
)
DENT = LabelledObject("dent", (10.25, 10.5, 40.0, 30.0), attributes={"note": "Kratzer – tief", "old": "true"})
EVERY_KIND = (
    DENT,
    LabelledObject("dent", (20.0, 15.0, 40.0, 30.0), rotation=33.3, attributes={"note": "", "old": "false"}),
    LabelledObject("crack", (1.0, 2.0, 30.125, 4.5, 7.0, 40.0), kind="polyline", occluded=True),
    LabelledObject("hole", (1.0, 1.0, 20.0, 1.0, 10.0, 20.0), kind="polygon", group=3, z_order=-2),
    LabelledObject("rust", (1.0, 2.0, 2.0, 1.0, 5.0, 6.0, 7.0, 7.0), kind="mask"),
    LabelledObject("corners", (3.25, 4.0, 50.0, 6.0), kind="points"),
    LabelledObject("wheel", (30.0, 20.0, 42.0, 12.0), kind="ellipse", rotation=20.0),
    LabelledObject("car", tuple(float(value) for value in range(16)), kind="cuboid"),
    LabelledObject(
        "door",
        kind="skeleton",
        elements=(
            LabelledObject("hinge", (5.0, 6.0), kind="points"),
            LabelledObject("handle", (9.0, 9.0), kind="points", outside=True),
        ),
    ),
    tag("dirty"),
)


@dataclass
class PullDesk:
    """One project with a task of four photographs in two jobs, and a ledger."""

    client: Client
    images: Sequence[Image]
    store: ImageStore
    ledger: Ledger
    project_id: int
    task_ids: list[int] = field(default_factory=list)
    puller: Puller | None = None

    def push(self, images: Sequence[Image] | None = None, *, overlap: int = 0, segment_size: int = 2) -> int:
        """A new task of these images."""
        task_id = push_task(
            self.client,
            self.project_id,
            self.images if images is None else images,
            self.store,
            title=f"task {len(self.task_ids)}",
            subset="train",
            settings=CvatSettings(segment_size=segment_size, overlap=overlap),
        )
        self.task_ids.append(task_id)
        return task_id

    def jobs(self, task_id: int | None = None) -> list[int]:
        return [job.id for job in list_jobs(self.client, task_id=task_id or self.task_ids[0])]

    def draw(self, job_id: int, frame: int, *objects: LabelledObject) -> None:
        labels = read_labels(self.client, "project_id", self.project_id)
        change_wire(self.client, "jobs", job_id, "create", data_of(to_wire(o, frame, labels) for o in objects))

    def draw_track(self, job_id: int, *tracks: Track) -> None:
        labels = read_labels(self.client, "project_id", self.project_id)
        change_wire(self.client, "jobs", job_id, "create", data_of([], [track_to_wire(t, labels) for t in tracks]))

    def accept(self, *job_ids: int, stage: str = "acceptance", state: str = "completed") -> None:
        for job_id in job_ids or self.jobs():
            self.client.jobs.retrieve(job_id).update(models.PatchedJobWriteRequest(stage=stage, state=state))

    def delete_frame(self, number: int) -> None:
        self.client.tasks.retrieve(self.task_ids[0]).remove_frames_by_ids([number])

    def pull(self, **options: Any) -> Listing:
        self.puller = Puller(
            self.client, self.project_id, self.ledger, lambda _, names: identify(names, (), self.store), **options
        )
        return self.puller.pull()

    def tasks(self, **options: Any) -> list[TaskSnapshot]:
        return read_tasks(self.ledger, self.pull(**options))

    def accepted(self, withheld: Mapping[str, str] | None = None) -> Accepted:
        by_sha256 = {image.sha256: image for image in self.images}
        return make_accepted(self.tasks(), TAXONOMY, by_sha256, withheld=withheld or {})

    @property
    def read(self) -> int:
        assert self.puller is not None
        return self.puller.read


def make_desk(client: Client, folder: Path) -> PullDesk:
    """A desk with one task of four photographs in two jobs."""
    store = ImageStore(folder / "store")
    images = [photograph(store, number) for number in range(4)]
    labels = label_specs(TAXONOMY)
    project = client.projects.create(models.ProjectWriteRequest(name=f"cars {uuid4().hex}", labels=labels))
    desk = PullDesk(client, images, store, open_ledger(folder), project.id)
    desk.push()
    return desk


def open_ledger(folder: Path) -> Ledger:
    return Ledger(f"sqlite:///{folder / 'ledger.sqlite'}", scope="test")


def photograph(store: ImageStore, number: int) -> Image:
    content = io.BytesIO()
    PillowImage.new("RGB", (64, 48), (number * 40, 90, 120)).save(content, "PNG")
    stored = store.write_image(content.getvalue())
    return Image(stored.sha256, stored.file_name, stored.width, stored.height, family=f"car {number}")
