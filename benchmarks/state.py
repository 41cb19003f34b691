"""The end state of a run without ids and times: two runs ended the same when these are equal."""

from pathlib import Path
from typing import Any

from cvat_sdk import Client

from cvat.client import connect, list_all
from cvat.jobs import list_jobs, read_frames, read_objects
from datasets.coco import Image
from datasets.files import read_json
from pipelines.bench import open_registry
from pipelines.models import MODELS
from pipelines.project import parse_project
from pipelines.runs import Run, make_run
from pipelines.services import start_services
from scrapers.catalog import Catalog
from training.bundle import read_pointer
from training.registry import RegisteredVersion


def only_run(home: Path) -> Path:
    """The folder of the one run in a home."""
    (folder,) = (path for path in (home / "runs").iterdir() if path.is_dir())
    return folder


def read_state(folder: Path) -> dict[str, Any]:
    """Photographs, dataset versions, every annotation of every CVAT task, fates, and model versions."""
    run = make_run(folder, parse_project(read_json(folder / "project.json"), where=str(folder)), key=folder.name)
    rounds = [read_json(path) for path in sorted(run.rounds.glob("*.json"), key=lambda path: int(path.stem))]
    catalog = Catalog(run.catalog_url)
    images = {image.sha256: image for image in catalog.images()}
    catalog.close()
    with start_services(run) as services, connect(services.cvat_url, services.credentials) as client:
        tasks = sorted(_task(client, task, images) for task in list_all(client.api_client.tasks_api))
    return {
        "images": [sorted(images), sorted(path.stem for path in run.store.glob("images/*/*"))],
        "versions": sorted(path.name for path in run.versions.iterdir()),
        "rounds": [{key: one[key] for key in ("number", "images", "dataset", "test_set", "fates")} for one in rounds],
        "models": _models(run),
        "tasks": tasks,
    }


def _task(client: Client, task: Any, images: dict[str, Image]) -> list[Any]:
    frames = read_frames(client, task.id, images)
    jobs = list_jobs(client, task_id=task.id)
    objects = [
        [sha256, o.category, list(o.points), o.model or "", o.source]
        for job in jobs
        for sha256, o in read_objects(client, job.id, frames)
    ]
    title = task.name.partition(" round ")[2]
    return [title, task.subset, [[job.stage, job.state] for job in jobs], sorted(objects)]


def _models(run: Run) -> dict[str, Any]:
    registry = open_registry(run.folder)
    return {
        model.name: {
            "served": read_pointer(run.bundles, model.name),
            "champion": _version(registry.champion(model.name)),
            "challenger": _version(registry.challenger(model.name)),
        }
        for model in MODELS
    }


def _version(version: RegisteredVersion | None) -> list[Any] | None:
    return [version.name, version.dataset, version.parent, version.bundle] if version else None
