"""A tiny Mask R-CNN on outlined squares."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from datasets.coco import Annotation, Dataset, Image, make_dataset, with_negatives
from datasets.errors import BadInput
from datasets.files import read_json
from datasets.taxonomy import Category, Taxonomy
from training.errors import NothingToTrain
from training.segmenter import read_segmenter, train_segmenter
from training.segmenting.fitting import SegmenterFitting, shown_weights
from training.segmenting.outlined import Outlined, read_outlined, require_outlines
from training.segmenting.scoring import Found, find_objects, score_masks
from training.settings import SegmenterSettings

TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="clean", kind="tag")))
SETTINGS = SegmenterSettings(
    backbone="resnet18", image_size=64, epochs=2, batch=2, proposals=16, ema_decay=0.9, checkpoint_seconds=0, threads=1
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


class Small(nn.Module):
    """In a Mask R-CNN's place: its one loss is a weight times the pictures' mean, for at most so many at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.weight = most, nn.Parameter(torch.ones(()))

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(images)} images")
        return {"loss_mask": self.weight * torch.stack([image.mean() for image in images]).mean()}


def small_fitting(pictures: list[Outlined], *, most: int, notes: list[str], **changes: object) -> SegmenterFitting:
    settings = SETTINGS.model_copy(update={"flip": 0, "ema_decay": None, **changes})
    return SegmenterFitting(
        Small(most), pictures, [], settings, class_names=["dent"], seed=0, on_note=notes.append
    )  # fmt: skip


def test_out_of_memory_it_computes_on_fewer_pictures_at_once(pictures: list[Outlined]) -> None:
    notes: list[str] = []
    short, roomy = (small_fitting(pictures, most=most, notes=notes) for most in (1, 2))

    history, expected = short.run(lambda *_: None), roomy.run(lambda *_: None)

    assert notes == ["memory ran out with 2 images at once; it goes on with 1"]
    assert [row["batch"] for row in history] == [1, 1]
    assert [row["loss"] for row in history] == pytest.approx([row["loss"] for row in expected])


def test_accumulated_batches_are_one_step(pictures: list[Outlined]) -> None:
    whole = small_fitting(pictures, most=2, notes=[], batch=2, accumulate=1)
    parted = small_fitting(pictures, most=1, notes=[], batch=1, accumulate=2)

    losses = [fit._step(torch.arange(2)) for fit in (whole, parted)]

    assert losses[0] == {name: pytest.approx(value) for name, value in losses[1].items()}
    one, other = (fit.model.weight.item() for fit in (whole, parted))  # type: ignore[operator]
    assert one == pytest.approx(other)
    assert one < 1


def test_every_picture_is_shown_once_an_epoch_where_classes_weigh_the_same(pictures: list[Outlined]) -> None:
    fit = small_fitting([pictures[0]] * 7, most=9, notes=[])

    for _ in range(20):
        assert sorted(torch.cat(list(fit._batches())).tolist()) == list(range(7))


def test_pictures_of_rare_classes_are_shown_more_often() -> None:
    labels = [(1,), (1,), (1,), (1, 2), ()]

    assert shown_weights(labels, 0).tolist() == [1] * 5
    assert shown_weights(labels, 1).tolist() == pytest.approx([5 / 8, 5 / 8, 5 / 8, 5 / 2, 5 / 8])
    assert shown_weights([(), ()], 1).tolist() == [1, 1]


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


def test_a_class_without_outlines_is_told() -> None:
    whole = make()
    wider = Taxonomy(categories=(Category(name="dent"), Category(name="scratch")))
    dataset = with_negatives(make_dataset(wider, whole.images, whole.annotations), wider.ids())

    _, note = require_outlines(dataset, dataset.images, unknown_is_absent=False)

    assert note == "no training image has an outline of scratch: the model will not find them"


def test_boxes_without_outlines_are_no_training() -> None:
    dataset = make(outline=())

    with pytest.raises(NothingToTrain, match="no image of the train split has an object with a polygon or mask"):
        require_outlines(dataset, dataset.images, unknown_is_absent=False)


def test_pictures_without_an_object_are_no_training(pictures: list[Outlined], tmp_path: Path) -> None:
    bare = replace(pictures[0], masks=(), labels=())

    with pytest.raises(NothingToTrain, match="of 1 images that can be decoded none has an outlined object"):
        train([bare], tmp_path / "out", None)
    with pytest.raises(NothingToTrain, match="of 0 images"):
        train([], tmp_path / "out", None)


def test_an_image_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    dataset = make(1)

    found, skipped = read_outlined(dataset, dataset.images, tmp_path, size=64)

    assert found == []
    assert skipped[0].startswith("0.png: ")
