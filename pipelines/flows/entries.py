"""The flows that deployments run: a project file and a home in, everything else from there.

Each step is tried again where that may help. What is done is told by what lies in the home, so a run that was killed is
gone on with by the next.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from rich.console import Console

from datasets.errors import BadInput
from pipelines.annotation.desk import open_desk
from pipelines.flows.artifacts import show_page, show_pairs, show_rows
from pipelines.flows.backing_up import write_backup
from pipelines.flows.drifting import Drift, find_drift
from pipelines.flows.ingesting import choose_next, collect_scraped, prelabel_new, push_next
from pipelines.flows.learning import Learnt, learn_accepted, rows_of
from pipelines.flows.notifying import tell_end
from pipelines.flows.running import start_run
from pipelines.interrupts import was_interrupted
from pipelines.progress import Progress
from pipelines.project import read_project
from pipelines.scraping.flow import scrape_flow

_HOUR = 3600
R = TypeVar("R")
_TELLING: dict[str, Any] = {
    "on_completion": [tell_end],
    "on_failure": [tell_end],
    "on_crashed": [tell_end],
}


def attempt(name: str, function: Callable[..., R], *, retries: int = 2, delay_seconds: int = 60) -> Callable[..., R]:
    """A step: the function, tried again when it fails for a passing reason."""
    return task(
        name=name,
        retries=retries,
        retry_delay_seconds=delay_seconds,
        retry_condition_fn=lambda _, run, state: _may_pass(state.result(raise_on_failure=False)),
        cache_policy=NO_CACHE,
        persist_result=False,
    )(function)


def _may_pass(error: object) -> bool:
    return not isinstance(error, BadInput) and not was_interrupted(error)


def _progress() -> Progress:
    return Progress(Console(stderr=True))


@flow(name="scrape", timeout_seconds=12 * _HOUR, **_TELLING)
def scrape(project_path: Path, home: Path) -> None:
    """New photographs of all sources into the store, and a version of what may be used of them."""
    scrape_flow(project_path, home)
    attempt("collect", collect_scraped, retries=0)(read_project(project_path), home)


@flow(name="ingest", timeout_seconds=12 * _HOUR, **_TELLING)
def ingest(project_path: Path, home: Path) -> dict[str, Any]:
    """Put the next images before people in CVAT, pre-annotated by the champions."""
    project = read_project(project_path)
    if project.scrape.sources:
        scrape_flow(project_path, home)
        attempt("collect", collect_scraped, retries=0)(project, home)
    with open_desk(project_path, home, _progress()) as desk:
        chosen = attempt("select", choose_next, retries=0)(desk, home)
        if chosen is None:
            desk.progress.say("every image that may be used was pushed already; scrape more first")
            return {}
        told = attempt("push", push_next)(desk, chosen)
        prelabelled = attempt("pre-annotate", prelabel_new)(desk, home)
    show_pairs("ingest", {**told, **(prelabelled or {})}, "What waits for people")
    return told


@flow(name="learn", timeout_seconds=48 * _HOUR, **_TELLING)
def learn(project_path: Path, home: Path, at_least: int | None = None) -> Learnt | str:
    """Learn from what people accepted, and let a better model take over; a sentence where there is too little."""
    with open_desk(project_path, home, _progress()) as desk:
        learnt = learn_accepted(desk, home, at_least=at_least)
        if isinstance(learnt, str):
            desk.progress.say(learnt)
            return learnt
        told = f"{learnt.images:,} images, {learnt.new:,} of them new"
        desk.progress.say(f"learnt from {told}{'; nothing has changed since' if learnt.again else ''}")
    show_rows("learn", rows_of(learnt), f"Learnt from {told}; dataset {learnt.dataset[:12]}, key {learnt.key}")
    return learnt


@flow(name="drift", timeout_seconds=2 * _HOUR, **_TELLING)
def drift(project_path: Path, home: Path, new: str | None = None, against: str | None = None) -> Drift | None:
    """Compare incoming images with those that models were trained on; starts `ingest` where the project asks for it."""
    project, progress = read_project(project_path), _progress()
    found = attempt("compare", find_drift, retries=0)(project, home, progress, new=new, against=against)
    progress.say(found.told)
    show_rows("drift", [row.shown() for row in found.rows], found.told)
    show_page("drift-page", found.page, "Drift")
    if found.is_drift and project.flows.drift.start_ingest:
        start_run("ingest", {"project_path": project_path, "home": home}, key=f"drift-{found.key}")
    return found


@flow(name="backup", timeout_seconds=6 * _HOUR, **_TELLING)
def backup(project_path: Path, home: Path) -> str:
    """Back the home up to the place that the project file names."""
    project, progress = read_project(project_path), _progress()
    name, written, gone = attempt("back up", write_backup)(
        home, project, project_path, project.flows.backup, progress, now=datetime.now(UTC)
    )
    for note in written.notes:
        progress.say(f"    {note}")
    told = {"name": name, "files": len(written.files), "bytes": written.bytes, "older ones removed": len(gone)}
    show_pairs("backup", told, f"Backup to {project.flows.backup.to}")
    return str(name)
