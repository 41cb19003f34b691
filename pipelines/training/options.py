"""What every `carloop train` command takes: CONFIG, [KEY=VALUE]…, and its options."""

from pathlib import Path
from typing import Any

import click

from pipelines.options import AS_JSON, HOME

CONFIG = click.argument("config", type=click.Path(path_type=Path))
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
DATA = click.option("--data", required=True, help="A dataset version (name or digest), or a folder to import.")
RUNS = click.option(
    "--runs", type=click.Path(path_type=Path, file_okay=False), help="Folder of runs [default: runs/ in the home]."
)
PROJECT = click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    help="Project file with the classes, for a folder [default: carloop.yaml where it is there].",
)
SEED = click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Decides weights.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="One batch of everything, into a folder that is dropped.")
FRESH = click.option("--fresh", is_flag=True, help="Begin anew instead of going on with an earlier run.")


def train_options(command: Any) -> Any:
    """What every `carloop train` command takes: CONFIG, [KEY=VALUE]…, and its options."""
    for option in reversed((CONFIG, OVERRIDES, DATA, SEED, DRY_RUN, FRESH, PROJECT, RUNS, HOME, AS_JSON)):
        command = option(command)
    return command
