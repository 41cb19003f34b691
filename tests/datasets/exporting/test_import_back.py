"""What is exported is imported again: the same images, and what the format holds of what was said of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datasets.coco import Annotation, Dataset, Image, make_dataset
from datasets.exporting.geometry import upright_box
from datasets.exporting.settings import ExportFormat
from datasets.geometry import clip_box
from datasets.importing.foreign import ImportSettings
from datasets.importing.importer import import_dataset
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

from .conftest import CLEAN, DENT, DIRTY, DOOR, Export, close, jpeg

Place = tuple[str, int, tuple[float, ...]]


def imported(folder: Path, taxonomy: Taxonomy) -> list[Dataset]:
    store = ImageStore(folder.with_name("another store"))
    return list(import_dataset(folder, taxonomy=taxonomy, store=store, settings=ImportSettings()).datasets)


def images_of(datasets: list[Dataset]) -> dict[str, Image]:
    return {image.sha256: image for dataset in datasets for image in dataset.images}


def places(datasets: list[Dataset]) -> list[Place]:
    """Image, class and upright box of every annotation."""
    return sorted(_place(annotation, dataset) for dataset in datasets for annotation in dataset.annotations)


def _place(annotation: Annotation, dataset: Dataset) -> Place:
    return annotation.sha256, annotation.category_id, tuple(_inside(annotation, dataset))


def _inside(annotation: Annotation, dataset: Dataset) -> Iterator[float]:
    image = dataset.by_sha256[annotation.sha256]
    inside = clip_box(upright_box(annotation), image.width, image.height)
    yield from (round(value, 2) for value in inside or ())


def live(dataset: Dataset) -> Dataset:
    return dataset.only(image.sha256 for image in dataset.images if not image.deleted)


@pytest.mark.parametrize("form", ["coco", "voc", "mot", "yolo"])
def test_boxes_come_back_where_they_were(
    form: ExportFormat, everything: Dataset, export: Export, taxonomy: Taxonomy
) -> None:
    kept = live(everything)
    crowds = {a.sha256 for a in kept.annotations if a.iscrowd} if form == "yolo" else set()
    expected = [p for p, a in zip(places([kept]), _sorted(kept), strict=True) if not (a.iscrowd and a.sha256 in crowds)]
    found = places(imported(export(everything, form)[0], taxonomy))
    assert [place[:2] for place in found] == [place[:2] for place in expected]
    assert all(close(one[2], other[2], pixels=0.011) for one, other in zip(found, expected, strict=True))


def _sorted(dataset: Dataset) -> list[Annotation]:
    return sorted(dataset.annotations, key=lambda annotation: _place(annotation, dataset))


@pytest.mark.parametrize("form", ["coco", "cvat"])
def test_tags_attributes_rotation_and_masks_come_back(
    form: ExportFormat, everything: Dataset, export: Export, taxonomy: Taxonomy
) -> None:
    kept, found = live(everything), imported(export(everything, form)[0], taxonomy)
    images = images_of(found)
    assert {i.sha256: i.tags for i in kept.images} == {sha256: image.tags for sha256, image in images.items()}
    assert _said(found) >= _said([kept])
    assert _masks(found) == _masks([kept])


def _said(datasets: list[Dataset]) -> set[tuple[Any, ...]]:
    annotations = (annotation for dataset in datasets for annotation in dataset.annotations if annotation.attributes)
    return {(a.sha256, a.category_id, tuple(sorted(a.attributes.items()))) for a in annotations}


def _masks(datasets: list[Dataset]) -> set[str]:
    return {a.segmentation.counts for d in datasets for a in d.annotations if not isinstance(a.segmentation, tuple)}


def test_coco_comes_back_with_families_splits_provenance_tracks_crowds_and_scores(
    everything: Dataset, export: Export, taxonomy: Taxonomy
) -> None:
    kept, found = live(everything), imported(export(everything, "coco")[0], taxonomy)
    images = images_of(found)
    assert {i.sha256: (i.family, i.split, i.source) for i in kept.images} == {
        sha256: (image.family, image.split, image.source) for sha256, image in images.items()
    }
    assert all((view.split, view.provenance) == (i.split, i.source) for i in images.values() for view in i.views)
    facts = [sorted((a.track_id or 0, a.iscrowd, a.score or 0) for a in d.annotations) for d in (kept, *found)]
    assert facts[0] == facts[1]


def test_what_an_import_of_our_own_coco_leaves_out_is_told(
    everything: Dataset, export: Export, taxonomy: Taxonomy, photographs: ImageStore
) -> None:
    folder, _ = export(everything, "coco")
    notes = import_dataset(folder, taxonomy=taxonomy, store=photographs).notes
    told = [note for note in notes if "this is a Carloop dataset" in note]
    assert [note.partition("; ")[2] for note in told] == [
        "merge the version itself, by its name or folder, to keep them"
    ]


def test_masks_come_back_as_regions_of_their_class(everything: Dataset, export: Export, taxonomy: Taxonomy) -> None:
    found = imported(export(everything, "masks")[0], taxonomy)
    assert _masks([live(everything)]) <= _masks(found)


def test_masks_come_back_with_unknown_classes_unknown_and_absent_ones_absent(
    taxonomy: Taxonomy, add_image: Callable[..., Image], export: Export
) -> None:
    outline = ((10.0, 10.0, 30.0, 10.0, 30.0, 30.0),)
    said = {
        "all known": add_image(jpeg(50), neg_category_ids=(DOOR,)),
        "other unknown": add_image(jpeg(51), neg_category_ids=()),
        "not every dent": add_image(jpeg(52), neg_category_ids=(DOOR,), not_exhaustive_category_ids=(DENT,)),
        "nothing known": add_image(jpeg(53), neg_category_ids=()),
        "a box alone": add_image(jpeg(54), neg_category_ids=(DOOR,)),
        "hidden": add_image(jpeg(55), neg_category_ids=()),
    }
    dents = [Annotation(said[name].sha256, DENT, (10, 10, 20, 20), segmentation=outline) for name in list(said)[:3]]
    box = Annotation(said["a box alone"].sha256, DENT, (10, 10, 20, 20))
    both = [Annotation(said["hidden"].sha256, which, (10, 10, 20, 20), segmentation=outline) for which in (DOOR, DENT)]
    dataset = make_dataset(taxonomy, said.values(), [*dents, box, *both])
    (found,) = imported(export(dataset, "masks")[0], taxonomy)
    assert {name: found.known_category_ids(image.sha256) for name, image in said.items()} == {
        "all known": {DOOR, DENT},
        "other unknown": {DENT},
        "not every dent": {DOOR},
        "nothing known": set(),
        "a box alone": {DOOR},
        "hidden": {DENT},
    }


def test_masks_come_back_silent_on_classes_that_were_not_chosen(
    everything: Dataset, export: Export, taxonomy: Taxonomy
) -> None:
    images = images_of(imported(export(everything, "masks", categories=("dent",))[0], taxonomy))
    assert not any(DOOR in image.neg_category_ids for image in images.values())


def test_class_folders_come_back_as_tags(everything: Dataset, export: Export, taxonomy: Taxonomy) -> None:
    folder, _ = export(everything, "folders", split="train", categories=("dirty",))
    assert [image.tags[0].category_id for image in images_of(imported(folder, taxonomy)).values()] == [DIRTY]


@pytest.mark.parametrize("form", ["yolo", "mot", "masks"])
def test_a_format_without_tags_does_not_say_that_they_are_absent(
    form: ExportFormat, everything: Dataset, export: Export, taxonomy: Taxonomy
) -> None:
    images = images_of(imported(export(everything, form)[0], taxonomy))
    assert not any({CLEAN, DIRTY} & set(image.neg_category_ids) for image in images.values())
