"""`carloop cvat backup` and `carloop cvat restore`."""

import sys
from pathlib import Path

import click

from pipelines.annotation.options import PROJECT
from pipelines.options import AS_JSON, HOME

_SHOWN = 20


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@PROJECT
@HOME
@AS_JSON
def backup_command(folder: Path, project_path: Path, home: Path, as_json: bool) -> None:
    """Back up the CVAT project into a new FOLDER: images and annotations as CVAT keeps them, and a snapshot of the
    annotations by names alone."""
    import msgspec
    from rich.console import Console

    from cvat.backup import write_backup
    from pipelines.annotation.desk import open_desk
    from pipelines.output import show
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk, desk.progress.step("Back up"):
        manifest = write_backup(desk.client, desk.project.cvat.project, folder)
    show({"backup": str(folder), **msgspec.to_builtins(manifest)}, as_json=as_json)


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path))
@PROJECT
@HOME
@click.option("--name", help="Name of the project in CVAT [default: that of the project file].")
@click.option(
    "--annotations-only",
    is_flag=True,
    help="Put the annotations onto the frames of the same names in the project that is there.",
)
@AS_JSON
def restore_command(
    folder: Path, project_path: Path, home: Path, name: str | None, annotations_only: bool, as_json: bool
) -> None:
    """Restore what `carloop cvat backup` put into FOLDER, and compare the outcome with it.

    What is not as it was is listed, and the exit code is 1.
    """
    from rich.console import Console

    from cvat.backup import read_backup
    from cvat.placing import place_annotations
    from cvat.project import require_project
    from cvat.restoring import Restored, restore_project
    from pipelines.annotation.desk import open_desk
    from pipelines.output import show
    from pipelines.progress import Progress

    backup = read_backup(folder)
    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk, desk.progress.step("Restore"):
        project = name or desk.project.cvat.project
        if annotations_only:
            project_id = require_project(desk.client, project)
            restored = Restored(project_id, place_annotations(desk.client, project_id, backup.snapshot))
        else:
            restored = restore_project(desk.client, backup, project)
    told = {"project": project, "project_id": restored.project_id, "objects": backup.manifest.objects}
    listed = [str(difference) for difference in restored.differences]
    show({**told, "differences": listed if as_json else len(listed)}, as_json=as_json, notes=listed[:_SHOWN])
    sys.exit(1 if listed else 0)
