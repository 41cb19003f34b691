"""The bench: what every step of one run works with."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.client import connect
from datasets.coco import Image
from datasets.curating import open_fiftyone
from datasets.importing import TruthFolder
from datasets.labelled import LabelledObject, tag
from datasets.ledger import Ledger
from datasets.split import split_of
from datasets.store import ImageStore
from pipelines.progress import Progress
from pipelines.runs import Run
from pipelines.services import Services
from pipelines.truth_site import Site
from scrapers.catalog import Catalog
from training.registry import Registry, open_registry


@dataclass(frozen=True)
class Bench:
    """One run, the servers it uses, and the stores it fills."""

    run: Run
    services: Services
    site: Site
    truth: TruthFolder
    progress: Progress
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _resources: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def store(self) -> ImageStore:
        return ImageStore(self.run.store)

    @cached_property
    def catalog(self) -> Catalog:
        return self._resources.enter_context(closing(Catalog(self.run.catalog_url)))

    @cached_property
    def ledger(self) -> Ledger:
        return self._resources.enter_context(closing(Ledger(self.run.ledger_url)))

    @cached_property
    def fiftyone(self) -> Any:
        """The FiftyOne module, connected."""
        return self._resources.enter_context(open_fiftyone(self.services.mongodb_uri))

    @cached_property
    def registry(self) -> Registry:
        return open_registry(self.run.folder)

    @cached_property
    def true_objects(self) -> Mapping[str, Sequence[LabelledObject]]:
        """What the simulated annotator knows, by SHA-256."""
        name = self.run.project.taxonomy.name
        return {
            image.sha256: [
                *(
                    LabelledObject(name(category_id), (x, y, x + width, y + height))
                    for category_id, (x, y, width, height) in image.boxes
                ),
                *(tag(name(tag_id)) for tag_id in image.tag_ids),
            ]
            for image in self.truth.images
        }

    @contextmanager
    def cvat(self) -> Iterator[Client]:
        """A client logged in to the run's CVAT."""
        with connect(self.services.cvat_url, self.services.credentials) as client:
            yield client

    def images(self) -> dict[str, Image]:
        """Every scraped image by SHA-256, on the side of the split that its family is on."""
        project = self.run.project
        return {
            image.sha256: replace(image, split=split_of(image.family, seed=project.seed, settings=project.split))
            for image in self.catalog.images()
        }

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the block's seconds to a step's."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] += time.monotonic() - started

    def close(self) -> None:
        self._resources.close()
