"""The export command: write a version in another format."""

from pathlib import Path

from rich.console import Console

from datasets.errors import BadInput
from datasets.exporting.export import export_dataset
from datasets.exporting.settings import ExportFormat, ExportSettings
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.shelf import Shelf


def export(
    shelf: Shelf, reference: str, out: Path, form: ExportFormat, settings: ExportSettings, *, as_json: bool
) -> None:
    """Write a version in another format. Raises BadInput when `out` lies among Carloop's own datasets."""
    for own in (shelf.root, shelf.find(reference)):
        if out.resolve().is_relative_to(own.resolve()):
            raise BadInput(f"{out} lies in {own}, which Carloop keeps for itself; name a folder elsewhere")
    dataset = shelf.read(reference)
    with Progress(Console(stderr=True)).step(
        f"export {len(dataset.images):,} images as {form}", len(dataset.images)
    ) as step:
        exported = export_dataset(
            dataset,
            shelf.store,
            out,
            format=form,
            settings=settings,
            progress=lambda done, total: step.advance(to=done, of=total),
        )
    told = {"out": str(out), "images": exported.images, "annotations": exported.annotations}
    losses = [{"what": loss.what, "count": loss.count, "why": loss.why} for loss in exported.losses]
    show({**told, **({"losses": losses} if as_json else {})}, as_json=as_json, notes=map(str, exported.losses))
