import os
from collections.abc import Iterator

import pytest

from tests.nuclio_functions.standin import Nuclio, run_nuclio


@pytest.fixture
def nuclio(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nuclio]:
    monkeypatch.setitem(os.environ, "NO_PROXY", "127.0.0.1")
    with run_nuclio() as nuclio:
        yield nuclio
