"""`carloop train detector`: its options."""

from pathlib import Path

import click

from pipelines.training.options import train_options


@click.command()
@train_options
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Weights to begin with: weights.safetensors of an earlier training, or a .pt, which needs --trust.",
)
@click.option("--trust", metavar="SHA256", help="Digest of a .pt that may be unpickled, which can run any code in it.")
def detector(
    config: Path,
    overrides: tuple[str, ...],
    data: str,
    seed: int,
    dry_run: bool,
    fresh: bool,
    project_path: Path | None,
    runs: Path | None,
    home: Path,
    weights: Path | None,
    trust: str | None,
    as_json: bool,
) -> None:
    """Train a YOLO to find damage, and test it.

    The train split is learnt from, but for the families that are kept back to choose the best epoch by; the test split
    is what it is tested on. Classes that an image was not annotated for count for nothing there.
    """
    from pipelines.training.config import read_config
    from pipelines.training.detector_run import Asked, train_and_test
    from training.settings import DetectorSettings

    settings = read_config(config, DetectorSettings, overrides=overrides)
    asked = Asked(settings, data, seed, home, runs or home / "runs", project_path, weights, trust, dry_run, fresh)
    train_and_test(asked, as_json=as_json)
