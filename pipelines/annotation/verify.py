"""`carloop cvat verify`: the round-trip certificate of a version on a server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.annotation.options import PROJECT
from pipelines.dataset.options import VERSION, options
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from datasets.snapshot_comparison import Difference
    from pipelines.annotation.desk import Desk

_SHOWN = 50
_WAIT_SECONDS = 600


@click.command("verify")
@VERSION
@click.option("--keep", is_flag=True, help="Leave the scratch project on the server.")
@options(PROJECT, HOME, AS_JSON)
@click.pass_context
def verify_command(
    context: click.Context, version: str, keep: bool, project_path: Path, home: Path, as_json: bool
) -> None:
    """Push a version into a scratch project, pull it, and compare.

    Whatever comes back otherwise is listed, and the exit code is 1: a box moved by more than 0.01 px, a class, an
    attribute, a rotation, the order of frames, their size or their name. The scratch project is removed.
    """
    from rich.console import Console

    from pipelines.annotation.desk import open_desk
    from pipelines.output import show
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        images, found = _verify(desk, version, keep=keep)
    told = {"version": version, "images": images, "differences": len(found)}
    lines = [str(difference) for difference in found]
    if as_json:
        show({**told, "found": lines}, as_json=True)
    else:
        more = [f"and {len(lines) - _SHOWN:,} more; --json lists all"] if len(lines) > _SHOWN else []
        show(told, as_json=False, notes=[*lines[:_SHOWN], *more])
    context.exit(1 if found else 0)


def _verify(desk: "Desk", version: str, *, keep: bool) -> "tuple[int, list[Difference]]":
    from cvat.verify import Scratch, scratch_project, verify_dataset

    dataset = desk.shelf.read(version)
    settings = desk.project.cvat
    name = f"{settings.project} (verify {desk.shelf.find(version).name[:12]})"
    uploaded = {"source": "upload", "store_at": "", "cloud_storage": None, "control_share": 0.0, "probe_share": 0.0}
    scratch = Scratch(
        desk.client,
        desk.project.taxonomy,
        desk.shelf.store,
        settings.model_copy(update={"project": name, **uploaded}),
    )
    title = f"push {len(dataset.images):,} images to {name!r}, pull them and compare"
    with (
        desk.ledger.lock("verify", wait_seconds=_WAIT_SECONDS),
        desk.progress.step(title),
        scratch_project(scratch, keep=keep),
    ):
        return len(dataset.images), verify_dataset(scratch, dataset)
