"""A home as a place to learn in: the same bench as a run of the loop has, on the home's shelf and ledger.

learn/<key>/result.json   what a finished learn gave     learn/<key>/models/, logs/   what it trained
learn/last.json           the last of them               learn/begun                  there while one is under way
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from cvat.client import Credentials, address
from datasets.importing import TruthFolder
from datasets.ledger import Ledger
from datasets.store import ImageStore
from pipelines.annotation.desk import Desk, ledger_address
from pipelines.bench import Bench
from pipelines.runs import Run
from pipelines.services import Services
from pipelines.truth_site import Site

LEARN = "learn"


class HomeRun(Run):
    """A home's own places, where they are not those of a run."""

    @property
    def store(self) -> Path:
        return self.folder / "datasets" / "store"

    @property
    def versions(self) -> Path:
        return self.folder / "datasets" / "versions"

    @property
    def ledger_url(self) -> str:
        return ledger_address(self.folder)

    @property
    def learnt(self) -> Path:
        """What one learn made."""
        return self.folder / LEARN / self.key

    @property
    def models(self) -> Path:
        return self.learnt / "models"

    @property
    def logs(self) -> Path:
        return self.learnt / "logs"


@dataclass(frozen=True, kw_only=True)
class HomeBench(Bench):
    """A bench without ground truth; the ledger is the desk's, which knows whose project and server it is."""

    desk: Desk

    @cached_property
    def store(self) -> ImageStore:
        return self.desk.shelf.store

    @cached_property
    def ledger(self) -> Ledger:
        return self.desk.ledger


def home_bench(desk: Desk, home: Path, *, key: str) -> HomeBench:
    """The bench of a learn, which its key tells from other ones; what a killed one left half-trained is swept away."""
    run = HomeRun(home, desk.project, key, desk.project.name)
    for left in run.models.glob("training-*"):
        shutil.rmtree(left)
    return HomeBench(
        run=run,
        services=Services(address(desk.client), Credentials("", ""), "", "", "", ()),
        site=cast(Site, None),  # nobody publishes ground truth here
        truth=TruthFolder((), frozenset(), 0, 0, 0),
        progress=desk.progress,
        desk=desk,
    )
