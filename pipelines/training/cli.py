"""The `carloop train` commands. Heavy libraries are imported by the command that needs them."""

import click

from pipelines.training.classifier import classifier
from pipelines.training.detector import detector
from pipelines.training.segmenter import segmenter


@click.group()
def train() -> None:
    """Train a model on a dataset, test it, and report on it.

    CONFIG is a YAML file with settings, as in configs/; KEY=VALUE changes one of them, a.b=VALUE one inside another.
    What comes of it is in runs/<time>/ under the home. Killed or stopped, the same command goes on where it was.
    """


train.add_command(detector)
train.add_command(classifier)
train.add_command(segmenter)
