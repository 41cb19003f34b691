"""Commands that only read leave a home that is not there as it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main


@pytest.mark.parametrize(
    "command",
    [
        "model list",
        "model show damage_detector@champion",
        "model promote damage_detector@challenger",
        "scrape list",
        "scrape audit",
        "scrape dropped",
        "scrape collect cars",
        "curate views",
        "prune --fiftyone",
    ],
)
def test_a_home_that_is_not_there_is_not_made_by_asking_it(command: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    CliRunner().invoke(main, [*command.split(), "--home", str(home)], catch_exceptions=False)
    assert not home.exists()
