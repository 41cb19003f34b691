"""`ingest`: scrape ─► merge ─► select ─► push ─► pre-annotate. What it leaves is ready for people in CVAT."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cvat_sdk import Client
from prefect import flow

from cvat.filling import Content, fill_jobs
from cvat.held import identify
from cvat.jobs import list_jobs, read_frames
from cvat.known import known_objects
from cvat.project import push_project, require_project
from cvat.push import push_task
from cvat.waiting import list_waiting
from datasets.coco import Image, make_dataset
from datasets.merge import merge
from datasets.selecting.families import select
from datasets.versions import read_version, write_version
from pipelines.annotation.choosing import Wanted, choose_round
from pipelines.annotation.prelabelling import Prelabeller
from pipelines.annotation.pushing import WAIT_SECONDS, PushChoice, make_content
from pipelines.annotation.shadowing import Shadow, find_challengers, in_their_place
from pipelines.annotation.shown import ShownFrames
from pipelines.bench import Bench
from pipelines.champions import with_champions
from pipelines.models import MODELS
from pipelines.results import TEST, TRAIN, RoundResult
from pipelines.tasks import step
from scrapers.errors import ScrapeError
from scrapers.fetching.fetcher import Fetcher
from scrapers.keeping import Places, Rules, open_keeper
from scrapers.scrape import Visit
from scrapers.settings import LicencePolicy
from training.bundle import Bundle, read_bundle
from training.predictors import load_predictor


@dataclass(frozen=True)
class Ingested:
    """What waits for people: the pool it was chosen from, how many photographs, and the CVAT task of each subset."""

    pool: str
    images: int
    tasks: dict[str, int]


@flow(name="ingest", validate_parameters=False)
def ingest(bench: Bench, *, number: int, previous: RoundResult | None, budget: int) -> Ingested:
    """Find new photographs and put the chosen ones into CVAT, pre-annotated by the champions of now."""
    previous = with_champions(previous, bench.registry, bench.run.key, number=number)
    scrape(bench)
    pool = merge_pool(bench, previous)
    chosen = choose(bench, pool, previous, budget=budget, number=number)
    tasks = push(bench, chosen, previous, number=number)
    pre_annotate(bench, tasks, previous)
    return Ingested(pool, len(chosen.get(TRAIN, ())), tasks)


@step("scrape", retries=2)
def scrape(bench: Bench) -> None:
    """New photographs into the store, each with where it came from."""
    project = bench.run.project
    settings = replace(project.fetch, allow_private=(*project.fetch.allow_private, bench.site.address))
    places = Places(bench.catalog, bench.store, bench.store)
    policy = LicencePolicy(allowed=("*",), refused=())  # whoever gives ground truth may use it
    with (
        bench.progress.step("scrape", total=bench.site.listings) as progress,
        closing(Fetcher(settings)) as fetcher,
        open_keeper(places, Rules(policy), now=lambda: datetime.now(UTC)) as keeper,
    ):
        report = Visit(
            source=bench.site.recipe,
            folder=bench.run.folder / "archives",
            fetch=settings,
            fetcher=fetcher,
            keeper=keeper,
            policy=policy,
            catalog=bench.catalog,
            max_tries=project.scrape.max_tries,
            spool=bench.run.folder / "spool",
            on_page=progress.advance,
        ).run(limit=None)
    missing = {image.sha256 for image in bench.truth.images} - set(bench.images())
    if missing:
        why = next((trouble.reason for trouble in report.troubles), "the site did not show them")
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
    wanted = Wanted(number, budget, project.seed + number)
    has_models = any(result.champion for result in previous.models.values())
    return {TRAIN: choose_round(bench.run, by_split[TRAIN], labelled, wanted, bench.progress, has_models=has_models)}


@step("push", retries=2)
def push(bench: Bench, chosen: dict[str, list[Image]], previous: RoundResult | None, *, number: int) -> dict[str, int]:
    """The chosen photographs as CVAT tasks with the project's labels; some jobs are controls, some frames probes."""
    project = bench.run.project
    with (
        bench.progress.step(f"push {sum(map(len, chosen.values()))} images to CVAT"),
        bench.cvat() as client,
        bench.ledger.lock("push", wait_seconds=WAIT_SECONDS),
    ):
        project_id = push_project(client, project.cvat.project, project.taxonomy)
        content = _content(bench, previous, number=number)
        probed = [image for image in bench.images().values() if image.sha256 in content.probes]
        shown = {subset: [*images, *(probed if subset == TRAIN else ())] for subset, images in chosen.items() if images}
        return {
            subset: _push_task(bench, client, project_id, images, content, subset=subset, number=number)
            for subset, images in shown.items()
        }


