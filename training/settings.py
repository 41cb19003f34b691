"""How models are trained and when they are promoted: the `training:` part of the project file."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from datasets.taxonomy import Settings

AUTO_BATCH = 16
"""What `batch: auto` is where memory cannot be measured."""


class DetectorSettings(Settings):
    """A YOLO trained by Ultralytics; the defaults suit some thousand photographs, with or without first weights."""

    model: str = Field(
        "yolov8n",
        pattern=r"^yolo(v5[nsmlx]|v8[nsmlx]|v9[tsmce]|v10[nsmblx]|11[nsmlx]|12[nsmlx]|26[nsmlx])(-seg)?$",
        description="an Ultralytics architecture, without .yaml; with -seg it finds outlines too",
    )
    image_size: int = Field(640, ge=64, multiple_of=32, description="side of the square the network sees, pixels")
    epochs: int = Field(100, gt=0)
    max_steps: int | None = Field(None, gt=0, description="fewer epochs on a large set, so that steps stay near this")
    batch: Annotated[int, Field(gt=0)] | Literal["auto"] = Field(
        16, description="images at a time; auto takes what fits into a GPU's memory, and 16 on a CPU"
    )
    accumulate: int = Field(1, gt=0, description="batches a step")
    optimizer: Literal["AdamW", "SGD"] = "AdamW"
    learning_rate: float = Field(0.001, gt=0, le=1, description="at its highest; it falls by a cosine")
    final_learning_rate: float = Field(0.01, gt=0, le=1, description="at the end, as a part of learning_rate")
    warmup_epochs: float = Field(3, ge=0)
    mosaic: float = Field(1.0, ge=0, le=1, description="how often four images are put together to one")
    plain_epochs: int = Field(10, ge=0, description="epochs at the end without mosaic")
    scale: float = Field(0.5, ge=0, lt=1, description="images are scaled by 1 ± this")
    translate: float = Field(0.1, ge=0, le=1, description="images are moved by up to this part of their side")
    mixup: float = Field(0, ge=0, le=1, description="how often two images are blended to one")
    flip: float = Field(0.5, ge=0, le=1, description="how often an image is mirrored left to right")
    class_weights: float = Field(
        0, ge=0, le=1, description="how much rarer classes count for more: 0 not at all, 1 as their rarity"
    )
    val_fraction: float = Field(
        0, ge=0, lt=1, description="families of the train split that are kept back to choose the best epoch by"
    )
    patience: int = Field(0, ge=0, description="epochs without a better one after which it ends; 0 goes on to the end")
    devices: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="the GPU to train on, by number; the first when none is given"
    )
    threads: int | None = Field(None, gt=0, description="CPU threads; all when not given")
    workers: int = Field(0, ge=0, description="processes that read images; 0 reads them in the training's own")

    @field_validator("devices")
    @classmethod
    def _is_one(cls, devices: tuple[int, ...]) -> tuple[int, ...]:
        if len(devices) > 1:
            raise ValueError(f"a YOLO trains on one GPU, not on {len(devices)}; name one")
        return devices

    @property
    def is_segmentation(self) -> bool:
        return self.model.endswith("-seg")

    @property
    def masks_partial_labels(self) -> bool:
        """Whether the loss of this family can leave out what is unknown on an image."""
        return not self.model.startswith(("yolov10", "yolo26"))  # two heads with a loss each


class ClassifierSettings(Settings):
    """A timm network with dropout and a linear head over one class an image."""

    model: str = Field("resnet18", min_length=1, description="a timm architecture")
    pretrained: bool = Field(False, description="begin with timm's published weights, which needs the internet")
    labels: Literal["tags", "objects"] = Field(
        "tags", description="what tells an image's class: its tag, or whether an object is marked on it"
    )
    image_size: int = Field(224, ge=32, description="side of the square the network sees, pixels")
    epochs: int = Field(30, gt=0)
    max_steps: int | None = Field(None, gt=0, description="fewer epochs on a large set, so that steps stay near this")
    patience: int = Field(
        0, ge=0, description="epochs without a better val macro F1 after which it ends; 0 goes on to the end"
    )
    val_fraction: float = Field(
        0, ge=0, lt=1, description="train families to validate with, where there is no val part"
    )
    test_fraction: float = Field(0, ge=0, lt=1, description="and to test with, where there is no test part")
    batch: Annotated[int, Field(gt=1)] | Literal["auto"] = Field(
        32, description="images at a time; auto takes what fits into a GPU's memory, and 16 on a CPU"
    )
    accumulate: int = Field(1, gt=0, description="batches a step")
    learning_rate: float = Field(0.001, gt=0, description="at its highest; it rises, then falls by a cosine")
    weight_decay: float = Field(0.01, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1, description="of the features before the head")
    label_smoothing: float = Field(0, ge=0, lt=1)
    class_weights: float = Field(
        0, ge=0, le=1, description="how much rarer classes count for more: 0 not at all, 1 as their rarity"
    )
    ema_decay: float | None = Field(None, gt=0, lt=1, description="average the weights over steps, with this decay")
    brightness: float = Field(0.3, ge=0, lt=1, description="images are made lighter or darker by up to this part")
    zoom: float = Field(0, ge=0, lt=1, description="images are scaled by 1 ± this and moved by up to this part")
    upside_down: bool = Field(False, description="turn every second image over, as suits pictures from above")
    devices: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="GPUs to train on, by number; several share each batch; the first when none is given"
    )
    workers: int = Field(2, gt=0, description="threads that decode images")
    checkpoint_seconds: float = Field(60, ge=0, description="at most so much is lost by a kill, and an epoch more")
    max_images: int | None = Field(None, gt=1, description="no more of each part, for trying out")
    threads: int | None = Field(None, gt=0, description="CPU threads; all when not given")


class SegmenterSettings(Settings):
    """torchvision's Mask R-CNN on a ResNet with a feature pyramid and group normalisation, from no weights."""

    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
    image_size: int = Field(640, ge=64, description="the longer side that images are brought to, pixels")
    epochs: int = Field(50, gt=0)
    patience: int = Field(0, ge=0, description="epochs without a better val mask mAP after which it ends; 0: none")
    val_fraction: float = Field(0, ge=0, lt=1, description="families of the train split to choose the best epoch by")
    batch: int = Field(4, gt=0, description="images at a time")
    accumulate: int = Field(1, gt=0, description="batches a step")
    learning_rate: float = Field(0.0003, gt=0, description="at its highest; it rises, then falls by a cosine")
    weight_decay: float = Field(0.01, ge=0)
    class_weights: float = Field(
        0,
        ge=0,
        le=1,
        description="how much more often images of rarer classes are shown: 0 not at all, 1 as their rarity",
    )
    ema_decay: float | None = Field(None, gt=0, lt=1, description="average the weights over steps, with this decay")
    flip: float = Field(0.5, ge=0, le=1, description="how often an image is mirrored left to right")
    proposals: int = Field(1000, gt=0, description="regions of an image that are looked at more closely")
    devices: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="GPUs to train on, by number; several share each batch; the first when none is given"
    )
    unknown_is_absent: bool = Field(
        False, description="take classes that an image was not searched for as absent from it, which teaches wrongly"
    )
    checkpoint_seconds: float = Field(60, ge=0, description="at most so much is lost by a kill, and an epoch more")
    max_images: int | None = Field(None, gt=0, description="no more of each part, for trying out")
    threads: int | None = Field(None, gt=0, description="CPU threads; all when not given")


