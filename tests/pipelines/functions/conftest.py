import os
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from tests.nuclio_functions.standin import Nuclio, run_nuclio

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nuclio(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nuclio]:
    """A stand-in for a Nuclio, which the environment names."""
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    with run_nuclio() as nuclio:
        monkeypatch.setenv("CARLOOP_NUCLIO_URL", nuclio.url)
        yield nuclio


@pytest.fixture
def function() -> Run:
    """Run `carloop function …` in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(main, ["function", *map(str, arguments)], catch_exceptions=False)
        return result.exit_code, result.stdout, result.stderr

    return run
