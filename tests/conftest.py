"""Settings of the whole suite: how many examples a property is tried on, and which tests go to one worker.

Properties are tried on few examples with every change, on many with HYPOTHESIS_PROFILE=thorough.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a finished run of the loop share one worker, so it is run once; being the longest, they come first."""
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("loop"))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
