"""A tiny Mask R-CNN on outlined squares."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from msgspec.structs import replace as msgspec_replace
from safetensors.torch import load_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from datasets.coco import Annotation, Dataset, Image, make_dataset, read_coco, with_negatives, write_coco
from datasets.crops import Crop
from datasets.errors import BadInput
from datasets.files import read_json
from datasets.taxonomy import Category, Taxonomy
from tests.training.group import learn_together
from training.devices import seed_epoch
from training.errors import BadBundle, NothingToTrain
from training.evaluation.scores import DetectorScores, scores_of
from training.jobs import SegmenterJob
from training.predicting.opening import open_checkpoint
from training.predictors import Detection
from training.segmenter import predict_with_segmenter, train_segmenter
from training.segmenting.fitting import SegmenterFitting, shown_weights
from training.segmenting.network import make_segmenter
from training.segmenting.outlined import Outlined, read_outlined, require_outlines
from training.segmenting.scoring import find_objects, to_input
from training.settings import SegmenterSettings

TAXONOMY = Taxonomy(categories=(Category(name="dent"), Category(name="clean", kind="tag")))
SETTINGS = SegmenterSettings(
    backbone="resnet18", image_size=64, epochs=2, batch=2, proposals=16, ema_decay=0.9, checkpoint_seconds=0, threads=1
)
SQUARE = (10.0, 10.0, 40.0, 10.0, 40.0, 30.0, 10.0, 30.0)


def make_tiny(_: object = None, *, classes: int) -> nn.Module:
    """A Mask R-CNN like ours but for its size, which makes steps and checkpoints quick."""
    backbone = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.GroupNorm(4, 16), nn.ReLU())
    backbone.out_channels = 16  # type: ignore[assignment]  # as torchvision asks for it
    return MaskRCNN(  # type: ignore[no-any-return]
        backbone,
        min_size=64,
        max_size=64,
        rpn_anchor_generator=AnchorGenerator(((16, 32),), ((1.0,),)),
        rpn_post_nms_top_n_train=16,
        rpn_post_nms_top_n_test=16,
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        box_head=TwoMLPHead(16 * 3 * 3, 32),
        box_predictor=FastRCNNPredictor(32, classes + 1),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        mask_head=MaskRCNNHeads(16, (16,), 1),
        mask_predictor=MaskRCNNPredictor(16, 16, classes + 1),
    )


@pytest.fixture(scope="module", autouse=True)
def _tiny_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.segmenter.make_segmenter", make_tiny)
        yield


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


@pytest.fixture(scope="module")
def job(store: Path) -> SegmenterJob:
    """A training on one picture, whose best epoch another chooses."""
    write_coco(make(), store / "annotations.json")
    return SegmenterJob(
        dataset=store / "annotations.json",
        taxonomy=TAXONOMY,
        store=store,
        out=store / "out",
        settings=SETTINGS.model_copy(update={"val_fraction": 0.5}),
    )


def train(job: SegmenterJob, *, stop_after: int = 9) -> list[dict[str, float]]:
    def stop(epoch: int, *_: object) -> None:
        if epoch > stop_after:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    try:
        train_segmenter(job, on_epoch=stop)
    finally:
        torch.set_num_threads(threads)
    return read_json(job.out / "history.json")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def trained(job: SegmenterJob) -> SegmenterJob:
    train(job)
    return job


def test_a_stopped_training_goes_on_to_the_same_weights(trained: SegmenterJob, tmp_path: Path) -> None:
    resumed = trained.model_copy(update={"out": tmp_path / "resumed", "checkpoints": tmp_path / "checkpoints"})
    with pytest.raises(KeyboardInterrupt):
        train(resumed, stop_after=1)

    history = train(resumed)

    assert history == read_json(trained.out / "history.json")
    assert {"loss", "mask_loss", "val_mask_map50", "val_mask_map50_95"} <= set(history[0])
    one, other = (load_file(each.out / "weights.safetensors") for each in (trained, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_it_finds_is_scored_by_masks_and_boxes(trained: SegmenterJob) -> None:
    dataset = read_coco(trained.dataset, TAXONOMY)
    seen: list[None] = []

    subject, skipped = predict_with_segmenter(
        trained, dataset, dataset.images, test_set="t" * 64, on_image=lambda: seen.append(None)
    )

    assert (len(seen), skipped) == (2, [])
    assert (subject.task, subject.thresholds) == ("segmenter", {"dent": 0.5})
    assert isinstance(scores_of(subject.evaluation()), DetectorScores)


class Answers(nn.Module):
    """In a Mask R-CNN's place: on each picture it finds the whole of it, and something without a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        return [self._answer(*image.shape[1:]) for image in images]

    def _answer(self, height: int, width: int) -> dict[str, torch.Tensor]:
        return {
            "labels": torch.tensor([1, 1]),
            "scores": torch.tensor([0.9, 0.8]),
            "boxes": torch.tensor([[0, 0, width, height], [1, 1, 2, 2]], dtype=torch.float32),
            "masks": torch.stack([torch.ones(1, height, width), torch.zeros(1, height, width)]),
        }


