"""The same predictor core as a function of cvat-sdk's, for a CVAT without Nuclio.

    cvat-cli --server-host URL task auto-annotate TASK_ID --function-module nuclio_functions.native \\
        -p bundles=str:/path/to/bundles [-p model=str:cleanliness_classifier]

Boxes are pixels of the upright image. Source of the interface: `cvat_sdk/auto_annotation/interface.py`.
"""

from typing import TypeAlias

import cvat_sdk.auto_annotation as cvataa
import numpy as np
from cvat_sdk import models
from PIL import Image, ImageOps

from datasets.crops import run_lengths
from nuclio_functions.contract import PRELABEL_ATTRIBUTES, Reply
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.handler import open_store, prelabels
from training.predictors import Classifier, Detector, load_predictor

Found: TypeAlias = models.LabeledShapeRequest | models.LabeledImageRequest


class PublishedFunction:
    """A published model as cvat-sdk's drivers call one."""

    def __init__(self, predictor: Detector | Classifier) -> None:
        self._predictor = predictor
        self._kind = predictor.bundle.spec.shape if isinstance(predictor, Detector) else "tag"
        self._label_ids = {name: number for number, name in enumerate(predictor.bundle.spec.class_names)}
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[self._label_spec(name, number) for name, number in self._label_ids.items()]
        )

    def _label_spec(self, name: str, number: int) -> models.PatchedLabelRequest:
        attributes = [cvataa.attribute_spec(text, id, "text", []) for id, text in enumerate(PRELABEL_ATTRIBUTES)]
        kind = "any" if self._kind in ("polygon", "mask") else self._kind
        return cvataa.label_spec(name, number, type=kind, attributes=attributes)

    def detect(self, context: cvataa.DetectionFunctionContext, image: Image.Image) -> list[Found]:
        """What the model sees in an image, by its own thresholds unless the driver names one."""
        pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
        replies = prelabels([self._predictor], pixels, threshold=context.conf_threshold)
        return [self._found(reply, as_polygon=context.conv_mask_to_poly) for reply in replies]

    def _found(self, reply: Reply, *, as_polygon: bool) -> Found:
        label_id = self._label_ids[reply.label]
        attributes = [
            models.AttributeValRequest(spec_id=number, value=reply.values[name])
            for number, name in enumerate(PRELABEL_ATTRIBUTES)
        ]
        if reply.type == "tag":
            return cvataa.tag(label_id, attributes=attributes)
        if reply.mask is not None and not (as_polygon and reply.points):
            points = [*run_lengths(np.array(reply.mask[:-4], bool)), *reply.mask[-4:]]
            return cvataa.mask(label_id, points, attributes=attributes)
        kind = "polygon" if reply.mask is not None else reply.type
        return cvataa.shape(label_id, type=kind, points=list(reply.points or ()), attributes=attributes)


def create(bundles: str, model: str = "damage_detector") -> PublishedFunction:
    """The function of a published model; `bundles` is a folder or an fsspec address.

    Raises:
        NoPublishedModel: there is none of that name.
    """
    store = open_store(bundles)
    digest = store.read_newest(model)
    if digest is None:
        raise NoPublishedModel(f"no {model} is published in {bundles}; train and promote one first")
    return PublishedFunction(load_predictor(store.read(digest)))
