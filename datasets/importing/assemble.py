"""Foreign records made ours: images into the store, objects into upright pixels, classes into the project's."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Tag, View, make_dataset
from datasets.errors import BadDataset
from datasets.importing.families import family_in
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource, ImportSettings
from datasets.importing.frames import Frame, find_frame, place
from datasets.importing.names import Names
from datasets.importing.places import read_content
from datasets.store import ImageBatch
from datasets.stored_image import StoredImage


class Progress(Protocol):
    """Told after each image how many of all are done."""

    def __call__(self, done: int, total: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image that a source names and that could not be taken, and why."""

    source: str
    file_name: str
    problem: str


@dataclass
class Tally:
    """What was not taken as it is, counted; `copies` are the SHA-256 of images that one source has under several names,
    `bad_images` in the order they were met."""

    counts: Counter[str] = field(default_factory=Counter)
    copies: set[str] = field(default_factory=set)
    bad_images: list[BadImage] = field(default_factory=list)


class Assembler:
    """Makes datasets of sources, one after another; a file that several sources name is read once."""

    def __init__(self, names: Names, batch: ImageBatch, settings: ImportSettings, *, total: int) -> None:
        self.tally = Tally()
        self._names, self._batch, self._settings = names, batch, settings
        self._stored: dict[Path, StoredImage | str] = {}
        self._done, self._total = 0, total

    def assemble(self, source: ForeignSource, progress: Progress | None) -> list[Dataset]:
        """One dataset of unique images. The same bytes under another name of the source are one more statement on
        them: it goes into a second dataset, whose source is called `… (copy 2)`, and so on."""
        searched = self._searched(source)
        times: Counter[str] = Counter()
        layers: list[tuple[list[Image], list[Annotation]]] = []
        for image in sorted(source.images, key=lambda image: image.file_name):
            stored = self._store(source, image)
            if stored is not None:
                layer = times[stored.sha256]
                times[stored.sha256] += 1
                if layer == len(layers):
                    layers.append(([], []))
                name = source.name if layer == 0 else f"{source.name} (copy {layer + 1})"
                made, annotations = self._make(source, name, image, stored, searched)
                layers[layer][0].append(made)
                layers[layer][1].extend(annotations)
            self._done += 1
            if progress is not None:
                progress(self._done, self._total)
        self.tally.copies.update(sha256 for sha256, count in times.items() if count > 1)
        return [make_dataset(self._names.taxonomy, *layer) for layer in layers]

    def _searched(self, source: ForeignSource) -> tuple[int, ...]:
        return self._ids(source, source.names)

    def _ids(self, source: ForeignSource, names: Iterable[str]) -> tuple[int, ...]:
        """The project's classes of a source's names, without those that are dropped."""
        ids = {self._names.category_ids.get((source.name, name)) for name in names}
        return tuple(sorted(category_id for category_id in ids if category_id is not None))

    def _store(self, source: ForeignSource, image: ForeignImage) -> StoredImage | None:
        if image.path is None:
            self.tally.bad_images.append(BadImage(source.name, image.file_name, "absent"))
            return None
        if image.path not in self._stored:
            try:
                self._stored[image.path] = self._batch.write_image(read_content(image.path))
            except BadDataset as error:
                self._stored[image.path] = str(error)
        found = self._stored[image.path]
        if isinstance(found, str):
            self.tally.bad_images.append(BadImage(source.name, image.file_name, found))
            return None
        return found

    def _make(
        self, source: ForeignSource, name: str, image: ForeignImage, stored: StoredImage, searched: tuple[int, ...]
    ) -> tuple[Image, list[Annotation]]:
        frame = find_frame(image, stored)
        if frame.odd and image.objects:
            self.tally.counts[frame.odd] += 1
        if image.searched is not None:
            searched = self._ids(source, image.searched)
        annotations, unsure = self._annotate(source, name, image, stored, frame)
        unsure |= self._unsure_of_lost(source, image, searched) | set(self._ids(source, image.unsure))
        tags = self._tags(source, image)
        family = _family(source, image, stored, self._settings)
        view = View(
            source=name,
            file_name=image.file_name,
            family=family,
            split=image.split,
            category_ids=searched,
            not_exhaustive_category_ids=tuple(sorted(unsure)),
            tags=tags,
            provenance=_provenance(image.provenance, self._settings),
        )
        present = {a.category_id for a in annotations} | {tag.category_id for tag in tags}
        made = Image(
            sha256=stored.sha256,
            file_name=stored.file_name,
            width=stored.width,
            height=stored.height,
            family=family,
            split=image.split,
            source=view.provenance,
            tags=tags,
            neg_category_ids=tuple(sorted(set(searched) - present - unsure)),
            not_exhaustive_category_ids=view.not_exhaustive_category_ids,
            views=(view,),
        )
        return made, annotations

    def _annotate(
        self, source: ForeignSource, name: str, image: ForeignImage, stored: StoredImage, frame: Frame
    ) -> tuple[list[Annotation], set[int]]:
        """The objects with something inside the image, and the classes of those that could not be understood."""
        annotations, unsure = [], set()
        for found in image.objects:
            category_id = self._names.category_ids[source.name, found.name]
            if category_id is None:
                self.tally.counts["dropped"] += 1
                if self._names.taxonomy.has(found.name):  # what is dropped by its name is still there
                    unsure.add(self._names.taxonomy.category_id(found.name))
                continue
            placed = place(found, frame)
            if placed.bbox_xywh is None:
                self.tally.counts["empty"] += 1
                unsure.add(category_id)
                continue
            self.tally.counts["clipped"] += placed.clipped
            drawn = bool(found.segmentation) or found.is_outline_broken
            self.tally.counts["masks"] += drawn and not placed.segmentation
            origin = Origin(name, found.annotation_id, self._foreign_name(found, category_id))
            annotations.append(
                Annotation(
                    sha256=stored.sha256,
                    category_id=category_id,
                    bbox_xywh=placed.bbox_xywh,
                    attributes=found.attributes,
                    score=found.score,
                    source="file",
                    origins=(origin,),
                    segmentation=placed.segmentation,
                    iscrowd=found.iscrowd,
                    track_id=found.track_id,
                )
            )
        return annotations, unsure

    def _foreign_name(self, found: ForeignObject, category_id: int) -> str | None:
        return None if found.name == self._names.taxonomy.name(category_id) else found.name

    def _unsure_of_lost(self, source: ForeignSource, image: ForeignImage, searched: tuple[int, ...]) -> set[int]:
        self.tally.counts["lost"] += len(image.lost)
        if None in image.lost:
            return set(searched)
        ids = {self._names.category_ids.get((source.name, name)) for name in image.lost if name is not None}
        return {category_id for category_id in ids if category_id is not None}

    def _tags(self, source: ForeignSource, image: ForeignImage) -> tuple[Tag, ...]:
        tags: dict[int, Tag] = {}
        for tag in image.tags:
            category_id = self._names.category_ids[source.name, tag.name]
            if category_id is None:
                self.tally.counts["dropped"] += 1
            else:
                tags.setdefault(category_id, Tag(category_id, tag.attributes))
        return tuple(tags[category_id] for category_id in sorted(tags))


def _family(source: ForeignSource, image: ForeignImage, stored: StoredImage, settings: ImportSettings) -> str:
    """What the source says, or the pattern finds in the name; else an image is a family of its own.

    What a pattern finds counts within the dataset: photograph 50 of another one shows another car.
    """
    found = family_in(image.file_name.replace("\\", "/").rpartition("/")[2], settings.family)
    dataset = source.name.partition("/")[0]
    return image.family or (f"{dataset}/{found}" if found else stored.sha256[:16])


def _provenance(said: Provenance, settings: ImportSettings) -> Provenance:
    """What the file says of an image, completed by the settings; a licence given there outranks the file's."""
    return replace(
        said,
        license=settings.license or said.license,
        author=said.author or settings.author,
        page_url=said.page_url or settings.page_url,
    )
