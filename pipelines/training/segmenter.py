"""`carloop train segmenter`: its options."""

import click

from pipelines.training.options import Asked, train_options


@click.command()
@train_options
def segmenter(asked: Asked) -> None:
    """Train a Mask R-CNN to outline damage, and test it.

    DATA is a dataset version, or a folder to import, whose objects have polygons or masks, and whose every image was
    searched for every class.
    """
    from pipelines.training.config import read_config
    from pipelines.training.segmenter_run import train_and_test
    from training.settings import SegmenterSettings

    train_and_test(asked, read_config(asked.config, SegmenterSettings, overrides=asked.overrides))