def test_what_is_found_lies_on_the_whole_image(store: Path) -> None:
    dataset = make(1)
    pictures, _ = read_outlined(dataset, dataset.images, store, size=128)

    ((sha256, found),) = find_objects(Answers(), pictures, ["dent"], batch=4)

    assert sha256 == dataset.images[0].sha256
    assert [(one.class_name, one.bbox_xyxy) for one in found] == [("dent", (0, 0, 64, 48))]
    assert found[0].mask is not None
    assert found[0].mask.pixels.shape == (48, 64)


def test_a_training_leaves_its_job_and_no_graph(trained: SegmenterJob) -> None:
    names = {path.name for path in trained.out.iterdir()}

    assert names == {"weights.safetensors", "history.json", "job.json", "manifest.json"}
    with pytest.raises(BadBundle, match="holds no model"):
        open_checkpoint(trained.out)


class Small(nn.Module):
    """In a Mask R-CNN's place: its one loss is a weight times the pictures' mean, for at most so many at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.weight = most, nn.Parameter(torch.ones(()))

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        if len(images) > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(images)} images")
        return {"loss_mask": self.weight * torch.stack([image.mean() for image in images]).mean()}


def fitting(
    model: nn.Module, pictures: list[Outlined], *, notes: list[str] | None = None, **changes: object
) -> SegmenterFitting:
    settings = SETTINGS.model_copy(update={"flip": 0, "ema_decay": None, **changes})
    told = [] if notes is None else notes
    return SegmenterFitting(model, pictures, [], settings, truth=make(0), seed=0, on_note=told.append)


def small_fitting(pictures: list[Outlined], *, most: int, notes: list[str], **changes: object) -> SegmenterFitting:
    return fitting(Small(most), pictures, notes=notes, **changes)


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


def test_processes_that_share_each_batch_learn_as_one_does(pictures: list[Outlined], tmp_path: Path) -> None:
    expected = learn(pictures)

    ours, others = learn_together(partial(learn, pictures), tmp_path)

    assert ours == others
    assert ours["small"] == pytest.approx(expected["small"], rel=1e-6)
    assert all(np.isfinite(ours["one without objects"]))
    assert ours["mask_rcnn"] == pytest.approx(expected["mask_rcnn"], rel=0.02), "regions are drawn by chance"


def learn(pictures: list[Outlined]) -> dict[str, list[float]]:
    """The losses by epoch of a small network, whose batches do not part evenly, and of Mask R-CNNs."""
    seed_epoch(seed=0, epoch=0)
    bare = replace(pictures[0], masks=(), labels=())
    fits = {
        "small": fitting(Small(4), [*pictures, *pictures], batch=3, flip=0.5),
        "mask_rcnn": fitting(make_tiny(classes=1), pictures, learning_rate=1e-4),
        "one without objects": fitting(make_tiny(classes=1), [pictures[0], bare], learning_rate=1e-4),
    }
    return {name: [row["loss"] for row in fit.run(lambda *_: None)] for name, fit in fits.items()}


def test_a_network_tells_its_losses(pictures: list[Outlined]) -> None:
    network = make_segmenter(SETTINGS, classes=1)

    with torch.no_grad():
        losses = network(to_input(pictures, torch.device("cpu")), [one.target() for one in pictures])

    assert {"loss_mask", "loss_box_reg", "loss_classifier"} < set(losses)
    assert all(torch.isfinite(value) for value in losses.values())


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


def test_perfect_masks_score_one_and_none_zero(pictures: list[Outlined], monkeypatch: pytest.MonkeyPatch) -> None:
    fit = SegmenterFitting(Small(2), pictures, pictures, SETTINGS, truth=make(), seed=0)
    perfect = Detection("dent", (10, 10, 40, 30), 0.9, Crop(10, 10, np.ones((20, 30), np.bool_)))

    for found, score in (([perfect], 1), ([], 0)):
        answers = [(one.image.sha256, found) for one in pictures]
        monkeypatch.setattr("training.segmenting.fitting.find_objects", lambda *_, answers=answers, **__: answers)
        row, rank = fit._validate(fit.model)
        assert row == {"val_mask_map50": pytest.approx(score), "val_mask_map50_95": pytest.approx(score)}
        assert rank == (row["val_mask_map50_95"],)


def test_crowds_alone_are_nothing_to_rate_by(pictures: list[Outlined], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make()
    crowds = [msgspec_replace(one, iscrowd=True) for one in dataset.annotations]
    truth = make_dataset(dataset.taxonomy, dataset.images, crowds)
    fit = SegmenterFitting(Small(2), pictures, pictures, SETTINGS, truth=truth, seed=0)
    answers = [(one.image.sha256, []) for one in pictures]
    monkeypatch.setattr("training.segmenting.fitting.find_objects", lambda *_, **__: answers)
    assert fit._validate(fit.model) == ({}, ())


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


def test_pictures_that_cannot_be_decoded_are_no_training(job: SegmenterJob, tmp_path: Path) -> None:
    nowhere = job.model_copy(update={"store": tmp_path, "out": tmp_path / "out"})

    with pytest.raises(NothingToTrain, match="of 0 images that can be decoded none has an outlined object"):
        train(nowhere)


def test_an_image_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    dataset = make(1)

    found, skipped = read_outlined(dataset, dataset.images, tmp_path, size=64)

    assert found == []
    assert skipped[0].startswith("0.png: ")
