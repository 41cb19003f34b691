"""Ultralytics' dataset over labels in memory."""

from typing import Any

import numpy as np
import torch
from ultralytics.data.augment import Compose
from ultralytics.data.dataset import YOLODataset

from training.detector_data import Label
from training.known import KnownClasses
from training.masking import KEY, with_known

_MAX_CACHE_BYTES = 4 * 2**30


class LabelledImages(YOLODataset):  # type: ignore[misc]
    """Ultralytics' dataset over labels in memory; where these are partial, with a map of what is known."""

    buffer: list[int]

    def __init__(self, *, known: KnownClasses | None, **options: Any) -> None:
        self.known = known
        super().__init__(**options)

    def check_cache_ram(self, safety_margin: float = 0.5) -> bool:
        """Decided by the images alone: with free memory, which Ultralytics asks for, mosaics would depend on it too."""
        return bool(self.ni * self.imgsz**2 * 3 <= _MAX_CACHE_BYTES)

    def get_img_files(self, img_path: str | list[str]) -> list[str]:
        return [label["im_file"] for label in self.data["labels"]]

    def get_labels(self) -> list[Label]:
        groups = self.known.groups if self.known else [None] * len(self.data["labels"])
        return [{**label, "group": group} for label, group in zip(self.data["labels"], groups, strict=True)]

    def update_labels_info(self, label: Label) -> Label:
        group = label.pop("group")
        updated: Label = super().update_labels_info(label)
        if group is not None:
            updated["semantic_mask"] = np.full(updated["img"].shape[:2], group, np.uint8)
        return updated

    def build_transforms(self, hyp: Any) -> Compose:
        transforms = super().build_transforms(hyp)
        return with_known(transforms, self.known) if self.known and self.augment else transforms

    @staticmethod
    def collate_fn(batch: list[Label]) -> Label:
        collated: Label = YOLODataset.collate_fn(batch)
        if KEY in collated:
            collated[KEY] = torch.stack(collated[KEY], 0)
        return collated

    def forget_recent(self) -> None:
        """Let no epoch's mosaics depend on what the one before has read last."""
        for index in self.buffer:
            self.ims[index], self.im_hw0[index], self.im_hw[index] = None, None, None
        self.buffer = []
