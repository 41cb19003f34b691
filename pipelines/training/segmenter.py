"""`carloop train segmenter`: its options."""

from pathlib import Path

import click

from pipelines.training.options import train_options


@click.command()
@train_options
def segmenter(
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
    """Train a Mask R-CNN to outline damage, and test it.

    DATA is a dataset version, or a folder to import, whose objects have polygons or masks, and whose every image was
    searched for every class.
    """
    from pipelines.training.config import read_config
    from pipelines.training.segmenter_run import Asked, train_and_test
    from training.settings import SegmenterSettings

    settings = read_config(config, SegmenterSettings, overrides=overrides)
    asked = Asked(settings, data, seed, home, runs or home / "runs", project_path, is_dry=dry_run, is_fresh=fresh)
    train_and_test(asked, as_json=as_json)
