"""Truth and predictions as outlined objects, for mask mAP. Masks are COCO's run lengths of the whole image, as text."""

from collections.abc import Collection, Sequence

from datasets.coco import Annotation, Dataset, Image, Rle
from datasets.exporting.geometry import mask_of, mask_of_polygons
from datasets.rle import Mask
from training.evaluation.matching import Coco, mask_record


def has_mask(result: Coco) -> bool:
    """Whether a result says more than its box."""
    return isinstance(result.get("segmentation"), dict)


def to_mask_pair(
    truth: Dataset, results: Sequence[Coco], category_ids: Collection[int]
) -> tuple[Coco, list[Coco]] | None:
    """COCO's ground truth and results by masks, of the results that have one; None where the truth has no outline.

    A class with a bare box on an image is unknown there, as is one that the image was not searched for.
    """
    counted = [_counted(truth, image, category_ids) for image in truth.images]
    annotations = [
        _truth_record(annotation, image, number)
        for number, (image, known) in enumerate(zip(truth.images, counted, strict=True), start=1)
        for annotation in truth.annotations_of.get(image.sha256, ())
        if annotation.category_id in known
    ]
    if not annotations:
        return None
    found = [one for one in results if has_mask(one) and one["category_id"] in counted[one["image_id"] - 1]]
    return _ground_truth(truth, annotations, category_ids), found


def _counted(truth: Dataset, image: Image, category_ids: Collection[int]) -> set[int]:
    bare = {one.category_id for one in truth.annotations_of.get(image.sha256, ()) if not one.segmentation}
    return truth.known_category_ids(image.sha256).intersection(category_ids) - bare


def _ground_truth(truth: Dataset, annotations: list[Coco], category_ids: Collection[int]) -> Coco:
    return {
        "images": [{"id": n, "width": i.width, "height": i.height} for n, i in enumerate(truth.images, start=1)],
        "categories": [{"id": one, "name": truth.taxonomy.name(one)} for one in category_ids],
        "annotations": [{**annotation, "id": number} for number, annotation in enumerate(annotations, start=1)],
    }


def _truth_record(annotation: Annotation, image: Image, number: int) -> Coco:
    mask = outlined_pixels(annotation, image)
    return {
        "image_id": number,
        "category_id": annotation.category_id,
        "bbox": list(annotation.bbox_xywh),
        "area": mask.area,
        "iscrowd": int(annotation.iscrowd),
        "segmentation": mask_record(mask),
    }


def outlined_pixels(annotation: Annotation, image: Image) -> Mask:
    """What an annotation's polygons or mask cover. Raises BadDataset when the mask is broken."""
    if isinstance(annotation.segmentation, Rle):
        return mask_of(annotation.segmentation, image)
    return mask_of_polygons(annotation.segmentation, image)
