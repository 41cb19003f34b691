"""Pausing the collector of cycles: while it is paused nothing is collected, afterwards all is as it was."""

import gc
from collections.abc import Iterator

import pytest

from datasets.collecting import no_cycle_collection


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_is_paused_and_goes_on() -> None:
    with no_cycle_collection():
        assert not gc.isenabled()
        with no_cycle_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with no_cycle_collection():
        pass
    assert not gc.isenabled()


def test_the_collector_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), no_cycle_collection():
        raise ValueError("broken")
    assert gc.isenabled()


def test_what_was_made_meanwhile_is_old_and_not_gone_over_at_once() -> None:
    with no_cycle_collection():
        made: list[object] = [[]]
    assert any(one is made for one in gc.get_objects(generation=2))
    assert gc.get_freeze_count() == 0
