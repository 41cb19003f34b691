"""`scrape` as a Prefect flow, on Prefect's own server in this process."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from PIL import Image as PillowImage
from prefect.testing.utilities import prefect_test_harness

from pipelines.errors import BadProject
from pipelines.scraping.flow import scrape_flow, scrape_source
from scrapers.errors import FetchFailed, RecipeFailed


def write_project(folder: Path, *names: str) -> Path:
    """A project of local sources; one whose folder is not there cannot be read."""
    sources = [{"kind": "local", "name": name, "path": str(folder / name), "license": "CC0-1.0"} for name in names]
    scrape = {"sources": sources, "relevance": {"min_side": 8, "same_below": 0}}
    (folder / "carloop.yaml").write_text(yaml.safe_dump({"scrape": scrape}))
    return folder / "carloop.yaml"


@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "thorough", reason="Prefect's server comes up slowly")
def test_a_source_that_cannot_be_read_fails_the_run_once_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    PillowImage.new("RGB", (32, 24)).save(tmp_path / "mine" / "a.png")
    project = write_project(tmp_path, "gone", "mine")
    with prefect_test_harness(server_startup_timeout=120):
        with pytest.raises(RecipeFailed, match="gone is not there"):
            scrape_flow(project, tmp_path / "home")
        (report,) = scrape_flow(project, tmp_path / "home", sources=("mine",))
    assert (report.found, report.known, report.fates) == (1, 1, {})
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "is_tried_again"),
    [
        (FetchFailed("no answer"), True),
        (OSError("connection reset"), True),
        (RecipeFailed("no listings"), False),
        (BadProject("no such source"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_a_source_is_tried_again_unless_that_is_no_use(error: BaseException, is_tried_again: bool) -> None:
    assert scrape_source.retries == 2
    assert scrape_source.retry_condition_fn is not None
    state: Any = SimpleNamespace(result=lambda raise_on_failure: error)
    assert scrape_source.retry_condition_fn(scrape_source, Any, state) is is_tried_again
