"""The `carloop function` commands."""

import click

from pipelines.functions.check import check_command
from pipelines.functions.deploy import deploy_command, remove_command
from pipelines.functions.listing import list_command
from pipelines.functions.render import render
from pipelines.functions.serve import serve_command


@click.group()
def function() -> None:
    """The Nuclio functions that pre-annotate: run them here, deploy them, look after them."""


for _command in (serve_command, deploy_command, remove_command, list_command, check_command, render):
    function.add_command(_command)
