"""`carloop train detector`: its options."""

from pathlib import Path

import click

from pipelines.training.options import Asked, train_options


@click.command()
@train_options
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Weights to begin with: weights.safetensors of an earlier training, or a .pt, which needs --trust.",
)
@click.option("--trust", metavar="SHA256", help="Digest of a .pt that may be unpickled, which can run any code in it.")
def detector(asked: Asked, *, weights: Path | None, trust: str | None) -> None:
    """Train a YOLO to find damage, and test it.

    The train split is learnt from, but for the families that are kept back to choose the best epoch by; the test split
    is what it is tested on. Classes that an image was not annotated for count for nothing there.
    """
    from pipelines.training.config import read_config
    from pipelines.training.detector_run import Begin, train_and_test
    from training.settings import DetectorSettings

    settings = read_config(asked.config, DetectorSettings, overrides=asked.overrides)
    train_and_test(asked, settings, Begin(weights, trust))
