"""Which detections hit which objects, once and for all: faster-coco-eval matches, everything else weighs and counts.

Matching is COCO's (https://cocodataset.org/#detection-eval): by class and image, best score first, at ten IoUs from
0.50 to 0.95, the best 100 detections of each. Images are numbered from 0 in the order of the dataset.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from datasets.coco import Dataset, Image
from datasets.crops import mask_of_crop
from datasets.rle import Mask, encode_mask
from datasets.taxonomy import Taxonomy
from training.predictors import Detection

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Area = Literal["all", "small", "medium", "large"]
Coco = dict[str, Any]
IouType = Literal["bbox", "segm"]

IOUS = 10
AREAS: Mapping[Area, tuple[float, float]] = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
}
"""Square pixels, as COCO's."""


@dataclass(frozen=True)
class ClassMatches:
    """One class: its D detections on all I images, best first, and how many objects each image has of it, (I,).

    `hits` and `ignored` are (10, D), by IoU; what is ignored is neither right nor wrong.
    """

    image_of: Ints
    scores: Floats
    hits: Bools
    ignored: Bools
    objects: Ints

    def on(self, images: Bools) -> "ClassMatches":
        """The same on some images alone: (I,)."""
        kept = images[self.image_of]
        return ClassMatches(
            self.image_of[kept],
            self.scores[kept],
            self.hits[:, kept],
            self.ignored[:, kept],
            self.objects * images,
        )


Matches = Mapping[int, ClassMatches]
"""By category id; classes without objects are in it too."""


def to_coco_pair(truth: Dataset, predictions: Mapping[str, Sequence[Detection]]) -> tuple[Coco, list[Coco]]:
    """COCO's ground truth and results, of the classes known on each image alone. `predictions` are by SHA-256."""
    return to_ground_truth(truth), to_results(truth, predictions)


def shape_ids(taxonomy: Taxonomy) -> list[int]:
    """The category ids of all classes but tags."""
    tags = set(taxonomy.ids("tag"))
    return [category_id for category_id in taxonomy.ids() if category_id not in tags]


def to_ground_truth(truth: Dataset, category_ids: Collection[int] | None = None) -> Coco:
    """COCO's ground truth of some classes, else the rectangle ones; images and boxes are numbered from 1."""
    category_ids = truth.taxonomy.ids("rectangle") if category_ids is None else category_ids
    numbers = {image.sha256: number for number, image in enumerate(truth.images, start=1)}
    known = {sha256: truth.known_category_ids(sha256).intersection(category_ids) for sha256 in numbers}
    annotations = [a for a in truth.annotations if a.category_id in known[a.sha256]]
    return {
        "images": [{"id": numbers[i.sha256], "width": i.width, "height": i.height} for i in truth.images],
        "categories": [{"id": i, "name": truth.taxonomy.name(i)} for i in category_ids],
        "annotations": [
            {
                "id": number,
                "image_id": numbers[a.sha256],
                "category_id": a.category_id,
                "bbox": list(a.bbox_xywh),
                "area": a.bbox_xywh[2] * a.bbox_xywh[3],
                "iscrowd": int(a.iscrowd),
            }
            for number, a in enumerate(annotations, start=1)
        ],
    }


def to_results(
    truth: Dataset, predictions: Mapping[str, Sequence[Detection]], category_ids: Collection[int] | None = None
) -> list[Coco]:
    """COCO's results, numbered likewise; what is unknown on an image is left out."""
    each = ((image.sha256, predictions.get(image.sha256, ())) for image in truth.images)
    return stream_results(truth, each, category_ids)


def stream_results(
    truth: Dataset,
    predictions: Iterable[tuple[str, Sequence[Detection]]],
    category_ids: Collection[int] | None = None,
) -> list[Coco]:
    """The same from (SHA-256, detections) in the order of the dataset, whose masks become texts as they come."""
    wanted = truth.taxonomy.ids("rectangle") if category_ids is None else category_ids
    numbers = {image.sha256: number for number, image in enumerate(truth.images, start=1)}
    return [
        _result(detection, category_id, truth.images[numbers[sha256] - 1], numbers[sha256])
        for sha256, detections in predictions
        for known in (truth.known_category_ids(sha256).intersection(wanted),)
        for detection in detections
        if (category_id := truth.taxonomy.category_id(detection.class_name)) in known
    ]


