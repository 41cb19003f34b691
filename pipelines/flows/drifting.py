"""`drift`: whether incoming images are other than those that models were trained on.

Light, colour, sharpness, size, and the principal parts of what a model sees are compared (`drift_measures`).
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from datasets.coco import Dataset, Image
from datasets.errors import BadDataset, BadInput
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.selecting.pool import Floats
from datasets.split import unit_hash
from pipelines.flows.drift_measures import Row, by_family, compare_measures, measure_images, values_of
from pipelines.flows.drift_page import Seen, draw_page
from pipelines.flows.ingesting import scraped_name
from pipelines.flows.learning import read_last
from pipelines.flows.settings import DriftSettings
from pipelines.modelling.place import find_place
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.selecting.features import Embedder
from pipelines.selecting.handmade import handmade
from pipelines.selecting.looking import embedding_model, find_champions
from pipelines.shelf import Shelf
from training.bundle import Bundle

_FEWEST_FAMILIES = 8
_RESULT, _PAGE = "drift.json", "drift.html"


class Drift(Struct, frozen=True):
    """What was found; counts are of images and families that could be decoded."""

    key: str
    folder: str
    new_images: int
    new_families: int
    old_images: int
    old_families: int
    seen_by: str
    rows: list[Row]

    @property
    def is_drift(self) -> bool:
        return any(row.has_drifted for row in self.rows)

    @property
    def page(self) -> Path:
        return Path(self.folder) / _PAGE

    @property
    def told(self) -> str:
        drifted = [row.measure for row in self.rows if row.has_drifted]
        sizes = f"{self.new_images:,} new images of {self.new_families:,} cars"
        if not drifted:
            return f"no drift: {sizes} look like those that models were trained on"
        return f"drift: {sizes} differ in {', '.join(drifted)} from those that models were trained on"


def find_drift(
    project: Project, home: Path, progress: Progress, *, new: str | None = None, against: str | None = None
) -> Drift:
    """Compare the images of a version with those of another, and write it with a page into drift/<key>/.

    Without `new`, all that was scraped; without `against`, what was learnt from last. Images of both count as old.

    Raises:
        BadInput: there is nothing to compare, or too few cars.
    """
    shelf, settings = Shelf(home), project.flows.drift
    old = _read(shelf, against or _learnt_from(home))
    incoming = _read(shelf, new or scraped_name(project))
    news = _some([i for i in incoming.images if i.sha256 not in old.by_sha256], settings, project.seed)
    olds = _some(old.images, settings, project.seed)
    _require_families(news, olds)
    model = embedding_model(find_champions(find_place(home, None)))
    asked = [[sorted(i.sha256 for i in side) for side in (news, olds)], settings.model_dump(), _name(model)]
    folder = home / "drift" / digest(asked)[:12]
    if not is_complete(folder):
        _compare(news, olds, shelf.store.root, model, settings, folder, progress)
    return msgspec.convert(read_json(folder / _RESULT), Drift)


def _learnt_from(home: Path) -> str:
    last = read_last(home)
    if last is None:
        raise BadInput(f"nothing was learnt in {home} yet, so there is nothing to compare with; name a version")
    return last.dataset


def _read(shelf: Shelf, version: str) -> Dataset:
    try:
        return shelf.read(version).live
    except BadDataset as error:
        raise BadInput(f"nothing to compare: {error}") from None


def _some(images: Sequence[Image], settings: DriftSettings, seed: int) -> list[Image]:
    return sorted(images, key=lambda image: unit_hash(image.sha256, seed=seed))[: settings.most_images]


def _require_families(news: Sequence[Image], olds: Sequence[Image]) -> None:
    for images, told in ((news, "new images are"), (olds, "images that were learnt from are")):
        families = len({image.family for image in images})
        if families < _FEWEST_FAMILIES:
            raise BadInput(
                f"the {len(images):,} {told} of {families} cars; {_FEWEST_FAMILIES} are needed to tell a drift"
            )


def _name(model: Bundle | None) -> str:
    return f"{model.name} {model.digest[:12]}" if model else "histograms of gradients and colours"


def _compare(
    news: Sequence[Image],
    olds: Sequence[Image],
    store: Path,
    model: Bundle | None,
    settings: DriftSettings,
    folder: Path,
    progress: Progress,
) -> None:
    embed = Embedder(model).embed if model else handmade
    with progress.step(f"look at {len(news) + len(olds):,} images", total=len(news) + len(olds)) as step:
        now, before = (measure_images(side, store, embed, step.advance) for side in (news, olds))
    _require_families(now.images, before.images)
    names, (ours, theirs) = values_of([now, before])
    by_now, by_before = by_family(now.images, ours), by_family(before.images, theirs)
    rows = compare_measures(names, by_now, by_before, settings)
    drift = Drift(
        folder.name,
        str(folder),
        len(now.images),
        len(by_now),
        len(before.images),
        len(by_before),
        _name(model),
        rows,
    )
    with new_folder(folder) as part:
        write_json(part / _RESULT, msgspec.to_builtins(drift))
        seen = [Seen(row.measure, by_now[:, at], by_before[:, at]) for at, row in enumerate(rows)]
        unlike = _most_unlike(now.images, ours, theirs)
        content = {"drift": drift, "settings": settings}
        write_bytes(part / _PAGE, draw_page(content, seen, [store / image.file_name for image in unlike]))
        write_json(part / MANIFEST, {"images": len(now.images)})


def _most_unlike(images: Sequence[Image], values: Floats, others: Floats, *, most: int = 12) -> list[Image]:
    """The images that are furthest from the middle of the others, by their deviations; one of each family."""
    deviation = others.std(0)
    distances = np.abs((values - others.mean(0)) / np.where(deviation > 0, deviation, 1)).mean(1)
    of_family: dict[str, Image] = {}
    for place in np.argsort(-distances, kind="stable"):
        of_family.setdefault(images[place].family, images[place])
    return list(of_family.values())[:most]
