"""The end state of a run without ids and times: two runs ended the same when these are equal."""

from collections import Counter
from pathlib import Path
from typing import Any

from cvat_sdk import Client
from pymongo import MongoClient

from cvat.client import connect, list_all
from cvat.jobs import list_jobs, read_frames, read_objects
from datasets.coco import Image
from datasets.files import read_json
from datasets.ledger import Ledger
from pipelines.models import MODELS
from pipelines.project import parse_project
from pipelines.runs import Run, make_run
from pipelines.services import start_services
from scrapers.catalog import Catalog
from training.bundle import read_pointer
from training.registry import RegisteredVersion, open_registry


def only_run(home: Path) -> Path:
    """The folder of the one run in a home."""
    (folder,) = (path for path in (home / "runs").iterdir() if path.is_dir())
    return folder


def read_state(folder: Path) -> dict[str, Any]:
    """Photographs, dataset versions, every annotation of every CVAT task, fates, model versions, FiftyOne's images."""
    run = make_run(folder, parse_project(read_json(folder / "project.json"), where=str(folder)), key=folder.name)
    rounds = [read_json(path) for path in sorted(run.rounds.glob("*.json"), key=lambda path: int(path.stem))]
    catalog = Catalog(run.catalog_url)
    images = {image.sha256: image for image in catalog.images()}
    catalog.close()
    with start_services(run) as services, connect(services.cvat_url, services.credentials) as client:
        tasks = sorted(_task(client, task, images) for task in list_all(client.api_client.tasks_api))
        review = _review(services.mongodb_uri)
    return {
        "images": [sorted(images), sorted(path.stem for path in run.store.glob("images/*/*"))],
        "versions": sorted(path.name for path in run.versions.iterdir()),
        "rounds": [{key: one[key] for key in ("number", "images", "dataset", "test_set", "fates")} for one in rounds],
        "fates": _fates(run),
        "models": _models(run),
        "registered": _registered(run),
        "review": review,
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


def _review(uri: str) -> list[list[Any]]:
    """Of each of FiftyOne's datasets, its images and how often each is there."""
    with MongoClient[dict[str, Any]](uri) as client:
        database = client["fiftyone"]
        collections = [dataset["sample_collection_name"] for dataset in database["datasets"].find()]
        stems = [Counter(Path(one["filepath"]).stem for one in database[name].find()) for name in collections]
    return sorted([list(pair) for pair in sorted(counts.items())] for counts in stems)


def _fates(run: Run) -> list[list[str]]:
    ledger = Ledger(run.ledger_url)
    found = ledger.read_outcomes()
    ledger.close()
    return sorted(map(list, zip(found.sha256, found.verdict, found.after_category, strict=True)))


def _registered(run: Run) -> dict[str, list[list[Any]]]:
    """Every version of every model, whether it has an alias or not."""
    registry = open_registry(run.folder)
    every = {model: registry.versions(model) for model in registry.models()}
    return {
        model: sorted([one.version, one.key, one.dataset, one.bundle] for one in versions)
        for model, versions in every.items()
    }


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
