"""`learn`: pull ─► curate ─► train ─► evaluate ─► promote, from what people accepted to better models."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from cvat.jobs import PulledJob, pull_jobs, read_frames
from datasets.coco import Dataset
from datasets.comparison import VERDICTS
from datasets.curation import write_review
from datasets.ledger import FateRow
from datasets.merge import merge
from datasets.review import accepted_dataset, fates_of_job
from datasets.versions import read_version, write_version
from pipelines.bench import Bench
from pipelines.ingest import Ingested
from pipelines.models import MODELS, Model, evaluate_and_promote, train_model
from pipelines.results import TEST, TRAIN, ModelResult, RoundResult
from pipelines.tasks import step


@dataclass(frozen=True)
class Pulled:
    """What people accepted: dataset versions to learn from and to test on, and the fates in this round's train task."""

    dataset: str
    test_set: str
    labelled_images: int
    fates: Mapping[str, Mapping[str, int]]


@flow(name="learn", validate_parameters=False)
def learn(bench: Bench, *, number: int, ingested: Ingested, previous: RoundResult | None) -> RoundResult:
    """Take back what people accepted, retrain, and let a better model take over."""
    pulled = pull(bench, ingested, previous)
    curate(bench, pulled)
    models = {}
    for model in MODELS:
        before = previous.models[model.name] if previous else None
        training = train(bench, model, pulled, before, number=number)
        models[model.name] = promote(bench, model, pulled, before, training, number=number)
    return RoundResult(
        number=number,
        images=ingested.images,
        labelled_images=pulled.labelled_images,
        tasks=ingested.tasks,
        dataset=pulled.dataset,
        test_set=pulled.test_set,
        pool=ingested.pool,
        fates=pulled.fates,
        models=models,
        seconds={name: round(value, 2) for name, value in bench.seconds.items()},
    )


@step("pull", retries=2)
def pull(bench: Bench, ingested: Ingested, previous: RoundResult | None) -> Pulled:
    """Accepted jobs into the ledger and a dataset version. The test set is made once and never touched again."""
    accepted = {subset: _pull_task(bench, task_id) for subset, task_id in ingested.tasks.items()}
    versions, taxonomy = bench.run.versions, bench.run.project.taxonomy
    earlier = [read_version(versions, previous.dataset, taxonomy)] if previous else []
    new = [accepted[TRAIN][0]] if TRAIN in accepted else []
    dataset = merge([*earlier, *new], taxonomy=taxonomy)
    parents = [previous.dataset] if previous else []
    return Pulled(
        dataset=write_version(dataset, versions, parents=[*parents, ingested.pool]),
        test_set=previous.test_set if previous else write_version(accepted[TEST][0], versions, parents=[ingested.pool]),
        labelled_images=len(dataset.images),
        fates=_count(accepted[TRAIN][1] if TRAIN in accepted else []),
    )


def _pull_task(bench: Bench, task_id: int) -> tuple[Dataset, list[FateRow]]:
    images = bench.images()
    with bench.progress.step(f"pull task {task_id}"), bench.cvat() as client:
        jobs = pull_jobs(client, read_frames(client, task_id, images))
    rows = [row for job in jobs for row in _note_fates(bench, job)]
    covered = [images[sha256] for job in jobs for sha256 in job.sha256s]
    annotated = bench.truth.annotated_ids
    return accepted_dataset(bench.run.project.taxonomy, covered, rows, annotated_ids=annotated), rows


def _note_fates(bench: Bench, job: PulledJob) -> list[FateRow]:
    rows = fates_of_job(job.sha256s, job.objects, bench.ledger.read_prelabels(job.job_id))
    bench.ledger.write_fates(job.job_id, rows)
    return rows


def _count(rows: Sequence[FateRow]) -> dict[str, dict[str, int]]:
    """Objects by kind and verdict."""
    counted = Counter((_kind(row), row.fate.verdict) for row in rows)
    return {kind: {verdict: counted[kind, verdict] for verdict in VERDICTS} for kind in ("rectangle", "tag")}


def _kind(row: FateRow) -> str:
    shown = row.fate.before or row.fate.after
    return "tag" if shown is None or shown.is_tag else "rectangle"


@step("curate", retries=1)
def curate(bench: Bench, pulled: Pulled) -> None:
    """The labels so far, with pre-labels and verdicts, as a FiftyOne dataset."""
    taxonomy = bench.run.project.taxonomy
    versions = [read_version(bench.run.versions, name, taxonomy) for name in (pulled.dataset, pulled.test_set)]
    dataset = merge(versions, taxonomy=taxonomy)
    with bench.progress.step(f"curate {len(dataset.images)} images in FiftyOne"):
        write_review(bench.fiftyone, bench.run.review_name, dataset, bench.ledger.read_fates(), bench.store)


@step("train")
def train(bench: Bench, model: Model, pulled: Pulled, before: ModelResult | None, *, number: int) -> Path | None:
    """A challenger that goes on from the champion's weights; None where there is nothing to learn from."""
    return train_model(bench, model, pulled.dataset, before, number=number)


@step("evaluate and promote", retries=1)
def promote(
    bench: Bench, model: Model, pulled: Pulled, before: ModelResult | None, training: Path | None, *, number: int
) -> ModelResult:
    """Score champion and challenger on the frozen test set; the better one is what the functions serve next."""
    return evaluate_and_promote(bench, model, pulled.dataset, pulled.test_set, before, training, number=number)
