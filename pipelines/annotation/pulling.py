"""From jobs that people accepted to a version on the shelf: what `carloop cvat pull` does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cvat.accepted import make_accepted
from cvat.contents import specs_of
from cvat.frames import content_of
from cvat.held import find_stored
from cvat.project import require_project
from cvat.pull import Listing, Puller, read_tasks
from datasets.coco import Dataset, Image, to_records
from datasets.decisions import Decision, decisive, honour, marked, read_decisions
from datasets.files import digest, is_complete
from datasets.rights import read_takedowns
from datasets.snapshot import SNAPSHOT, TaskSnapshot, encode_snapshot, make_snapshot, without_images
from datasets.store import probe
from datasets.versions import read_manifest, write_content
from pipelines.annotation.desk import Desk
from pipelines.annotation.frames import Identify
from pipelines.annotation.history import History, Pulled, note_pulled, read_history
from pipelines.annotation.overtaken import overtaken_jobs
from pipelines.annotation.video_frames import images_of_videos

WAIT_SECONDS = 600


def pull_version(desk: Desk, *, name: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """Pull what people accepted, and let a name stand for the version that it makes; gives what a person should know.

    Raises:
        CvatAbsent: there is no such project on the server.
        CarloopError: it cannot be pulled; what was read stays, and the same command goes on.
    """
    project_id = require_project(desk.client, desk.project.cvat.project)
    with desk.ledger.lock("pull", wait_seconds=WAIT_SECONDS):
        with desk.progress.step("read what is accepted") as step:
            puller = Puller(
                desk.client,
                project_id,
                desk.ledger,
                Identify(desk),
                desk.project.cvat.accept,
                on_job=lambda done, total: step.advance(to=done, of=total),
            )
            listing = puller.pull()
        if not listing.jobs:
            return {"version": None, "jobs": 0, "read": puller.read}, ["no job is accepted yet; nothing was made"]
        pulled = _pulled(desk, listing)
        named = name or f"{desk.project.name}-accepted"
        if desk.shelf.names().get(named) != pulled.version:
            desk.shelf.write_name(named, pulled.version)
        overtaken = overtaken_jobs(desk.ledger, listing.jobs)
    told = _told(desk, pulled, named, jobs=len(listing.jobs), read=puller.read)
    return told, [*_notes(pulled), *_notes_of_overtaken(overtaken)]


def _pulled(desk: Desk, listing: Listing) -> Pulled:
    """The version of these jobs: made, unless the last pull made it of the same."""
    history = read_history(desk)
    decisions = read_decisions(desk.shelf.decisions)
    withheld = _withheld(desk, decisions)
    key = _key(desk, listing, history, withheld, decisions)
    last = history.pulled
    if last and last.key == key and is_complete(desk.shelf.versions / last.version):
        return last
    with desk.progress.step("make the version"):
        tasks = read_tasks(desk.ledger, listing)
        images, parents = _images(desk, history, {frame.sha256 for task in tasks for frame in task.frames})
        accepted = make_accepted(tasks, desk.project.taxonomy, images, withheld=withheld)
        dataset = honour(accepted.dataset, decisions)
        version = _write(desk, listing, dataset, [without_images(task, withheld) for task in tasks], parents)
    pulled = Pulled(key, version, dict(accepted.drift), dict(accepted.left_out))
    note_pulled(desk, pulled)
    return pulled


def _withheld(desk: Desk, decisions: Mapping[str, Decision]) -> dict[str, str]:
    """Why images may not be in the dataset, by SHA-256."""
    excluded = dict.fromkeys(marked(decisions, "exclude"), "that reviewers excluded")
    probed = {probe.sha256: "with a probe" for probes in desk.ledger.read_probes().values() for probe in probes}
    withdrawn = read_takedowns(desk.shelf.takedowns).by_sha256
    return excluded | probed | dict.fromkeys(withdrawn, "of images that were withdrawn")


def _key(
    desk: Desk,
    listing: Listing,
    history: History,
    withheld: Mapping[str, str],
    decisions: Mapping[str, Decision],
) -> str:
    """A digest of all that a version is made from."""
    pulls = desk.ledger.read_pulls()
    task_ids = sorted({job.task_id for job in listing.jobs})
    return digest(
        [
            [[job.id, pulls[job.id].revision] for job in listing.jobs],
            [[task_id, listing.tasks[task_id].name, listing.tasks[task_id].subset] for task_id in task_ids],
            [repr(label) for label in specs_of(listing.labels)],
            desk.project.taxonomy.model_dump(),
            sorted(withheld.items()),
            decisive(decisions),
            history.pushed,
        ]
    )


def _images(desk: Desk, history: History, sha256s: set[str]) -> tuple[dict[str, Image], list[str]]:
    """These images, and the pushed versions that hold any of them; the store tells of those that are in none."""
    images: dict[str, Image] = {}
    parents = []
    for version in reversed(history.pushed):
        if not is_complete(desk.shelf.versions / version):
            continue
        found = {image.sha256: image for image in desk.shelf.read(version).images if image.sha256 in sha256s}
        images = found | images
        parents += [version] if found else []
    images |= images_of_videos(desk, history.video_frames, sha256s - images.keys())
    return images | _in_store(desk, sha256s - images.keys()), parents


def _in_store(desk: Desk, sha256s: Iterable[str]) -> dict[str, Image]:
    """Images of which only the bytes are known: each a family of its own, from nowhere."""
    store = desk.shelf.store
    wanted = {content_of(sha256): sha256 for sha256 in sha256s}
    return {
        wanted[content]: _image(wanted[content], path, store.root)
        for content, path in find_stored(store, wanted).items()
    }


def _image(sha256: str, path: Path, root: Path) -> Image:
    facts = probe(path.read_bytes())
    return Image(sha256, path.relative_to(root).as_posix(), facts.width, facts.height, family=sha256[:16])


def _write(
    desk: Desk, listing: Listing, dataset: Dataset, tasks: Sequence[TaskSnapshot], parents: Sequence[str]
) -> str:
    models = sorted(set(desk.ledger.read_outcomes().model.tolist()) - {""})
    snapshot = make_snapshot(specs_of(listing.labels), tasks)
    return write_content(
        to_records(dataset),
        desk.shelf.versions,
        parents=[*parents, *models],
        beside={SNAPSHOT: encode_snapshot(snapshot)},
    )


def _told(desk: Desk, pulled: Pulled, name: str, *, jobs: int, read: int) -> dict[str, Any]:
    manifest = read_manifest(desk.shelf.versions, pulled.version)
    counted = {key: manifest[key] for key in ("images", "annotations", "categories", "tags", "parents")}
    told = {"version": pulled.version, "name": name, "jobs": jobs, "read": read, **counted}
    return {**told, "drift": pulled.drift, "left_out": pulled.left_out}


def _notes(pulled: Pulled) -> Iterator[str]:
    for name, count in pulled.drift.items():
        yield (
            f"class {name!r} was added in CVAT: its {count:,} objects are in {SNAPSHOT} alone; "
            "add it to categories: in the project file to take them"
        )


def _notes_of_overtaken(jobs: Mapping[int, Sequence[str]]) -> Iterator[str]:
    for job_id, sha256s in jobs.items():
        yield (
            f"job {job_id} was accepted after a newer task that tells of {len(sha256s)} of its images, "
            f"{sha256s[0][:16]} among them: what was changed in the job since is not in the version; "
            "draw it in the newer task too"
        )
