"""`learn` in a home: pull ─► curate ─► train ─► evaluate ─► promote, from what people accepted to what is served.

A learn has a key, the digest of what it learns from and how. Done once, it is not done again; killed, the next one goes
on with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cvat.errors import CvatUnavailable
from datasets.coco import Dataset, from_records
from datasets.errors import BadDataset, BadInput, CarloopError, Unavailable
from datasets.files import digest, read_json, write_bytes, write_json
from datasets.ledger import Locked
from datasets.merge import merge
from datasets.versions import taxonomy_of, write_version
from pipelines.annotation.desk import Desk
from pipelines.annotation.pulling import pull_version
from pipelines.champions import version_key
from pipelines.curating.accepted import show_accepted
from pipelines.flows.home import LEARN, HomeBench, home_bench
from pipelines.flows.judging import require_tests_accepted
from pipelines.flows.starting import Standing
from pipelines.learn import Pulled, promote, to_beat, train
from pipelines.models import MODELS, Model
from pipelines.results import TEST, ModelResult
from training.bundle import ModelName, class_names, read_bundle
from training.promotion import complete_promotion

_KEY_LENGTH = 12
_RESULT, _LAST, _BEGUN = "result.json", "last.json", "begun"


class Learnt(Struct, frozen=True):
    """A finished learn. `images` are learnt from, `new` of them for the first time; `again` when it had been done."""

    key: str
    dataset: str
    test_set: str
    images: int
    new: int
    models: dict[str, dict[str, Any]]
    again: bool = False


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from, as versions; `new` images of it were not learnt from before."""

    dataset: str
    test_set: str
    images: int
    new: int


def learn_accepted(desk: Desk, home: Path, *, at_least: int | None = None) -> Learnt | str:
    """Learn from what people accepted so far; a sentence where there is too little.

    Raises:
        Locked: another learn of these models is under way.
        BadInput: no accepted image is there to test on; jobs of train tasks go on waiting for a test task's.
        CarloopError: it cannot be done now; the next learn goes on.
    """
    settings = desk.project.flows.learn
    fewest = settings.at_least_images if at_least is None else at_least
    with _alone(desk), _begun(home):
        lessons = _gather(desk, home)
        if lessons is None:
            return "no job is accepted yet; there is nothing to learn"
        key = _key(desk, lessons)
        if done := read_learnt(home, key):
            return msgspec.structs.replace(done, again=True)
        if lessons.new < fewest:
            return f"{lessons.new} corrected images are new and {fewest} are needed; accept more jobs first"
        if lessons.new < settings.recommended_images:
            desk.progress.say(
                f"    only {lessons.new} corrected images are new; {settings.recommended_images} are recommended"
            )
        return _learn(home_bench(desk, home, key=key), lessons)


@contextmanager
def _alone(desk: Desk) -> Iterator[None]:
    """One learn per model at a time."""
    wait = desk.project.flows.learn.wait_seconds
    with ExitStack() as stack:
        for model in MODELS:
            stack.enter_context(desk.ledger.lock(f"learn {model.name}", wait_seconds=wait))
        yield


@contextmanager
def _begun(home: Path) -> Iterator[None]:
    """Within the block a file tells that a learn is under way.

    One that is killed leaves it, and so does one that meets a bug or a server that is away; they are gone on with by
    themselves. What people have to mend, every other CarloopError, is no learn that was cut short.
    """
    mark = home / LEARN / _BEGUN
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(mark, b"")
    try:
        yield
    except (Unavailable, CvatUnavailable):
        raise
    except CarloopError:
        mark.unlink(missing_ok=True)
        raise
    mark.unlink(missing_ok=True)


def read_standing(desk: Desk, home: Path) -> Standing:
    """Whether somebody learns, or was killed at it. Told by the lock and a file, whatever Prefect's runs say."""
    try:
        with desk.ledger.lock(f"learn {MODELS[0].name}", wait_seconds=0):
            return "cut short" if (home / LEARN / _BEGUN).exists() else "at rest"
    except Locked:
        return "under way"


def _gather(desk: Desk, home: Path) -> Lessons | None:
    """Pull, show it, and part what is learnt from and what is tested on. None where nothing is accepted."""
    require_tests_accepted(desk)
    told, notes = pull_version(desk)
    for note in notes:
        desk.progress.say(f"    {note}")
    if told["version"] is None:
        return None
    if desk.project.flows.learn.curate:
        show_accepted(desk, home, told["name"])
    accepted = _read(desk, told["version"]).live
    tests = {image.sha256 for image in accepted.images if image.split == TEST}
    if not tests:
        raise BadInput(
            f"none of the {len(accepted.images):,} accepted images is of the test side, so nothing could be judged by; "
            "push a version that carloop dataset split gave sides"
        )
    lessons = _with_others(desk, accepted.only({image.sha256 for image in accepted.images} - tests), accepted, tests)
    known = _known(desk, read_last(home))
    versions, parents = desk.shelf.versions, [told["version"]]
    return Lessons(
        dataset=write_version(lessons, versions, parents=parents),
        test_set=write_version(accepted.only(tests), versions, parents=parents),
        images=len(lessons.images),
        new=sum(image.sha256 not in known and image.sha256 not in tests for image in accepted.images),
    )


