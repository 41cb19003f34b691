"""From a version on the shelf to tasks in CVAT: what `carloop cvat push` does."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cvat.filling import Content
from cvat.issues import issues_of
from cvat.known import Known, known_objects, snapshot_objects
from cvat.probes import plant_probes
from cvat.push import Order, Pushed, Pusher
from cvat.quality import ground_truth, require_quality
from cvat.settings import CvatSettings
from cvat.turns import find_users
from cvat.uploads import Sent
from datasets.coco import Dataset, Image, from_records
from datasets.decisions import read_decisions, relabel_requests
from datasets.merging.conflicts import UNDECIDED, Conflict
from datasets.records import AnnotationRecord, BboxXywh, parse_bbox
from datasets.snapshot import SNAPSHOT, decode_snapshot
from datasets.taxonomy import Settings, Taxonomy
from datasets.versions import read_conflicts, taxonomy_of
from pipelines.annotation.desk import Desk
from pipelines.annotation.history import note_pushed, note_relabelled, read_history
from pipelines.progress import Step
from pipelines.scraping.blurring import Blurring

_TEST = "test"
WAIT_SECONDS = 600


class PushChoice(Settings):
    """What the command's options choose beside the settings of the project file."""

    title: str | None = None
    subset: str | None = None
    assign: tuple[str, ...] = ()
    ground_truth: float | None = None
    honeypots: int = 0
    annotations: bool = True
    conflicts: bool = True
    seed: int = 0


def for_people(desk: Desk, version: str) -> str:
    """The version that annotators may see: where the project says so, one with plates and faces blurred.

    Raises:
        CarloopError: the images cannot be searched.
    """
    settings = desk.project.scrape.blur
    return Blurring(desk.shelf, settings, desk.progress).version(version)[0] if settings.enabled else version


def push_version(
    desk: Desk, version: str, settings: CvatSettings, choice: PushChoice
) -> tuple[dict[str, Any], list[str]]:
    """Push a version; gives what was done, and what a person should know of it.

    Raises:
        CarloopError: something cannot be pushed as asked; what was pushed stays, and the same command goes on.
    """
    version = for_people(desk, version)
    records = desk.shelf.read_content(version)
    dataset = from_records(records, taxonomy_of(records))
    images = [image for image in dataset.images if not image.deleted]
    known = _read_known(desk, version, dataset)
    conflicts = read_conflicts(desk.shelf.find(version))
    again = _requests(desk, images)
    content = make_content(dataset, known, conflicts, desk.project.taxonomy, settings, choice, again=again)
    if choice.conflicts:
        content = replace(content, issues=issues_of(conflicts, _boxes(records.annotations, conflicts)))
    order = Order(
        title=choice.title or desk.project.name,
        images=images,
        subset=choice.subset,
        content=content,
        assignees=find_users(desk.client, choice.assign),
        validation=_validation(desk, choice),
        again=again,
    )
    with desk.progress.step(f"push {len(images)} images", total=len(images)) as step:
        pusher = Pusher(desk.client, desk.ledger, desk.shelf.store, desk.project.taxonomy, settings)
        pusher.sent = _counted(step, len(images))
        with desk.ledger.lock("push", wait_seconds=WAIT_SECONDS):
            pushed = pusher.push(order)
            note_pushed(desk, desk.shelf.find(version).name)
            note_relabelled(desk, again)
    return _told(pushed, len(images)), list(_notes(known, pushed, content, settings))


def _requests(desk: Desk, images: Iterable[Image]) -> dict[str, int]:
    """The reviewers' requests to label these images again that were not met yet, by SHA-256."""
    met = read_history(desk).relabelled
    asked = relabel_requests(read_decisions(desk.shelf.decisions))
    numbers = {i.sha256: asked.get(i.sha256, asked.get(i.derived_from or "")) for i in images}
    return {sha256: n for sha256, n in numbers.items() if n is not None and met.get(sha256) != n}


