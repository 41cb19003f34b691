"""Importing a foreign dataset: find its format, read it, name its classes, store its images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from datasets.coco import Dataset
from datasets.errors import BadDataset
from datasets.importing.assemble import Assembler, BadImage, Progress, Tally
from datasets.importing.foreign import ForeignSource, Format, ImportSettings
from datasets.importing.formats import find_format, read_sources
from datasets.importing.names import resolve_names
from datasets.importing.places import check_inside
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

_TOLD = {
    "clipped": "objects reach out of their image and were clipped to it",
    "empty": "objects have nothing inside their image, or no extent, and were left out",
    "lost": "objects could not be read and were left out",
    "masks": "objects keep only their box: their outline is broken or of another size than the image",
    "copies": "images are there again under another name of one source",
    "turned": "images have their objects in the raw pixels of a photograph that EXIF turns; these were turned with it",
    "unsure which way up": (
        "photographs that EXIF turns don't tell which way up their objects are; these were taken as upright: check some"
    ),
    "scaled": "images have another size than their file says; their objects were scaled with them",
    "of another size": "images have another shape than their file says; their objects were left where they are",
    "dropped": "objects and tags of classes that are not wanted were left out",
}


@dataclass(frozen=True)
class Imported:
    """A foreign dataset made ours.

    `datasets` has one for each source, in each of which an image has one view; merge them. `taxonomy` is theirs: the
    project's, and classes that were kept. `unknown` counts the objects and tags of each class that the project lacks.
    `notes` says, in a sentence each, what was not taken as it is.
    """

    format: Format
    datasets: tuple[Dataset, ...]
    taxonomy: Taxonomy
    notes: tuple[str, ...]
    unknown: Mapping[str, int]
    counts: Mapping[str, int]
    bad_images: tuple[BadImage, ...]


def import_dataset(
    source: Path,
    *,
    taxonomy: Taxonomy,
    store: ImageStore,
    settings: ImportSettings | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read a foreign dataset, a folder or its annotation file, and keep its images in the store.

    Nothing else is written, and images are whole or absent: after an error or a kill the same call starts over and
    comes to the same end.

    Raises:
        BadDataset: no format fits, or more than one; files are broken, or name or link to others outside the folder; or
            images are absent or undecodable and `settings.skip_bad_images` is off (how many, and the first).
        UnknownCategory: classes in use that the taxonomy lacks, when `settings.unknown` is "error".
    """
    settings = settings or ImportSettings()
    if not source.exists():
        raise BadDataset(f"{source} is not there; give a folder with a dataset, or its annotation file")
    form = find_format(source) if settings.format == "auto" else settings.format
    sources, notes = _without_repeats(read_sources(source, form, settings))
    images = sum(len(found.images) for found in sources)
    if images == 0:
        raise BadDataset(f"{source} has no images in it that are read as {form}; check --format and the folder")
    names = resolve_names(sources, taxonomy, settings)
    paths = (image.path for found in sources for image in found.images)
    check_inside(filter(None, paths), source if source.is_dir() else source.parent)
    _check_present(source, sources, settings)
    with store.batch() as batch:
        assembler = Assembler(names, batch, settings, total=images)
        datasets = tuple(dataset for found in sources for dataset in assembler.assemble(found, progress))
    tally = assembler.tally
    tally.counts["copies"] = len(tally.copies)
    if tally.bad_images and not settings.skip_bad_images:
        raise BadDataset(_bad_told(source, tally.bad_images, images, "undecodable"))
    return Imported(
        format=form,
        datasets=datasets,
        taxonomy=names.taxonomy,
        notes=(*notes, *_told(tally)),
        unknown=names.unknown,
        counts={what: count for what, count in tally.counts.items() if count},
        bad_images=tuple(tally.bad_images),
    )


def _without_repeats(sources: Sequence[ForeignSource]) -> tuple[list[ForeignSource], list[str]]:
    """Sources that say something of their own, and notes: a project file and its export say the same."""
    kept: list[ForeignSource] = []
    notes: list[str] = []
    for source in sources:
        same = next((at for at, other in enumerate(kept) if other.images == source.images), None)
        if same is None:
            kept.append(source)
            notes.extend(f"{source.name}: {note}" for note in source.notes)
        else:
            kept[same] = replace(kept[same], names=tuple(dict.fromkeys((*kept[same].names, *source.names))))
            notes.append(f"{source.name} says the same as {kept[same].name} and was read once")
    return kept, notes


def _check_present(place: Path, sources: Sequence[ForeignSource], settings: ImportSettings) -> None:
    """Tell absent images before any other is stored."""
    absent = [
        BadImage(source.name, image.file_name, "absent")
        for source in sources
        for image in source.images
        if image.path is None
    ]
    if absent and not settings.skip_bad_images:
        raise BadDataset(_bad_told(place, absent, sum(len(source.images) for source in sources), "absent"))


def _bad_told(place: Path, bad: Sequence[BadImage], total: int, what: str) -> str:
    first = bad[0]
    why = "" if first.problem == what else f" ({first.problem})"
    return (
        f"{place} names {len(bad)} of {total} images that are {what}, {first.file_name!r} of {first.source} "
        f"first{why}; put whole ones there, or skip them with --skip-bad-images"
    )


def _told(tally: Tally) -> Iterator[str]:
    yield from (f"{tally.counts[key]} {what}" for key, what in _TOLD.items() if tally.counts[key])
    if tally.bad_images:
        first = tally.bad_images[0]
        told = f"{first.file_name!r} of {first.source} first ({first.problem})"
        yield f"{len(tally.bad_images)} images are absent or undecodable and were left out, {told}"
