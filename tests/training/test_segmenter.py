"""A tiny Mask R-CNN on outlined squares."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from datasets.coco import Annotation, Dataset, Image, make_dataset, with_negatives
from datasets.errors import BadInput
from datasets.files import read_json
from datasets.taxonomy import Category, Taxonomy
from training.errors import NothingToTrain
from training.segmenter import read_segmenter, train_segmenter
from training.segmenting.outlined import Outlined, read_outlined, require_outlines
from training.segmenting.scoring import Found, find_objects, score_masks
from training.settings import SegmenterSettings

TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="clean", kind="tag")))
SETTINGS = SegmenterSettings(
    backbone="resnet18", image_size=64, epochs=2, batch=2, proposals=16, checkpoint_seconds=0, threads=1
)
SQUARE = (10.0, 10.0, 40.0, 10.0, 40.0, 30.0, 10.0, 30.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outlined")
    for number in range(2):
        pixels = np.full((48, 64, 3), 100 + number, np.uint8)
        pixels[10:30, 10:40] = 255
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return folder


def make(count: int = 2, *, outline: tuple[float, ...] = SQUARE, searched: bool = True) -> Dataset:
    images = [Image(f"{n:064}", f"{n}.png", 64, 48, family=str(n), split="train") for n in range(count)]
    shapes = (outline,) if outline else ()
    objects = [Annotation(image.sha256, 1, (10, 10, 30, 20), segmentation=shapes) for image in images[:2]]
    dataset = make_dataset(TAXONOMY, images, objects)
    return with_negatives(dataset, TAXONOMY.ids()) if searched else dataset


@pytest.fixture(scope="module")
def pictures(store: Path) -> list[Outlined]:
    dataset = make()
    return read_outlined(dataset, dataset.images, store, size=64)[0]


def train(pictures: list[Outlined], out: Path, checkpoints: Path | None, *, stop_after: int = 9) -> None:
    def stop(epoch: int, *_: object) -> None:
        if epoch > stop_after:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    try:
        train_segmenter(
            pictures, pictures[:1], SETTINGS,
            class_names=["dent"], seed=0, out=out, checkpoints=checkpoints, on_epoch=stop,
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)


def test_a_stopped_training_goes_on_to_the_same_weights(pictures: list[Outlined], tmp_path: Path) -> None:
    train(pictures, tmp_path / "whole", None)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, tmp_path / "resumed", tmp_path / "checkpoints", stop_after=1)
    train(pictures, tmp_path / "resumed", tmp_path / "checkpoints")

    whole, resumed = (read_json(tmp_path / name / "history.json") for name in ("whole", "resumed"))
    assert whole == resumed
    assert {"loss", "mask_loss", "val_map50", "val_map50_95"} <= set(whole[0])
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "resumed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    model = read_segmenter(tmp_path / "whole", SETTINGS, classes=1)
    assert len(list(find_objects(model, pictures, batch=1))) == len(pictures)


def test_targets_are_boxes_and_masks_on_the_scaled_picture(store: Path) -> None:
    dataset = make()
    (one, *_), _ = read_outlined(dataset, dataset.images, store, size=128)

    target = one.target()

    assert one.pixels.shape == (96, 128, 3)
    assert target["boxes"].tolist() == [[20, 20, 80, 60]]
    assert target["masks"].shape == (1, 96, 128)
    assert int(target["masks"].sum()) == 60 * 40


def test_perfect_masks_score_one_and_none_zero(pictures: list[Outlined]) -> None:
    perfect = [[Found(label, 0.9, mask) for label, mask in zip(one.labels, one.masks, strict=True)] for one in pictures]

    assert score_masks(pictures, perfect, ["dent"]).map50_95 == pytest.approx(1)
    assert score_masks(pictures, [[], []], ["dent"]).map50 == 0


def test_partial_labels_are_refused_unless_asked_for() -> None:
    dataset = make(3, searched=False)

    with pytest.raises(BadInput, match=r"1 of 3 images were not searched for every class, 2\.png first"):
        require_outlines(dataset, dataset.images, unknown_is_absent=False)
    kept, _ = require_outlines(dataset, dataset.images, unknown_is_absent=True)
    assert len(kept) == 3


def test_boxes_without_outlines_are_no_training() -> None:
    dataset = make(outline=())

    with pytest.raises(NothingToTrain, match="no image of the train split has an object with a polygon or mask"):
        require_outlines(dataset, dataset.images, unknown_is_absent=False)


def test_an_image_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    dataset = make(1)

    found, skipped = read_outlined(dataset, dataset.images, tmp_path, size=64)

    assert found == []
    assert skipped[0].startswith("0.png: ")
