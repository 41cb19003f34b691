"""`carloop cvat push`: a dataset version's images, with what is known of them, as tasks of a CVAT project."""

from pathlib import Path
from typing import Any

import click

from pipelines.annotation.options import PROJECT
from pipelines.dataset.options import options, seed
from pipelines.options import AS_JSON, HOME


def _parse_frames(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A number of frames, or below 1 a share of them."""
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number of frames nor a share like 5%") from None
    if number <= 0 or (number >= 1 and (text.endswith("%") or not number.is_integer())):
        raise click.BadParameter(f"{text!r} has to be a whole number of frames, or a share below 100 %")
    return number


@click.command("push")
@click.argument("version", required=False)
@click.option("--video", type=click.Path(path_type=Path), help="A video to push in place of a version.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["frames", "file"]),
    default="frames",
    show_default=True,
    help="The video's frames as images of a new version, or the file, to be drawn on with tracks.",
)
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="The video's first frame.")
@click.option("--stop", type=click.IntRange(min=0), help="Its last frame [default: the end].")
@click.option("--step", type=click.IntRange(min=1), default=1, show_default=True, help="Every how many frames.")
@click.option("--title", help="What the tasks' names begin with [default: the project file's name].")
@click.option("--subset", help="Subset of all tasks [default: each image's split].")
@click.option("--task-size", type=click.IntRange(min=1), help="Images per task.")
@click.option("--segment-size", type=click.IntRange(min=1), help="Frames per job.")
@click.option("--overlap", type=click.IntRange(min=0), help="Frames that a job shares with the one before.")
@click.option("--image-quality", type=click.IntRange(1, 100), help="JPEG quality of what annotators see.")
@click.option("--assign", multiple=True, metavar="USER", help="An annotator who gets jobs in turns; may be repeated.")
@click.option("--control-share", type=click.FloatRange(0, 1), help="Share of jobs that get no pre-labels.")
@click.option("--probe-share", type=click.FloatRange(0, 1), help="Share of frames of known truth with a wrong label.")
@click.option(
    "--ground-truth",
    callback=_parse_frames,
    metavar="N|SHARE",
    help="Frames per task that CVAT checks annotators by: 20, or 5%.",
)
@click.option("--honeypots", type=click.IntRange(min=0), default=0, help="How many of them hide in each job.")
@click.option("--annotations/--no-annotations", default=True, help="Push what is known of the images, or them alone.")
@click.option("--conflicts/--no-conflicts", default=True, help="Ask annotators where sources disagree.")
@options(seed("Decides control jobs, probes and ground truth."), PROJECT, HOME, AS_JSON)
def push_command(
    version: str | None,
    video: Path | None,
    form: str,
    start: int,
    stop: int | None,
    step: int,
    project_path: Path,
    home: Path,
    as_json: bool,
    **choice: Any,
) -> None:
    """Push a VERSION's images, or a video, to CVAT as tasks of a set size.

    Makes or updates the project. Pushing again does nothing; a version that grew brings its new images alone; a push
    that was cut short is completed. What is known of the images goes into jobs that nobody has begun, and nothing is
    ever overwritten. Where the project file has scrape: blur: enabled, images are pushed with plates and faces blurred.
    """
    if (version is None) == (video is None):
        raise click.UsageError("name a VERSION to push, or a --video")
    if choice["honeypots"] and not choice["ground_truth"]:
        raise click.UsageError("--honeypots are taken from --ground-truth; say how many frames that is")
    if choice["probe_share"] and not choice["annotations"]:
        raise click.UsageError("probes are made from known annotations; leave out --no-annotations")
    from rich.console import Console

    from cvat.settings import CvatSettings
    from datasets.videos import FrameRange
    from pipelines.annotation.desk import open_desk
    from pipelines.annotation.pushing import PushChoice, push_version
    from pipelines.annotation.videos import push_video, version_of_frames
    from pipelines.output import show
    from pipelines.progress import Progress
    from pipelines.project import check_settings

    chosen = {name: value for name, value in choice.items() if value is not None}
    with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
        cvat = {name: value for name, value in chosen.items() if name in CvatSettings.model_fields}
        settings = check_settings(CvatSettings, {**desk.project.cvat.model_dump(), **cvat})
        order = PushChoice.model_validate({name: value for name, value in chosen.items() if name not in cvat})
        frames = FrameRange(start, stop, step)
        notes: list[str] = []
        if video and form == "file":
            told = push_video(desk, video, frames, settings, order)
        else:
            named = version_of_frames(desk, video, frames) if video else str(version)
            told, notes = push_version(desk, named, settings, order)
    show(told, as_json=as_json, notes=notes)
