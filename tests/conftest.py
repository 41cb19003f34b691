"""Settings of the whole suite: how many examples a property is tried on, and which tests go to one worker.

Properties are tried on few examples with every change, on many with HYPOTHESIS_PROFILE=thorough.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=15, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file share one worker, which makes their fixtures once. So do all tests of a finished run of the
    loop; being the longest, they come first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("loop" if _is_of_loop(item) else item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not _is_of_loop(item))


def _is_of_loop(item: pytest.Item) -> bool:
    return "finished" in getattr(item, "fixturenames", ())
