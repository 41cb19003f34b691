"""`carloop train classifier`: what is asked for, and its options."""

from pathlib import Path

import click

from pipelines.training.options import train_options


@click.command()
@train_options
def classifier(
    config: Path,
    overrides: tuple[str, ...],
    data: str,
    seed: int,
    dry_run: bool,
    fresh: bool,
    project_path: Path | None,
    runs: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Train a network to tell an image's class, and test it.

    DATA is a dataset version with tags, a folder of folders named after classes, with train/, val/ and test/ above them
    or not, or a CSV file with the columns path,label[,split][,family].
    """
    from pipelines.training.classifier_run import Asked, ClassifierConfig, train_and_test
    from pipelines.training.config import read_config

    settings = read_config(config, ClassifierConfig, overrides=overrides)
    asked = Asked(settings, data, seed, home, runs or home / "runs", project_path, is_dry=dry_run, is_fresh=fresh)
    train_and_test(asked, as_json=as_json)