def _with_others(desk: Desk, lessons: Dataset, accepted: Dataset, tests: set[str]) -> Dataset:
    """The images to learn from, with those of the versions that the project names beside; never a test family's."""
    families = {image.family for image in accepted.images if image.sha256 in tests}
    others = [_read(desk, name).live for name in desk.project.flows.learn.also]
    usable = [
        other.only(image.sha256 for image in other.images if image.split != TEST and image.family not in families)
        for other in others
    ]
    return merge([lessons, *usable], taxonomy=desk.project.taxonomy) if usable else lessons


def _read(desk: Desk, version: str) -> Dataset:
    """A version under the project's classes. Raises BadInput when it has other ones."""
    content, taxonomy = desk.shelf.read_content(version), desk.project.taxonomy
    theirs, ours = ([(c.name, c.kind) for c in found.categories] for found in (taxonomy_of(content), taxonomy))
    if theirs != ours:
        raise BadInput(
            f"version {version} has the classes {theirs} and the project file {ours}; merge it under the "
            "project file's by carloop dataset merge first"
        )
    return from_records(content, taxonomy)


def _known(desk: Desk, last: Learnt | None) -> Mapping[str, object]:
    """The images that were learnt from last."""
    try:
        return desk.shelf.read(last.dataset).by_sha256 if last else {}
    except BadDataset:  # it is no longer there, so all are new
        return {}


def _key(desk: Desk, lessons: Lessons) -> str:
    project = desk.project
    how = [project.training.model_dump(mode="json"), project.taxonomy.model_dump(mode="json"), project.seed]
    return digest([lessons.dataset, lessons.test_set, how])[:_KEY_LENGTH]


def _learn(bench: HomeBench, lessons: Lessons) -> Learnt:
    pulled = Pulled(lessons.dataset, lessons.test_set, lessons.images, {})
    results, store = {}, bench.run.project.training.promotion.publish_to
    for model in MODELS:
        complete_promotion(bench.registry, model.name, bench.run.bundles, store=store)
        before = to_beat(bench, model, pulled, _champion(bench, model), number=0)
        training = train(bench, model, pulled, before, number=0)
        results[model.name] = promote(bench, model, pulled, before, training, number=0)
    learnt = Learnt(bench.run.key, lessons.dataset, lessons.test_set, lessons.images, lessons.new, _told(results))
    for path in (bench.run.folder / LEARN / bench.run.key / _RESULT, bench.run.folder / LEARN / _LAST):
        write_json(path, msgspec.to_builtins(learnt))
    return learnt


def _champion(bench: HomeBench, model: Model) -> ModelResult | None:
    """The model in use before this learn; its weights are gone on with where it has the project's classes."""
    found = bench.registry.champion_before(model.name, version_key(bench.run.key, model.name, 0))
    if found is None:
        return None
    names = class_names(bench.run.project.taxonomy, model.task)
    is_same = found.bundle is not None and read_bundle(bench.run.bundles, found.bundle).spec.class_names == names
    return ModelResult(
        champion=found.name,
        bundle=found.bundle,
        weights=found.weights if is_same else None,
        scores=dict(found.metrics),
        reason="",
    )


def _told(results: Mapping[ModelName, ModelResult]) -> dict[str, dict[str, Any]]:
    shown = ("champion", "challenger", "promoted", "reason", "scores", "challenger_scores", "shadow")
    return {str(name): result.model_dump(mode="json", include=set(shown)) for name, result in results.items()}


def read_learnt(home: Path, key: str) -> Learnt | None:
    """A finished learn. Raises BadDataset when its file was changed."""
    return _decode(home / LEARN / key / _RESULT)


def read_last(home: Path) -> Learnt | None:
    """The learn that was finished last."""
    return _decode(home / LEARN / _LAST)


def _decode(path: Path) -> Learnt | None:
    if not path.exists():
        return None
    try:
        return msgspec.convert(read_json(path), Learnt)
    except msgspec.ValidationError as error:
        raise BadDataset(f"{path} is no result of a learn ({error}); remove it, and learn again") from None


def rows_of(learnt: Learnt) -> Sequence[dict[str, Any]]:
    """A row for each challenger that was judged, for people: that of the learn before if people see it, then ours."""
    return [
        {
            "model": name,
            "champion": told["champion"] or "none",
            "challenger": judged["challenger"] or "none",
            "promoted": "yes" if judged["promoted"] else "no",
            "reason": judged["reason"],
        }
        for name, told in learnt.models.items()
        for judged in (told.get("shadow"), told)
        if judged
    ]
