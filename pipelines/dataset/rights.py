"""The commands about rights: licenses, takedown."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasets.rights import (
    Claim,
    delete_images,
    licenses,
    licenses_to_json,
    print_deletion,
    print_licenses,
    print_withdrawal,
    versions_holding,
    write_replacements,
)
from datasets.rights.tables import console
from datasets.rights.takedown import hashes
from pipelines.duplicates import Descriptors
from pipelines.output import write_json
from pipelines.runs import run_folders
from pipelines.shelf import Shelf


def show_licenses(shelf: Shelf, reference: str, *, as_json: bool) -> None:
    """Who stated which licence."""
    found = licenses(shelf.read(reference))
    if as_json:
        write_json(licenses_to_json(found))
    else:
        print_licenses(found)


def take_down(shelf: Shelf, home: Path, claim: Claim, *, reason: str | None, delete: bool, as_json: bool) -> None:
    """Write every version anew without the pictures that are claimed, and remember the claim."""
    done = write_replacements(shelf.versions, claim, ledger=shelf.takedowns, now=datetime.now(UTC), reason=reason)
    replaced = {replacement.old: replacement.new for replacement in done.replacements}
    shelf.rename(replaced)
    gone = {sha256 for image in done.removed for sha256 in hashes(image)}
    deletion = None
    if delete:
        Descriptors(shelf.descriptors).forget(gone)
        deletion = delete_images(done.removed, shelf.store)
    runs = _runs_holding(home, gone)
    if as_json:
        told = {
            "removed": [image.sha256 for image in done.removed],
            "replacements": replaced,
            "unmatched": list(done.unmatched),
            "near": [image.sha256 for image in done.near],
            "deleted": [str(path) for path in deletion.deleted] if deletion else [],
            "runs": runs,
        }
        write_json(told)
        return
    print_withdrawal(done)
    if deletion:
        print_deletion(deletion)
    _print_runs(home, runs)


def _runs_holding(home: Path, sha256s: Collection[str]) -> dict[str, Any]:
    """The runs of the loop whose versions hold these images, and the models that were trained on those."""
    found = {}
    for run in run_folders(home):
        versions = [holding.version for holding in versions_holding(run / "versions", sha256s)]
        if versions:
            from training.registry import open_registry

            registry = open_registry(run)
            models = sorted({model for version in versions for model in registry.trained_on(version)})
            found[run.name] = {"versions": versions, "models": models}
    return found


def _print_runs(home: Path, runs: dict[str, Any]) -> None:
    """What is left to a person: a takedown does not change what a run has made."""
    out = console()
    for run, held in runs.items():
        out.print(
            f"The run {run} still has them, in {len(held['versions'])} versions; models trained on these: "
            f"{', '.join(held['models']) or 'none'}. To be rid of them, take them out of its ground truth, delete "
            f"{home / 'runs' / run}, and run the loop again.",
            soft_wrap=True,
        )
    out.print("Models that were trained elsewhere, on exports of these versions, are not known here.", soft_wrap=True)
