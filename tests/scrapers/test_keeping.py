"""Images that wait for the disk."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from datasets.stored_image import StoredImage
from scrapers import keeping
from scrapers.fetching.spool import UNTAKEN
from scrapers.found import FoundImage
from scrapers.keeping import Places, Rules, open_keeper
from scrapers.settings import LicencePolicy
from scrapers.sources.settings import LocalSource


@dataclass(frozen=True)
class Late:
    """A disk that takes as long as somebody is willing to wait for it."""

    result: Callable[[], Any]

    @classmethod
    def submit(cls, work: Callable[..., Any], *arguments: Any) -> "Late":
        return cls(lambda: work(*arguments))

    @staticmethod
    def shutdown() -> None:
        """Nothing is under way."""


def test_no_more_waits_for_a_slow_disk_than_the_spool_keeps(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ThreadPoolExecutor", lambda threads: Late)
    monkeypatch.setattr(keeping, "_AT_LEAST_EVERY_S", 1e9)
    source = LocalSource(name="cars", path=tmp_path)
    waiting: deque[Path] = deque()
    most = 0
    with open_keeper(places, Rules(LicencePolicy()), now=lambda: datetime(2026, 5, 1, tzinfo=UTC)) as keeper:
        for number in range(UNTAKEN + 100):
            waiting.append(tmp_path / f"{number}.jpg")
            waiting[-1].write_bytes(b"a car")
            image = StoredImage(f"{number:064}", f"images/{number}.jpg", 4, 3)
            keeper.keep(FoundImage(url=f"a.example/{number}", family="car"), str(waiting[-1]), image, source=source)
            while waiting and not waiting[0].exists():
                waiting.popleft()
            most = max(most, len(waiting))
    assert UNTAKEN // 2 < most <= UNTAKEN
