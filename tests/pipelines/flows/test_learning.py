"""A learn that cannot be done: what people are told, and when it is tried again."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from cvat.client import call
from cvat.errors import CvatUnavailable
from cvat.jobs import list_jobs, list_tasks
from cvat.project import require_project
from datasets.coco import make_dataset
from datasets.errors import BadInput, Unavailable
from datasets.records import Split
from datasets.store import ImageStore
from datasets.versions import write_version
from pipelines.annotation.desk import Desk, open_desk
from pipelines.annotation.pushing import PushChoice, push_version
from pipelines.flows import learning
from pipelines.flows.learning import learn_accepted, read_standing
from pipelines.flows.starting import read_waiting
from pipelines.progress import Progress
from tests.cvat.conftest import CvatServer
from tests.cvat.played import photograph
from training.errors import TrainingFailed

PROJECT = "cvat: {{url: '{url}', project: {name}, segment_size: 2}}\nflows: {{learn: {{curate: false}}}}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def desk(server: CvatServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A project of its own on the server, with nothing in it."""
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    project_path = home.parent / "carloop.yaml"
    project_path.write_text(PROJECT.format(url=server.url, name=home.parent.name))
    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        yield desk


def push_and_accept(desk: Desk, *, sides: dict[int, Split | None]) -> None:
    """Push a photograph of each shade, on its side; people accept the jobs of what is learnt from."""
    store = ImageStore(desk.shelf.store.root)
    images = [replace(photograph(store, shade), split=side) for shade, side in sides.items()]
    version = write_version(make_dataset(desk.project.taxonomy, images, []), desk.shelf.versions)
    push_version(desk, version, desk.project.cvat, PushChoice())
    accept_jobs(desk, of_tests=False)


def accept_jobs(desk: Desk, *, of_tests: bool) -> None:
    accepted = msgspec.json.encode({"stage": "acceptance", "state": "completed"})
    for task in list_tasks(desk.client, require_project(desk.client, desk.project.cvat.project)):
        if (task.subset == "test") is of_tests:
            for job in list_jobs(desk.client, task_id=task.id):
                call(desk.client, "PATCH", f"/api/jobs/{job.id}", body=accepted)


def test_tests_that_were_pushed_have_to_be_accepted_first(desk: Desk, home: Path) -> None:
    push_and_accept(desk, sides={20: "train", 60: "train", 100: "test"})
    with pytest.raises(BadInput, match=r"none of the 2 images .* one of the 1 of the test side .*job of a test task"):
        learn_accepted(desk, home)
    waiting = read_waiting(desk, read_standing(desk, home))
    assert (waiting.standing, waiting.images) == ("at rest", 2)
    accept_jobs(desk, of_tests=True)
    assert "2 corrected images are new and 20 are needed" in str(learn_accepted(desk, home))


def test_a_version_without_sides_has_to_be_given_some(desk: Desk, home: Path) -> None:
    push_and_accept(desk, sides={20: None, 60: None})
    with pytest.raises(BadInput, match="push a version that carloop dataset split gave sides"):
        learn_accepted(desk, home)
    assert read_standing(desk, home) == "at rest"


@pytest.mark.parametrize(
    ("error", "standing"),
    [
        (BadInput("the project file has other classes"), "at rest"),
        (TrainingFailed("the loss is no number"), "at rest"),
        (Unavailable("the registry is away"), "cut short"),
        (CvatUnavailable("CVAT is away"), "cut short"),
        (RuntimeError("a bug"), "cut short"),
        (KeyboardInterrupt(), "cut short"),
    ],
)
def test_what_people_have_to_mend_is_not_gone_on_with_by_itself(
    error: BaseException, standing: str, desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(learning, "_gather", fail)
    with pytest.raises(type(error)):
        learn_accepted(desk, home)
    assert read_standing(desk, home) == standing