def epochs_within(settings: DetectorSettings | ClassifierSettings, *, images: int) -> int:
    """The epochs to train on that many images: as set, or fewer where `max_steps` ends them."""
    if settings.max_steps is None:
        return settings.epochs
    batch = AUTO_BATCH if settings.batch == "auto" else settings.batch
    steps_per_epoch = math.ceil(images / batch)
    return max(1, min(settings.epochs, settings.max_steps // steps_per_epoch))


class PromotionSettings(Settings):
    """When a challenger takes the champion's place."""

    confidence: float = Field(
        0.9, ge=0.5, lt=1, description="how sure it has to be that the challenger's primary metric is better"
    )
    min_gain: float = Field(0.0, ge=0, lt=1, description="how much better that has to be")
    seed_spread: float = Field(
        0.02, ge=0, lt=1, description="standard deviation of that metric between trainings that differ by their seed"
    )
    class_margin: float = Field(0.05, ge=0, le=1, description="how much worse any class may be")
    source_margin: float = Field(0.05, ge=0, le=1, description="how much worse it may be on the images of any source")
    min_class_objects: int = Field(
        20, gt=0, description="classes and sources with fewer test objects or images stand together as one"
    )
    max_milliseconds: float | None = Field(None, gt=0, description="what one image may take; not asked when not given")
    resamples: int = Field(1000, ge=100, description="of the bootstrap over photo families")
    publish_to: str | None = Field(
        None, description="an address that fsspec reaches, such as s3://models/cars, for functions on other machines"
    )
    shadow_share: float = Field(
        0,
        ge=0,
        lt=1,
        exclude_if=lambda share: not share,  # so that the keys of runs without it stay
        description="families of new frames that the challenger pre-annotates in the champion's place; 0: none",
    )
    shadow_required: bool = Field(
        False, description="promote only what annotators corrected less than the champion, where both pre-annotated"
    )


class TrainingSettings(Settings):
    """The `training:` part of the project file."""

    detector: DetectorSettings = DetectorSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    promotion: PromotionSettings = PromotionSettings()
    thresholds: Mapping[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="by class, the score that its predictions have to exceed; published with the model"
    )
