"""Settings of the whole suite: how many examples a property is tried on, and which tests come first.

Properties are tried on few examples with every change, on many with HYPOTHESIS_PROFILE=thorough.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=15, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Several tests run at a time: a second thread of one would spin on the core that another one needs.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the loop, being the longest, come first."""
    items.sort(key=lambda item: "finished" not in getattr(item, "fixturenames", ()))
