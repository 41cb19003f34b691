import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.scraping.cli import scrape
from tests.scrapers.conftest import make_site, photograph, site

__all__ = ["make_site", "photograph", "site"]

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def write_project(tmp_path: Path, site: Any) -> Callable[..., Path]:
    """A project file with these sources, which may visit `site`."""

    def write(*sources: dict[str, Any], **scrape: Any) -> Path:
        path = tmp_path / "carloop.yaml"
        fetch = {"allow_private": [site.address], "attempts": 1, "timeout_s": 5}
        relevance = {"min_side": 8, "same_below": 0}
        content = {"fetch": fetch, "scrape": {"sources": list(sources), "relevance": relevance, **scrape}}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Run:
    """Run `carloop scrape … --json` with the project file: exit code and what was told."""

    def invoke(*arguments: object, as_json: bool = True) -> tuple[int, Any]:
        project = tmp_path / "carloop.yaml"
        takes_project = arguments[0] in ("run", "preview", "check", "list", "collect") and project.exists()
        given = [*map(str, arguments), "--home", str(home), *(["--project", str(project)] if takes_project else [])]
        result = CliRunner().invoke(scrape, [*given, *(["--json"] if as_json else [])], catch_exceptions=False)
        return result.exit_code, json.loads(result.stdout) if as_json else result.stdout

    return invoke