def _result(detection: Detection, category_id: int, image: Image, number: int) -> Coco:
    left, top, right, bottom = detection.bbox_xyxy
    result = {
        "image_id": number,
        "category_id": category_id,
        "bbox": [left, top, right - left, bottom - top],
        "score": detection.score,
    }
    if detection.mask is None:
        return result
    return {**result, "segmentation": mask_record(mask_of_crop(detection.mask, image.width, image.height))}


def mask_record(mask: Mask) -> Coco:
    """A mask as COCO's files hold it: run lengths as a short text."""
    rle = encode_mask(mask)
    return {"size": list(rle.size), "counts": rle.counts}


def match(
    ground_truth: Coco, results: Sequence[Coco], areas: Sequence[Area] = ("all",), *, by: IouType = "bbox"
) -> dict[Area, Matches]:
    """Match results with a ground truth, by boxes (`to_coco_pair`) or masks, with objects of other areas ignored."""
    category_ids = [category["id"] for category in ground_truth["categories"]]
    if not results:
        return {area: _unmatched(ground_truth, category_ids, area) for area in areas}
    states, images = _evaluate(ground_truth, results, areas, by), len(ground_truth["images"])
    by_place = {
        (category_id, area): states[(place * len(areas) + number) * images :][:images]
        for place, category_id in enumerate(category_ids)
        for number, area in enumerate(areas)
    }
    return {area: {k: _class_matches(by_place[k, area]) for k in category_ids} for area in areas}


def _evaluate(ground_truth: Coco, results: Sequence[Coco], areas: Sequence[Area], by: IouType) -> list[Any]:
    """What the library found, by class, area and image in turn; it hands it on by pickling alone.

    It writes into the results that it is given, and takes a box's area for a mask's where there are both.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    shape = "bbox" if by == "bbox" else "segmentation"
    own = [{name: one[name] for name in ("image_id", "category_id", "score", shape)} for one in results]
    coco = COCO(ground_truth)
    evaluation = COCOeval_faster(coco, coco.loadRes(own), by, print_function=lambda *_: None, separate_eval=True)
    evaluation.params.areaRng = [list(AREAS[area]) for area in areas]
    evaluation.params.areaRngLbl = list(areas)
    evaluation.evaluate()
    return [found.__getstate__() for found in evaluation._evalImgs_cpp]


def _class_matches(states: Sequence[Any]) -> ClassMatches:
    """Of one class and area: each state is one image's (matches, _, scores, truth ignored, ignored, _)."""
    counts = np.array([len(state[2]) for state in states], np.int64)
    scores = np.array([score for state in states for score in state[2]], np.float64)
    order = np.argsort(-scores, kind="stable")  # as COCO does: the same score, the earlier image first
    return ClassMatches(
        image_of=np.repeat(np.arange(len(states)), counts)[order],
        scores=scores[order],
        hits=_by_iou([state[0] for state in states if state[2]]).astype(np.bool_)[:, order],
        ignored=_by_iou([state[4] for state in states if state[2]]).astype(np.bool_)[:, order],
        objects=np.array([len(state[3]) - sum(state[3]) for state in states], np.int64),
    )


def _by_iou(flat: Sequence[Sequence[int]]) -> Ints:
    """(10, D) of all images beside each other."""
    rows = [np.array(values, np.int64).reshape(IOUS, -1) for values in flat]
    return np.hstack(rows) if rows else np.zeros((IOUS, 0), np.int64)


def _unmatched(ground_truth: Coco, category_ids: Sequence[int], area: Area) -> Matches:
    low, high = AREAS[area]
    found = {}
    for category_id in category_ids:
        objects = np.zeros(len(ground_truth["images"]), np.int64)
        for a in ground_truth["annotations"]:
            if a["category_id"] == category_id and not a["iscrowd"] and low <= a["area"] <= high:
                objects[a["image_id"] - 1] += 1
        none = np.zeros((IOUS, 0), np.bool_)
        found[category_id] = ClassMatches(np.zeros(0, np.int64), np.zeros(0), none, none, objects)
    return found
