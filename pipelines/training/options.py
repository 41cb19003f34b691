"""What every `carloop train` command takes: CONFIG, [KEY=VALUE]…, and its options."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
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
DRY_RUN = click.option(
    "--dry-run", "is_dry", is_flag=True, help="One batch of everything, into a folder that is dropped."
)
FRESH = click.option("--fresh", "is_fresh", is_flag=True, help="Begin anew instead of going on with an earlier run.")
MLFLOW = click.option(
    "--mlflow/--no-mlflow",
    "is_logged",
    default=True,
    show_default=True,
    help="Log settings, metrics by epoch and the run's folder to the home's MLflow.",
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a training is asked for, whatever the task."""

    config: Path
    overrides: tuple[str, ...] = ()
    data: str
    seed: int
    is_dry: bool
    is_fresh: bool
    is_logged: bool
    project_path: Path | None
    runs: Path | None
    home: Path
    as_json: bool


def train_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be given what it was `Asked`, of the options that all share, before those of its own."""

    @wraps(command)
    def called(**values: Any) -> None:
        shared = {name: values.pop(name) for name in Asked.__dataclass_fields__}
        command(Asked(**shared), **values)

    several = (CONFIG, OVERRIDES, DATA, SEED, DRY_RUN, FRESH, PROJECT, RUNS, MLFLOW, HOME, AS_JSON)
    for option in reversed(several):
        called = option(called)
    return called
