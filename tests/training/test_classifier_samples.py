"""What a classifier learns from, read from class folders, CSV manifests and versions; bad data is told."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from datasets.coco import Annotation, Image, Tag, make_dataset, with_negatives, write_coco
from datasets.errors import BadDataset
from datasets.taxonomy import Category, Taxonomy
from training.classifying.pictures import read_pictures
from training.classifying.samples import Sample, find_class_names, give_away, read_samples, require_two_classes
from training.errors import NothingToTrain

NAMES = ("dirty", "clean")
TAXONOMY = Taxonomy(
    categories=(Category(name="dent"), Category(name="clean", kind="tag"), Category(name="dirty", kind="tag"))
)


def write_picture(path: Path, *, grey: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), grey, np.uint8))
    return path


def write_version(folder: Path, images: list[Image], annotations: list[Annotation]) -> Path:
    write_coco(with_negatives(make_dataset(TAXONOMY, images, annotations), TAXONOMY.ids()), folder / "annotations.json")
    return folder / "annotations.json"


def picture(number: int, **changes: object) -> Image:
    return Image(f"{number:064}", f"{number}.png", 30, 20, family=str(number), split="train", **changes)  # type: ignore[arg-type]


def test_class_folders_keep_their_parts(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        for name in NAMES:
            write_picture(tmp_path / part / name / "a.png")

    found = read_samples(tmp_path, NAMES, store=tmp_path)

    assert [(sample.part, NAMES[sample.target]) for sample in found.samples if sample.part == "val"] == [
        ("val", "clean"),
        ("val", "dirty"),
    ]
    assert Counter(sample.part for sample in found.samples) == {"train": 2, "val": 2, "test": 2}
    assert find_class_names(tmp_path) == ("clean", "dirty")


def test_a_manifest_names_paths_labels_parts_and_families(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,label,split,family\na.png,clean,,one\nb.png,dirty,Validation,two\nc.png,muddy,test,three\n")

    found = read_samples(path, NAMES, store=tmp_path)

    assert found.samples == (
        Sample(tmp_path / "a.png", 1, "one", "train"),
        Sample(tmp_path / "b.png", 0, "two", "val"),
    )
    assert "1 images have another class or none and were left out" in found.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,clean\n", r"lacks the columns \['path'\]"),
        ("path,label\na.png,\n", "line 2 lacks a path or a label"),
        ("path,label,split\na.png,clean,holdout\n", "line 2 has the split 'holdout'; use train, val or test"),
    ],
)
def test_a_manifest_that_is_none_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(text)

    with pytest.raises(BadDataset, match=message):
        read_samples(tmp_path / "manifest.csv", NAMES, store=tmp_path)


def test_a_version_gives_its_tags_in_the_order_of_the_outputs(tmp_path: Path) -> None:
    clean, dirty = (Tag(TAXONOMY.category_id(name)) for name in ("clean", "dirty"))
    images = [picture(1, tags=(clean,)), picture(2, tags=(dirty,)), picture(3), picture(4, tags=(clean, dirty))]

    found = read_samples(write_version(tmp_path, images, []), NAMES, store=tmp_path)

    assert [(sample.path.name, NAMES[sample.target]) for sample in found.samples] == [
        ("1.png", "clean"),
        ("2.png", "dirty"),
    ]
    assert "2 images have another class or none and were left out" in found.notes


def test_whole_is_what_was_searched_and_found_without_damage(tmp_path: Path) -> None:
    unsure = picture(3, not_exhaustive_category_ids=(1,))
    place = write_version(tmp_path, [picture(1), picture(2), unsure], [Annotation(f"{1:064}", 1, (0, 0, 5, 5))])

    found = read_samples(place, ("damaged", "whole"), store=tmp_path, labels="objects")

    assert [(sample.path.name, sample.target) for sample in found.samples] == [("1.png", 0), ("2.png", 1)]


def test_families_stay_together_and_classes_keep_their_share() -> None:
    samples = [Sample(Path(f"{n}.png"), n // 30, f"car {n // 3}", "train") for n in range(40)]

    given = give_away(samples, "val", fraction=0.25, seed=0)

    parts = {sample.family: {other.part for other in given if other.family == sample.family} for sample in given}
    assert all(len(found) == 1 for found in parts.values())
    assert {target: sum(s.part == "val" and s.target == target for s in given) for target in (0, 1)} == {
        0: pytest.approx(7, abs=2),
        1: pytest.approx(2.5, abs=2),
    }


def test_one_class_alone_and_an_empty_one_are_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "clean" / "a.png")
    found = read_samples(tmp_path, NAMES, store=tmp_path)

    assert found.notes == ("the train part has no image of 'dirty'",)
    with pytest.raises(NothingToTrain, match="has only 'clean' in the train split, of dirty, clean"):
        require_two_classes(found, tmp_path)


def test_nothing_of_the_classes_is_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "muddy" / "a.png")

    with pytest.raises(NothingToTrain, match="no image of dirty, clean in the train split"):
        read_samples(tmp_path, NAMES, store=tmp_path)


def test_broken_absent_and_huge_pictures_are_skipped_and_told(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    PillowImage.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    paths = [write_picture(tmp_path / "a.png", grey=7), *(tmp_path / n for n in ("broken.jpg", "gone.jpg", "huge.png"))]

    pictures = read_pictures([Sample(path, 1, path.stem, "train") for path in paths], size=32)

    assert len(pictures) == 1
    assert pictures.targets.tolist() == [1]
    assert pictures.notes[0].startswith("3 of 4 images cannot be decoded and were skipped, ")


def test_only_undecodable_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrain, match="none of 1 images can be decoded"):
        read_pictures([Sample(tmp_path / "gone.jpg", 0, "gone", "train")], size=32)
