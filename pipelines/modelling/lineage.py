"""What a model comes from: dataset versions, CVAT jobs, what people corrected, and under which licences."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from datasets.coco import Dataset
from datasets.ledger import Ledger, read_scopes
from datasets.versions import read_manifest, read_version
from pipelines.modelling.place import Place
from training.registry import RegisteredVersion


def lineage_of(place: Place, registered: RegisteredVersion) -> dict[str, Any]:
    """The lineage of a version, as far as its parts are here; what is gone is told as None."""
    if not (place.versions / registered.dataset / "manifest.json").is_file():
        return {"images": None, "ancestors": [], "licenses": None, "cvat_jobs": None, "labels": None, "prelabels": None}
    manifest = read_manifest(place.versions, registered.dataset)
    return {
        "images": manifest["images"],
        "ancestors": ancestors(place.versions, registered.dataset),
        "trained_before": _parents(place, registered),
        "licenses": manifest["licenses"],
        **_ledger(place, registered, read_version(place.versions, registered.dataset)),
    }


def ancestors(versions: Path, version: str) -> list[str]:
    """What a dataset version was made from, nearest first: versions, and models whose pre-labels were corrected."""
    found: dict[str, None] = {}
    waiting = [version]
    while waiting:
        folder = waiting.pop(0)
        if (versions / folder / "manifest.json").is_file():
            parents = [parent for parent in read_manifest(versions, folder)["parents"] if parent not in found]
            found.update(dict.fromkeys(parents))
            waiting += parents
    return list(found)


def _parents(place: Place, registered: RegisteredVersion) -> list[str]:
    """The versions that it went on from, the nearest first."""
    by_number = {one.version: one for one in place.registry.versions(registered.model)}
    found: list[str] = []
    parent = registered.parent
    while parent in by_number and f"{registered.model}@{parent}" not in found:
        found.append(f"{registered.model}@{parent}")
        parent = by_number[parent].parent
    return found


def _ledger(place: Place, registered: RegisteredVersion, dataset: Dataset) -> dict[str, Any]:
    """The jobs that its labels are from, what people did there, and what became of this model's own pre-labels."""
    if not place.ledger.is_file():
        return {"cvat_jobs": None, "labels": None, "prelabels": None}
    url = f"sqlite:///{place.ledger.absolute()}"
    jobs: list[str] = []
    labels: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for scope in read_scopes(url):
        ledger = Ledger(url, scope)
        outcomes, pulls = ledger.read_outcomes(), ledger.read_pulls()
        ledger.close()
        ours = np.array([sha256 in dataset.by_sha256 for sha256 in outcomes.sha256], np.bool_)
        seen = {number for number, pull in pulls.items() if not dataset.by_sha256.keys().isdisjoint(pull.sha256s)}
        jobs += [f"{scope} {number}".strip() for number in sorted(seen | set(outcomes.job_id[ours].tolist()))]
        labels.update(outcomes.verdict[ours].tolist())
        own.update(outcomes.verdict[outcomes.model == registered.name].tolist())
    return {"cvat_jobs": jobs, "labels": dict(labels), "prelabels": dict(own)}