def _content(bench: Bench, previous: RoundResult | None, *, number: int) -> Content:
    """What stands against pre-labels once there are any: jobs without, and wrong ones where the truth is known.

    Probes are on photographs that people have labelled in an earlier round.
    """
    project = bench.run.project
    if previous is None or not any(result.champion for result in previous.models.values()):
        return Content()
    model = previous.models[MODELS[0].name].champion
    labelled = read_version(bench.run.versions, previous.dataset, project.taxonomy)
    settings = project.cvat.model_copy(update={"probe_model": model} if model else {"probe_share": 0.0})
    choice = PushChoice(seed=project.seed + number)
    content = make_content(labelled, known_objects(labelled, project.taxonomy), (), project.taxonomy, settings, choice)
    return replace(content, objects={})


def _push_task(
    bench: Bench,
    client: Client,
    project_id: int,
    images: Sequence[Image],
    content: Content,
    *,
    subset: str,
    number: int,
) -> int:
    """The id of the one task of these images, whose jobs hold what they shall before models look at them."""
    task_id = push_task(
        client,
        project_id,
        images,
        bench.store,
        title=f"{bench.run.title} round {number} {subset}",
        subset=subset,
        settings=bench.run.project.cvat,
    )
    frames = read_frames(client, task_id, {image.sha256: image for image in images})
    frozen = frames.sha256 if subset == TEST else ()
    fill_jobs(client, bench.ledger, list_jobs(client, task_id=task_id), frames, replace(content, frozen=frozen))
    return task_id


@step("pre-annotate", retries=1)
def pre_annotate(bench: Bench, tasks: dict[str, int], previous: RoundResult | None) -> None:
    """What people have not begun gets the champions' predictions; test frames, control jobs and probes never do.

    A share of the families may be the challengers' to pre-annotate.
    """
    champions = [result.bundle for result in previous.models.values() if result.bundle] if previous else []
    if not champions or TRAIN not in tasks:
        return
    bundles = [read_bundle(bench.run.bundles, bundle) for bundle in champions]
    images = bench.images().values()
    with bench.cvat() as client, bench.ledger.lock("push", wait_seconds=WAIT_SECONDS):
        waiting = list_waiting(
            client,
            bench.ledger,
            require_project(client, bench.run.project.cvat.project),
            lambda _, names: identify(names, images, bench.store),
            frozen=lambda task, sha256s: sha256s if task.subset == TEST else (),
            task_ids=[tasks[TRAIN]],
        )
        predictors, shadow = [load_predictor(bundle) for bundle in bundles], _shadow(bench, previous, bundles)
        prelabeller = Prelabeller(client, bench.ledger, bench.store, predictors, shadow=shadow)
        outcome = prelabeller.prelabel(prelabeller.undone(list(waiting)), bench.progress)
    for reason in outcome.quarantined.values():
        bench.progress.say(f"    in quarantine: {reason}")


def _shadow(bench: Bench, previous: RoundResult | None, champions: Sequence[Bundle]) -> Shadow | None:
    """Challengers on the project's share of families: one that stays, else the newest; None where all were promoted."""
    share = bench.run.project.training.promotion.shadow_share
    named = [result.next_shadow for result in previous.models.values() if result.next_shadow] if previous else []
    if not share or not named:
        return None
    challengers = find_challengers(bench.registry, bench.run.bundles, map(bench.registry.find, named), champions)
    if not challengers:
        return None
    predictors = [load_predictor(bundle) for bundle in in_their_place(champions, challengers)]
    families = {image.sha256: image.family for image in bench.images().values()}
    return Shadow(predictors, families, share, bench.run.key, ShownFrames(bench.run.ledger_url))
