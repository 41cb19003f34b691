"""`learn`: pull ─► curate ─► train ─► evaluate ─► promote, from what people accepted to better models."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prefect import flow

from cvat.accepted import make_accepted
from cvat.held import identify
from cvat.project import require_project
from cvat.pull import Listing, Puller, read_tasks
from datasets.coco import Dataset, make_dataset
from datasets.comparison import VERDICTS
from datasets.curating import Review, failed_probes, shown_fates, sync
from datasets.decisions import honour
from datasets.ledger import FateRow
from datasets.merge import merge
from datasets.versions import read_version, write_version
from pipelines.annotation.pulling import WAIT_SECONDS
from pipelines.bench import Bench
from pipelines.champions import with_champions
from pipelines.curating.rounds import decisions_of_run
from pipelines.ingest import Ingested
from pipelines.models import MODELS, Model, evaluate_and_promote, train_model
from pipelines.results import TEST, TRAIN, ModelResult, RoundResult
from pipelines.served import await_served
from pipelines.shadows import promote_shadow
from pipelines.tasks import step
from training.bundle import ModelName


@dataclass(frozen=True)
class Pulled:
    """What people accepted: dataset versions to learn from and to test on, and the fates in this round's train task."""

    dataset: str
    test_set: str
    labelled_images: int
    fates: Mapping[str, Mapping[str, int]]


@flow(name="learn", validate_parameters=False)
def learn(bench: Bench, *, number: int, ingested: Ingested, previous: RoundResult | None) -> RoundResult:
    """Take back what people accepted, retrain, and let a better model take over.

    The champions to beat are those that the registry names now, whatever the round before ended with.
    """
    previous = with_champions(previous, bench.registry, bench.run.key, number=number)
    pulled = pull(bench, ingested, previous)
    curate(bench, pulled)
    models = {}
    for model in MODELS:
        before = to_beat(bench, model, pulled, previous.models[model.name] if previous else None, number=number)
        training = train(bench, model, pulled, before, number=number)
        models[model.name] = promote(bench, model, pulled, before, training, number=number)
    take_over(bench, models)
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
    """Accepted jobs into the ledger and a dataset version, as far as reviewers let it.

    The test set is made once and never touched again.
    """
    versions, taxonomy = bench.run.versions, bench.run.project.taxonomy
    listing = _read_accepted(bench)
    earlier = read_version(versions, previous.dataset, taxonomy) if previous else make_dataset(taxonomy, (), ())
    dataset = merge([earlier, _accepted(bench, listing, ingested.tasks[TRAIN], earlier)], taxonomy=taxonomy)
    dataset = honour(dataset, decisions_of_run(bench.run, bench.fiftyone))
    rows = _fates(bench, listing, ingested.tasks[TRAIN], earlier)
    made_from = [ingested.pool, *sorted({row.model for row in rows if row.model})]
    return Pulled(
        dataset=write_version(dataset, versions, parents=[*([previous.dataset] if previous else []), *made_from]),
        test_set=previous.test_set
        if previous
        else write_version(_accepted(bench, listing, ingested.tasks[TEST], earlier), versions, parents=[ingested.pool]),
        labelled_images=len(dataset.images),
        fates=_count(rows),
    )


def _read_accepted(bench: Bench) -> Listing:
    """Bring the ledger up to what is accepted now of all tasks of this run."""
    settings, images = bench.run.project.cvat, bench.images()
    with (
        bench.progress.step("pull what is accepted"),
        bench.cvat() as client,
        bench.ledger.lock("pull", wait_seconds=WAIT_SECONDS),
    ):
        puller = Puller(
            client,
            require_project(client, settings.project),
            bench.ledger,
            lambda _, names: identify(names, images.values(), bench.store),
            settings.accept,
            is_ours=lambda task: task.name.startswith(f"{bench.run.title} round "),
        )
        return puller.pull()


def _accepted(bench: Bench, listing: Listing, task_id: int, earlier: Dataset) -> Dataset:
    """What people left on a task's images; those that were labelled before were there for probes alone."""
    jobs = [job for job in listing.jobs if job.task_id == task_id]
    accepted = make_accepted(
        read_tasks(bench.ledger, replace(listing, jobs=jobs)),
        bench.run.project.taxonomy,
        bench.images(),
        withheld=dict.fromkeys(earlier.by_sha256, "of images that were labelled before"),
        annotated_ids=bench.truth.annotated_ids,
    )
    for name, count in accepted.drift.items():
        bench.progress.say(f"    class {name!r} was added in CVAT: its {count:,} objects are left out")
    return accepted.dataset.only(image.sha256 for image in accepted.dataset.images if not image.deleted)


def _fates(bench: Bench, listing: Listing, task_id: int, earlier: Dataset) -> list[FateRow]:
    """What people did on a task's images, likewise."""
    found = bench.ledger.read_fates_by_job([job.id for job in listing.jobs if job.task_id == task_id])
    return [row for rows in found.values() for row in rows if row.sha256 not in earlier.by_sha256]


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
        review = Review(
            dataset,
            bench.store,
            fates=shown_fates(bench.ledger),
            quarantine=bench.ledger.read_quarantine(),
            failed_probes=failed_probes(bench.ledger),
        )
        decisions_of_run(bench.run, bench.fiftyone)  # of images that leave now, too
        sync(bench.fiftyone, bench.run.review_name, review)


def to_beat(
    bench: Bench, model: Model, pulled: Pulled, before: ModelResult | None, *, number: int
) -> ModelResult | None:
    """The champion; where a shadow is asked for, after the challenger that people see beside it had its turn."""
    is_asked = bench.run.project.training.promotion.shadow_required
    return judge_shadow(bench, model, pulled, before, number=number) if before and is_asked else before


@step("judge the shadow", retries=1)
def judge_shadow(bench: Bench, model: Model, pulled: Pulled, before: ModelResult, *, number: int) -> ModelResult:
    """Let the challenger that people saw beside the champion take over, if it is better and they corrected it less."""
    return promote_shadow(bench, model, pulled.test_set, before, number=number)


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


@step("take over", retries=1)
def take_over(bench: Bench, models: Mapping[ModelName, ModelResult]) -> None:
    """Wait until the functions serve the champions, of which one may have been rolled back in the meantime."""
    found = [bench.registry.champion(name) for name in models]
    if champions := [champion.name for champion in found if champion]:
        await_served(bench.services.function_url, champions)
        bench.progress.say(f"    the functions serve {', '.join(champions)}")
