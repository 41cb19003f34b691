"""`carloop curate read`: what reviewers decided becomes decisions, and versions that follow them."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.console import Console

from datasets.curating.reading import counts_of, load_review, take_back
from datasets.decisions import Decided, Decision, Mark, apply_decisions, marked, only
from datasets.errors import BadInput
from datasets.records import CocoFile
from datasets.snapshot import SNAPSHOT, decode_snapshot, encode_snapshot, without_images
from datasets.versions import read_beside, read_conflicts, read_content, read_manifest, write_content
from pipelines.curating.place import opened_held
from pipelines.curating.syncing import VERSIONS
from pipelines.names import is_name
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.shelf import Shelf

_CURATED = "-curated"


def read_back(home: Path, name: str, *, ignored: tuple[str, ...], as_json: bool) -> None:
    """Keep what reviewers of a FiftyOne dataset decided, and write the versions that follow from it."""
    shelf, progress = Shelf(home), Progress(Console(stderr=True))
    with opened_held(home) as fo, progress.step("read what reviewers decided"):
        dataset = load_review(fo, name)
        versions = list(dataset.info.get(VERSIONS, ()))
        if not versions:
            raise BadInput(f"FiftyOne's dataset {name!r} does not say of which version it is; sync it again")
        sha256s, decisions = take_back(dataset, shelf.decisions, ignored=ignored)
    shown = {sha256: decision for sha256, decision in decisions.items() if sha256 in sha256s}
    made = {version: _write_versions(shelf, version, decisions) for version in versions}
    notes = [note for told in made.values() for note in _notes(told)]
    show({"dataset": name, **counts_of(shown), "versions": made}, as_json=as_json, notes=notes)


def _write_versions(shelf: Shelf, version: str, decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """The version without what is excluded, and what is to be labelled again or is gold in versions of their own."""
    folder = shelf.find(version)
    decided = apply_decisions(shelf.read_content(version), decisions)
    if not decided.content.images:
        raise BadInput(f"all images of {version} are excluded; leave some in, then read again")
    stem = version.removesuffix(_CURATED) if is_name(version) else f"version-{folder.name[:12]}"
    parts = _parts(decided, decisions)
    digest = _write(shelf, folder, stem + _CURATED, decided.content)
    for mark, sha256s in parts.items():
        if sha256s:
            _write(shelf, folder, f"{stem}-{mark}", only(decided.content, sha256s))
        else:
            _drop(shelf, folder, mark, f"{stem}-{mark}", decisions)
    return {
        "name": stem + _CURATED,
        "digest": digest,
        "images": len(decided.content.images),
        "excluded": len(decided.excluded),
        "benched": len(decided.benched),
        **{mark: f"{stem}-{mark}" for mark, sha256s in parts.items() if sha256s},
    }


def _parts(decided: Decided, decisions: Mapping[str, Decision]) -> Mapping[Mark, frozenset[str]]:
    """The images that versions of their own are made of."""
    here = {image.sha256 for image in decided.content.images}
    return {"relabel": marked(decisions, "relabel") & here, "gold": decided.gold}


def _write(shelf: Shelf, folder: Path, name: str, content: CocoFile) -> str:
    """Keep a part of the version in `folder`, with all that lies beside it there, under a name."""
    left = {image.sha256 for image in content.images}
    conflicts = [conflict for conflict in read_conflicts(folder) if conflict.sha256 in left]
    beside = _snapshot_of(folder, left)
    digest = write_content(content, shelf.versions, parents=[folder.name], conflicts=conflicts, beside=beside)
    shelf.write_name(name, digest)
    return digest


def _drop(shelf: Shelf, folder: Path, mark: Mark, name: str, decisions: Mapping[str, Decision]) -> None:
    """Let a name stand for nothing where all of its images lost the mark, and it is no version made by other means."""
    digest = shelf.names().get(name)
    if digest is None or _parts(apply_decisions(shelf.read_content(digest), decisions), decisions)[mark]:
        return
    if _is_part(shelf, digest, folder):
        shelf.drop_name(name)


def _is_part(shelf: Shelf, digest: str, folder: Path) -> bool:
    """Whether a version is made from one other, and has fewer images than that in `folder`, or is that."""
    manifest, whole = (read_manifest(at.parent, at.name) for at in (shelf.versions / digest, folder))
    return digest == folder.name or (len(manifest["parents"]) == 1 and manifest["images"] < whole["images"])


def _snapshot_of(folder: Path, left: Collection[str]) -> dict[str, bytes]:
    """The snapshot beside a version, of these images alone; nothing where there is none."""
    held = read_beside(folder, SNAPSHOT)
    if held is None:
        return {}
    snapshot = decode_snapshot(held, told_in=folder / SNAPSHOT)
    gone = {image.sha256 for image in read_content(folder).images} - set(left)
    tasks = tuple(without_images(task, gone) for task in snapshot.tasks)
    return {SNAPSHOT: encode_snapshot(replace(snapshot, tasks=tasks))}


def _notes(told: Mapping[str, Any]) -> Iterator[str]:
    if "relabel" in told:
        yield f"to label again: carloop cvat push {told['relabel']}"
    if told["benched"]:
        yield f"{told['benched']} images left training because they show the car of a gold one"
