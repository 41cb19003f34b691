"""The `carloop` command. Heavy libraries are imported by the command that needs them."""

import sys
from pathlib import Path

import click

from datasets.errors import CarloopError
from datasets.files import is_disk_full
from pipelines.annotation.cli import cvat
from pipelines.annotation.ledger import ledger_group
from pipelines.curating.cli import curate
from pipelines.dataset.cli import dataset
from pipelines.flows.cli import flows
from pipelines.flows.upkeep import backup_command, prune_command, restore_command
from pipelines.functions.cli import function
from pipelines.interrupts import note_interrupts, was_interrupted
from pipelines.modelling.cli import model
from pipelines.options import AS_JSON, HOME
from pipelines.predict.cli import predict_command
from pipelines.scraping.cli import scrape
from pipelines.selecting.cli import select_command, simulate_command
from pipelines.training.cli import train

FRESH = click.option("--fresh", is_flag=True, help="Begin anew instead of going on with an earlier run.")


class Plain(click.Group):
    """Turns what a person can mend, and Ctrl-C, into one sentence and an exit code."""

    def invoke(self, context: click.Context) -> object:
        try:
            with note_interrupts():
                return super().invoke(context)
        except (Exception, KeyboardInterrupt) as error:
            if was_interrupted(error):
                click.echo("carloop: stopped; the same command goes on where it was", err=True)
                sys.exit(130)
            sentence = _sentence(error)
            if sentence is None:
                raise
            click.echo(f"carloop: {sentence}", err=True)
            sys.exit(1)


def _sentence(error: BaseException) -> str | None:
    """What to tell a person; None for what is a bug."""
    if isinstance(error, CarloopError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory ran out; close other programs, or lower batch and image_size in the project file"
    if is_disk_full(error):
        return "the disk is full; free some space and run the same command again, it goes on where it was"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}; check the path and its rights"
    return None


@click.group(cls=Plain, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="carloop")
def main() -> None:
    """The data engine for car-condition models.

    Scrapes and merges car photographs, pre-annotates them in CVAT, takes back what people corrected, retrains, and lets
    a better model take over.
    """


@main.command()
@HOME
@click.option(
    "--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="Rounds after the first models."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Decides cars and models."
)
@FRESH
@AS_JSON
def demo(home: Path, rounds: int, seed: int, fresh: bool, as_json: bool) -> None:
    """Run the loop on rendered cars: offline, on embedded servers, in a few minutes.

    Renders labelled cars, labels a few of them from scratch to get first models, then plays rounds of the loop with a
    simulated annotator. Killed or stopped, the same command goes on where it was.
    """
    from pipelines.demo import run_demo

    run_demo(home, rounds=rounds, seed=seed, fresh=fresh, as_json=as_json)


@main.group()
def loop() -> None:
    """Rounds of ingest, correcting and learning."""


@loop.command("run")
@click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    default=Path("carloop.yaml"),
    show_default=True,
    help="The project file; examples/ has some.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    required=True,
    help="COCO folder with ground truth, which the simulated annotator corrects by.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="Rounds after the first models."
)
@click.option("--budget", type=click.IntRange(min=1), default=60, show_default=True, help="Images labelled per round.")
@HOME
@FRESH
@AS_JSON
def loop_run(project_path: Path, truth: Path, rounds: int, budget: int, home: Path, fresh: bool, as_json: bool) -> None:
    """Play the loop on any COCO folder with ground truth, with a simulated annotator.

    A part of the families is kept as a test set, frozen before the first training. Killed or stopped, the same command
    goes on where it was; with more --rounds it plays on.
    """
    from pipelines.play import play
    from pipelines.project import read_project

    play(read_project(project_path), truth, home, rounds=rounds, budget=budget, fresh=fresh, as_json=as_json)


@main.command()
@HOME
@click.option("--only", multiple=True, help="Try this part alone, by its name in the table; may be repeated.")
@AS_JSON
def doctor(home: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Tell what works on this machine, and how to mend what doesn't; exit code 1 if something needed doesn't."""
    from pipelines.doctor import report_health

    sys.exit(0 if report_health(home, only=only, as_json=as_json) else 1)


main.add_command(dataset)
main.add_command(cvat)
main.add_command(ledger_group)
main.add_command(function)
main.add_command(scrape)
main.add_command(curate)
main.add_command(train)
main.add_command(model)
main.add_command(predict_command)
main.add_command(select_command)
main.add_command(simulate_command)
main.add_command(flows)
main.add_command(backup_command)
main.add_command(restore_command)
main.add_command(prune_command)


if __name__ == "__main__":
    main()
