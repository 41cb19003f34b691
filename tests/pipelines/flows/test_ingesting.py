"""`ingest` in a home, on the embedded CVAT: what was scraped is put before people once, pre-annotated by champions.

The steps run as Prefect would run them, without its server.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cvat_sdk import Client
from rich.console import Console

from cvat.jobs import Job, list_jobs, list_tasks, read_frames, read_objects
from cvat.project import require_project
from datasets.coco import Image
from datasets.decisions import Decision, write_decisions
from pipelines.annotation.desk import open_desk
from pipelines.flows import entries
from pipelines.flows.ingesting import choose_next, collect_scraped, push_next
from pipelines.progress import Progress
from pipelines.project import read_project
from pipelines.scraping.place import Scraped
from pipelines.scraping.recipes import find_sources
from pipelines.scraping.running import run
from pipelines.shelf import Shelf
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly
from tests.pipelines.dataset.helpers import jpeg, picture
from tests.pipelines.selecting.conftest import publish_models

Ingest = Callable[[], dict[str, Any]]
FIRST, AT_ONCE, LATER = 10, 8, 6
PROJECT: dict[str, Any] = {
    "name": "cars",
    "split": {"test_fraction": 0.25},
    "cvat": {"project": "cars", "segment_size": 2, "control_share": 0.0},
    "flows": {"ingest": {"images": AT_ONCE}},
}


@pytest.fixture(scope="module")
def client(server: CvatServer) -> Iterator[Client]:
    with directly(server) as client:
        yield client


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ingest") / "home"


@pytest.fixture(scope="module")
def photographs(home: Path) -> Path:
    """The folder that the project scrapes."""
    folder = home.parent / "photographs"
    folder.mkdir()
    return folder


def take(photographs: Path, numbers: range) -> None:
    for number in numbers:
        (photographs / f"{number}.jpg").write_bytes(jpeg(picture(number)))


@pytest.fixture(scope="module")
def ingest(server: CvatServer, home: Path, photographs: Path) -> Iterator[Ingest]:
    """Runs the flow once; gives what it tells of what it pushed."""
    source = {"kind": "local", "name": "mine", "path": str(photographs), "license": "CC0-1.0"}
    project_path = home.parent / "carloop.yaml"
    scrape = {"sources": [source], "relevance": {"min_side": 8, "same_below": 0}}
    cvat = {**PROJECT["cvat"], "url": server.url}
    project_path.write_text(yaml.safe_dump({**PROJECT, "cvat": cvat, "scrape": scrape}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARLOOP_CVAT_USER", server.user)
        patch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
        patch.setattr(entries, "attempt", lambda name, function, **choices: function)
        patch.setattr(entries, "scrape_flow", scrape_now)
        yield lambda: entries.ingest.fn(project_path, home)


def scrape_now(project_path: Path, home: Path) -> None:
    project = read_project(project_path)
    assert run(find_sources(project, ()), Scraped(home), project, as_json=False, limit=None)


@pytest.fixture(scope="module")
def before_any_model(ingest: Ingest, photographs: Path, client: Client, home: Path) -> dict[int, list[str]]:
    """What CVAT has after the first ingest."""
    take(photographs, range(FIRST))
    ingest()
    return frames_by_task(client, home)


@pytest.fixture(scope="module")
def with_champions(
    before_any_model: dict[int, list[str]],
    ingest: Ingest,
    photographs: Path,
    client: Client,
    home: Path,
) -> dict[int, list[str]]:
    """What the next ingest puts into CVAT, when there are published models and more photographs."""
    publish_models(home / "bundles", home.parent)
    take(photographs, range(FIRST, FIRST + LATER))
    ingest()
    tasks = frames_by_task(client, home)
    return {task_id: tasks[task_id] for task_id in tasks.keys() - before_any_model.keys()}


def frames_by_task(client: Client, home: Path) -> dict[int, list[str]]:
    """The images of each task, by SHA-256."""
    images = scraped(home)
    tasks = list_tasks(client, require_project(client, "cars"))
    return {task.id: list(read_frames(client, task.id, images).sha256) for task in tasks}


def scraped(home: Path) -> dict[str, Image]:
    return dict(Shelf(home).read("cars-scraped").by_sha256)


def jobs_of(client: Client, tasks: dict[int, list[str]], subset: str) -> list[Job]:
    named = {t.id for t in list_tasks(client, require_project(client, "cars")) if t.subset == subset}
    return [job for task_id in tasks.keys() & named for job in list_jobs(client, task_id=task_id)]


def objects_in(client: Client, home: Path, job: Job) -> list[Any]:
    return list(read_objects(client, job.id, read_frames(client, job.task_id, scraped(home))))


def test_all_that_was_scraped_becomes_a_version_and_a_part_of_it_is_pushed(
    before_any_model: dict[int, list[str]], home: Path
) -> None:
    pushed = [sha256 for frames in before_any_model.values() for sha256 in frames]
    assert len(set(pushed)) == len(pushed) == AT_ONCE
    assert set(pushed) == {image.sha256 for image in Shelf(home).read("cars-next").images} < scraped(home).keys()


def test_what_is_tested_on_has_a_task_of_its_own(
    before_any_model: dict[int, list[str]], client: Client, home: Path
) -> None:
    sides = {image.sha256: image.split for image in Shelf(home).read("cars-next").images}
    subsets = {task.id: task.subset for task in list_tasks(client, require_project(client, "cars"))}
    assert {subsets[task_id] for task_id in before_any_model} == {"train", "test"}
    for task_id, frames in before_any_model.items():
        assert {sides[sha256] for sha256 in frames} == {subsets[task_id]}


def test_nothing_is_pre_annotated_before_there_is_a_model(
    before_any_model: dict[int, list[str]], client: Client, home: Path
) -> None:
    jobs = [*jobs_of(client, before_any_model, "train"), *jobs_of(client, before_any_model, "test")]
    assert len(jobs) >= AT_ONCE // 2
    assert not [found for job in jobs for found in objects_in(client, home, job)]


def test_champions_pre_annotate_what_is_learnt_from_and_never_what_is_tested_on(
    with_champions: dict[int, list[str]], client: Client, home: Path
) -> None:
    lessons = jobs_of(client, with_champions, "train")
    assert lessons
    assert all(objects_in(client, home, job) for job in lessons)
    assert not [found for job in jobs_of(client, with_champions, "test") for found in objects_in(client, home, job)]


def test_no_photograph_is_put_before_people_twice(
    before_any_model: dict[int, list[str]], with_champions: dict[int, list[str]]
) -> None:
    first = {sha256 for frames in before_any_model.values() for sha256 in frames}
    assert first.isdisjoint(sha256 for frames in with_champions.values() for sha256 in frames)


def test_what_a_killed_push_left_is_not_pushed_twice(
    with_champions: dict[int, list[str]], ingest: Ingest, client: Client, home: Path
) -> None:
    before = frames_by_task(client, home)
    with open_desk(home.parent / "carloop.yaml", home, Progress(Console(stderr=True))) as desk:
        push_next(desk, "cars-next")
    assert frames_by_task(client, home) == before


def test_what_was_chosen_before_a_kill_is_pushed_before_anything_else_is_chosen(
    with_champions: dict[int, list[str]], ingest: Ingest, photographs: Path, home: Path
) -> None:
    def choose(numbers: range) -> str:
        take(photographs, numbers)
        scrape_now(project_path, home)
        with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
            collect_scraped(desk.project, home)
            assert choose_next(desk, home) == "cars-next"
            return desk.shelf.find("cars-next").name

    project_path = home.parent / "carloop.yaml"
    chosen = choose(range(FIRST + LATER, FIRST + LATER + 3))
    assert choose(range(FIRST + LATER + 3, FIRST + LATER + 6)) == chosen
    ingest()
    assert Shelf(home).find("cars-next").name == chosen


def test_ingesting_on_and_on_ends_with_every_photograph_pushed_once(
    with_champions: dict[int, list[str]], ingest: Ingest, client: Client, home: Path
) -> None:
    assert any(ingest() == {} for _ in range(3))
    pushed = [sha256 for frames in frames_by_task(client, home).values() for sha256 in frames]
    assert sorted(pushed) == sorted(scraped(home))


def test_what_reviewers_excluded_is_never_put_before_people(
    with_champions: dict[int, list[str]], ingest: Ingest, photographs: Path, client: Client, home: Path
) -> None:
    known = scraped(home).keys()
    take(photographs, range(FIRST + LATER + 6, FIRST + LATER + 9))
    project_path = home.parent / "carloop.yaml"
    scrape_now(project_path, home)
    collect_scraped(read_project(project_path), home)
    new = scraped(home).keys() - known
    write_decisions(Shelf(home).decisions, dict.fromkeys(new, Decision(marks=("exclude",))))

    assert any(ingest() == {} for _ in range(3))

    pushed = {sha256 for frames in frames_by_task(client, home).values() for sha256 in frames}
    assert new
    assert not new & pushed
