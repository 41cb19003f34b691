"""`carloop cvat pull`: what people accepted in CVAT, as a dataset version."""

from pathlib import Path

import click

from pipelines.annotation.options import PROJECT
from pipelines.dataset.options import NAME, options
from pipelines.options import AS_JSON, HOME


@click.command("pull")
@options(NAME, PROJECT, HOME, AS_JSON)
@click.option("--curate", is_flag=True, help="Show the version in FiftyOne too, as carloop curate sync does.")
def pull_command(name: str | None, project_path: Path, home: Path, as_json: bool, curate: bool) -> None:
    """Pull what people accepted, as a dataset version.

    Takes the jobs that accept: in the project file says, reads those that changed since the last pull, and notes what
    became of every pre-label. What COCO cannot hold lies beside it in the version's snapshot.json. Without --name the
    version is called like the project, with -accepted.
    """
    from rich.console import Console

    from pipelines.annotation.desk import open_desk
    from pipelines.annotation.pulling import pull_version
    from pipelines.output import show
    from pipelines.progress import Progress

    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        told, notes = pull_version(desk, name=name)
        if curate and told["version"]:
            from pipelines.curating.accepted import show_accepted

            show_accepted(desk, home, told["name"])
    show(told, as_json=as_json, notes=notes)
