"""`ingest`: scrape ─► merge ─► select ─► push ─► pre-annotate. What it leaves is ready for people in CVAT."""

from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import flow

from cvat.jobs import Frames, list_jobs, read_frames
from cvat.prelabel import write_prelabels
from cvat.project import push_project
from cvat.push import push_task
from datasets.coco import Image, make_dataset
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Prelabel
from datasets.merge import merge
from datasets.selection import select
from datasets.versions import read_version, write_version
from nuclio_functions.contract import Reply
from nuclio_functions.driver import annotate_frames, make_session
from nuclio_functions.errors import FunctionError
from nuclio_functions.spec import FUNCTIONS
from pipelines.bench import Bench
from pipelines.results import TEST, TRAIN, RoundResult
from pipelines.tasks import step
from scrapers.errors import ScrapeError
from scrapers.fetch import Fetcher
from scrapers.scrape import fetch_site


@dataclass(frozen=True)
class Ingested:
    """What waits for people: the pool it was chosen from, how many photographs, and the CVAT task of each subset."""

    pool: str
    images: int
    tasks: dict[str, int]


@flow(name="ingest", validate_parameters=False)
def ingest(bench: Bench, *, number: int, previous: RoundResult | None, budget: int) -> Ingested:
    """Find new photographs and put the chosen ones into CVAT, pre-annotated by the champions."""
    scrape(bench)
    pool = merge_pool(bench, previous)
    chosen = choose(bench, pool, previous, budget=budget, number=number)
    tasks = push(bench, chosen, number=number)
    pre_annotate(bench, tasks, previous)
    return Ingested(pool, len(chosen.get(TRAIN, ())), tasks)


@step("scrape", retries=2)
def scrape(bench: Bench) -> None:
    """New photographs into the store, each with where it came from."""
    settings = bench.run.project.fetch
    allowed = (*settings.allow_private, bench.site.address)
    fetcher = Fetcher(settings.model_copy(update={"allow_private": allowed}))
    with bench.progress.step("scrape", total=bench.site.listings) as progress:
        report = fetch_site(
            bench.site.recipe,
            fetcher=fetcher,
            store=bench.store,
            catalog=bench.catalog,
            now=lambda: datetime.now(UTC),
            on_listing=progress.advance,
        )
    missing = {image.sha256 for image in bench.truth.images} - set(bench.images())
    if missing:
        why = next((refusal.reason for refusal in report.refused), "the site did not show them")
        raise ScrapeError(
            f"{len(missing)} of {len(bench.truth.images)} photographs were not taken: {why}; run it again"
        )


@step("merge")
def merge_pool(bench: Bench, previous: RoundResult | None) -> str:
    """One dataset version of every photograph and every label so far."""
    project = bench.run.project
    parts = [make_dataset(project.taxonomy, bench.images().values(), ())]
    parents = [previous.dataset, previous.test_set] if previous else []
    parts += [read_version(bench.run.versions, name, project.taxonomy) for name in parents]
    return write_version(merge(parts, taxonomy=project.taxonomy), bench.run.versions, parents=parents)


@step("select")
def choose(
    bench: Bench, pool: str, previous: RoundResult | None, *, budget: int, number: int
) -> dict[str, list[Image]]:
    """Which photographs people label in this round, by subset: at first the whole test set and a few to learn from."""
    project = bench.run.project
    dataset = read_version(bench.run.versions, pool, project.taxonomy)
    by_split = {name: [image for image in dataset.images if image.split == name] for name in (TRAIN, TEST)}
    if previous is None:
        seed_images = select(by_split[TRAIN], taken=(), budget=project.loop.seed_images, seed=project.seed)
        return {TRAIN: seed_images, TEST: by_split[TEST]}
    labelled = read_version(bench.run.versions, previous.dataset, project.taxonomy)
    return {TRAIN: select(by_split[TRAIN], taken=labelled.by_sha256, budget=budget, seed=project.seed + number)}


@step("push", retries=2)
def push(bench: Bench, chosen: dict[str, list[Image]], *, number: int) -> dict[str, int]:
    """The chosen photographs as CVAT tasks with the project's labels."""
    project = bench.run.project
    with bench.progress.step(f"push {sum(map(len, chosen.values()))} images to CVAT"), bench.cvat() as client:
        project_id = push_project(client, project.cvat.project, project.taxonomy)
        return {
            subset: push_task(
                client,
                project_id,
                images,
                bench.store,
                title=f"{bench.run.title} round {number} {subset}",
                subset=subset,
                settings=project.cvat,
            )
            for subset, images in chosen.items()
            if images
        }


@step("pre-annotate", retries=1)
def pre_annotate(bench: Bench, tasks: dict[str, int], previous: RoundResult | None) -> None:
    """Every frame that people have not begun gets the functions' predictions; test frames never do."""
    if previous is None or TRAIN not in tasks:
        return
    images = bench.images()
    with bench.cvat() as client:
        frames = read_frames(client, tasks[TRAIN], images)
        jobs = [job.id for job in list_jobs(client, task_id=frames.task_id) if job.is_new]
        if not jobs:
            return
        predictions = _predict(bench, frames, images, previous)
        stored = {job_id: bench.ledger.read_prelabels(job_id) for job_id in jobs}
        for job_id, prelabels in write_prelabels(client, frames, predictions, stored).items():
            bench.ledger.write_prelabels(job_id, prelabels)


def _predict(bench: Bench, frames: Frames, images: dict[str, Image], previous: RoundResult) -> list[Prelabel]:
    urls = [
        bench.services.functions[function.name]
        for function in FUNCTIONS
        if previous.models[function.folder].champion is not None
    ]
    predictions: list[Prelabel] = []
    paths = ((sha256, bench.store.path(images[sha256].file_name)) for sha256 in frames.sha256)
    with bench.progress.step(f"pre-annotate {len(frames.sha256)} frames", total=len(frames.sha256)) as progress:
        for sha256, replies in annotate_frames(urls, paths, session=make_session()):
            if isinstance(replies, FunctionError):
                raise replies
            predictions += [_prelabel(sha256, reply) for reply in replies]
            progress.advance()
    return predictions


def _prelabel(sha256: str, reply: Reply) -> Prelabel:
    score = float(reply.values["confidence"])
    stored = LabelledObject(reply.label, reply.points, score=score) if reply.points else tag(reply.label, score=score)
    return Prelabel(sha256, reply.values["model"], stored)
