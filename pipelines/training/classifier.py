"""`carloop train classifier`: what is asked for, and its options."""

import click

from pipelines.training.options import Asked, train_options


@click.command()
@train_options
def classifier(asked: Asked) -> None:
    """Train a network to tell an image's class, and test it.

    DATA is a dataset version with tags, a folder of folders named after classes, with train/, val/ and test/ above them
    or not, or a CSV file with the columns path,label[,split][,family].
    """
    from pipelines.training.classifier_run import ClassifierConfig, train_and_test
    from pipelines.training.config import read_config

    train_and_test(asked, read_config(asked.config, ClassifierConfig, overrides=asked.overrides))