def _read_known(desk: Desk, version: str, dataset: Dataset) -> Known:
    """What is known of the images: from the snapshot that a pulled version has, else from the version itself."""
    taxonomy, path = desk.project.taxonomy, desk.shelf.find(version) / SNAPSHOT
    if not path.exists():
        return known_objects(dataset, taxonomy)
    snapshot = decode_snapshot(path.read_bytes(), told_in=path)
    return Known(snapshot_objects(snapshot, taxonomy), {})


def make_content(
    dataset: Dataset,
    known: Known,
    conflicts: Iterable[Conflict],
    taxonomy: Taxonomy,
    settings: CvatSettings,
    choice: PushChoice,
    *,
    again: Collection[str] = (),
) -> Content:
    """What jobs get beside their images. A test set's images are shown no predictions and get no probes.

    Nor do those that are labelled `again`: a probe would bar them from every later version.
    """
    frozen = {image.sha256 for image in dataset.images if _TEST in (image.split, choice.subset)}.union(again)
    if not choice.annotations:
        return Content(frozen=frozen, control_share=settings.control_share, seed=choice.seed)
    barred = frozen | {conflict.sha256 for conflict in conflicts if conflict.kind in UNDECIDED}
    probes = plant_probes(
        [image for image in dataset.images if image.sha256 not in barred and _is_by_people(image, known)],
        known.objects,
        taxonomy,
        searched={i.sha256 for i in dataset.images if _is_searched(dataset, i)},
        share=settings.probe_share,
        seed=choice.seed,
        model=settings.probe_model,
    )
    return Content(
        known.objects,
        probes,
        frozen=frozen,
        predicted=known.predicted,
        control_share=settings.control_share,
        seed=choice.seed,
    )


def _is_by_people(image: Image, known: Known) -> bool:
    return all(labelled.score is None for labelled in known.objects.get(image.sha256, ()))


def _is_searched(dataset: Dataset, image: Image) -> bool:
    return dataset.known_category_ids(image.sha256) >= set(dataset.taxonomy.ids("rectangle"))


def _boxes(annotations: Iterable[AnnotationRecord], conflicts: Iterable[Conflict]) -> dict[int, BboxXywh]:
    wanted = {number for conflict in conflicts for number in conflict.annotation_ids}
    return {record.id: parse_bbox(record.bbox) for record in annotations if record.id in wanted}


def _validation(desk: Desk, choice: PushChoice) -> Mapping[str, Any] | None:
    if choice.ground_truth is None:
        return None
    require_quality(desk.client)
    return ground_truth(frames=choice.ground_truth, honeypots=choice.honeypots, seed=choice.seed)


def _counted(step: Step, total: int) -> Sent:
    sent = 0

    def advance(count: int) -> None:
        nonlocal sent
        sent += count
        step.advance(to=sent, of=total)

    return advance


def _told(pushed: Pushed, images: int) -> dict[str, Any]:
    return {
        "project_id": pushed.project_id,
        "tasks": list(pushed.tasks),
        "images": pushed.images,
        "again": pushed.again,
        "there_already": images - pushed.images - pushed.again,
        **{name: pushed.told[name] for name in ("objects", "prelabels", "controls", "probes", "issues", "assigned")},
    }


def _notes(known: Known, pushed: Pushed, content: Content, settings: CvatSettings) -> Iterator[str]:
    for (name, attribute), count in pushed.lost.items():
        yield (
            f"{count} values of {attribute!r} were not pushed; add it to the attributes of {name!r} in the project file"
        )
    for name, count in known.undrawn.items():
        yield f"{count} objects of class {name!r} cannot be drawn as its kind, and were left out"
    if pushed.told["untold_issues"]:
        yield (
            f"{pushed.told['untold_issues']} conflicts were not put to annotators: this server has no issues; "
            "carloop dataset show --only conflicts shows them"
        )
    if settings.probe_share and not content.probes:
        yield "no probes: they need images that are not of the test set, with boxes by people, without conflicts"
