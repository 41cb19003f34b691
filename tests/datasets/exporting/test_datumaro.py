"""Datumaro's importers read what is exported, in the layouts that CVAT and OpenVINO use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.coco import Dataset
from datasets.exporting.names import export_name

from .conftest import DOOR, Export, close

pytest.importorskip("datumaro")


def read(folder: Path, form: str) -> dict[str, Any]:
    """Items by name."""
    from datumaro.components.dataset import Dataset as DatumaroDataset

    found = DatumaroDataset.import_from(str(folder), form)
    return {item.id: item for item in found}


def boxes(items: dict[str, Any], kinds: tuple[str, ...]) -> Iterator[tuple[str, list[float]]]:
    for name, item in sorted(items.items()):
        yield from ((name, annotation.get_bbox()) for annotation in item.annotations if annotation.type.name in kinds)


def test_cvat_is_read_with_subsets_sizes_shapes_and_tags(everything: Dataset, export: Export) -> None:
    items = read(export(everything, "cvat")[0], "cvat")
    live = [image for image in everything.images if not image.deleted]
    assert {name: item.subset for name, item in items.items()} == {
        Path(export_name(image)).stem: image.split or "unsplit" for image in live
    }
    kinds = sorted(a.type.name for item in items.values() for a in item.annotations)
    assert kinds == ["bbox"] * 4 + ["label"] * 4 + ["mask"] + ["polygon"] * 3 + ["rotated_bbox"]
    turned = next(image for image in live if image.height > image.width)
    assert items[Path(export_name(turned)).stem].media.size == (turned.height, turned.width)


@pytest.mark.parametrize(("form", "reader"), [("voc", "voc"), ("yolo", "yolo")])
def test_boxes_are_read_where_they_were(form: Any, reader: str, everything: Dataset, export: Export) -> None:
    items = read(export(everything, form)[0], reader)
    found = [bbox for _, bbox in boxes(items, ("bbox",))]
    expected = [(5, 7, 20, 12), (10.25, 12, 20.5, 8), (40, 50, 8, 14), (1.5, 2.5, 3, 4), (30, 5, 30, 36.25)]
    for bbox in expected:
        assert any(close(bbox, other, pixels=0.01) for other in found), bbox


def test_voc_is_read_with_tags_as_labels(everything: Dataset, export: Export) -> None:
    items = read(export(everything, "voc")[0], "voc")
    assert sum(a.type.name == "label" for item in items.values() for a in item.annotations) == 4


def test_masks_are_read_with_class_ids_as_places_in_its_list(everything: Dataset, export: Export) -> None:
    items = read(export(everything, "masks")[0], "common_semantic_segmentation_with_subset_dirs")
    masks = [a for item in items.values() for a in item.annotations if a.type.name == "mask" and a.label == DOOR]
    assert [int(np.sum(mask.image)) for mask in masks] == [20 * 12 - 4 * 4]


def test_mot_sequences_are_read_with_tracks(everything: Dataset, export: Export) -> None:
    folder, _ = export(everything, "mot")
    sequence = next(path for path in (folder / "train").iterdir() if path.name.startswith("car-1"))
    annotations = [annotation for item in read(sequence, "mot_seq").values() for annotation in item.annotations]
    tracks = [annotation.attributes.get("track_id") for annotation in annotations]
    assert (len(tracks), [track for track in tracks if track]) == (6, [7])
    assert sum(annotation.attributes["ignored"] for annotation in annotations) == 1


def test_class_folders_are_read(everything: Dataset, export: Export) -> None:
    items = read(export(everything, "folders", split="train", categories=("dirty",))[0], "imagenet_with_subset_dirs")
    assert [name.split(":")[0] for name in items] == ["dirty"]
