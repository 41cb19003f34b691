"""From accepted jobs to labels: the fate of every pre-label, and the dataset that people agreed to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from datasets.coco import (
    Annotation,
    AnnotationSource,
    BboxXywh,
    Dataset,
    Image,
    Origin,
    Tag,
    make_dataset,
    with_negatives,
)
from datasets.comparison import BboxXyxy, LabelledObject, Verdict, compare
from datasets.digests import COORDINATE_DECIMALS
from datasets.files import digest
from datasets.ledger import FateRow, Prelabel
from datasets.taxonomy import Taxonomy

_SOURCE: Mapping[Verdict, AnnotationSource] = {
    "accepted": "auto",
    "moved": "semi-auto",
    "reclassed": "semi-auto",
    "added": "manual",
}


def fates_of_job(
    sha256s: Sequence[str], objects: Iterable[tuple[str, LabelledObject]], prelabels: Iterable[Prelabel]
) -> list[FateRow]:
    """The fates on a job's images: every pre-label stored there, and every object added."""
    before: dict[str, list[Prelabel]] = defaultdict(list)
    after: dict[str, list[LabelledObject]] = defaultdict(list)
    for prelabel in prelabels:
        before[prelabel.sha256].append(prelabel)
    for sha256, labelled in objects:
        after[sha256].append(labelled)
    rows = []
    for sha256 in sha256s:
        model_of = {id(prelabel.stored): prelabel.model for prelabel in before[sha256]}
        fates = compare([prelabel.stored for prelabel in before[sha256]], after[sha256])
        rows += [FateRow(sha256, model_of.get(id(fate.before)), fate) for fate in fates]
    return rows


def accepted_dataset(
    taxonomy: Taxonomy, images: Sequence[Image], rows: Iterable[FateRow], *, annotated_ids: Collection[int]
) -> Dataset:
    """What people left standing on these images, which were searched for the classes of `annotated_ids`.

    Boxes are clipped to the image; one with nothing inside is no object of it.
    """
    by_sha256 = {image.sha256: image for image in images}
    tag_ids: dict[str, set[int]] = defaultdict(set)
    annotations = []
    for row in rows:
        if (after := row.fate.after) is None:
            continue
        category_id = taxonomy.category_id(after.category)
        if after.bbox_xyxy is None:
            tag_ids[row.sha256].add(category_id)
        elif bbox_xywh := _inside(by_sha256[row.sha256], after.bbox_xyxy):
            annotations.append(_annotation(row, after, category_id, bbox_xywh))
    tagged = [replace(image, tags=tuple(map(Tag, sorted(tag_ids[image.sha256])))) for image in images]
    return with_negatives(make_dataset(taxonomy, tagged, annotations), annotated_ids)


def _inside(image: Image, bbox_xyxy: BboxXyxy) -> BboxXywh | None:
    left, right = (min(max(value, 0.0), float(image.width)) for value in bbox_xyxy[::2])
    top, bottom = (min(max(value, 0.0), float(image.height)) for value in bbox_xyxy[1::2])
    x, y, width, height = (round(value, COORDINATE_DECIMALS) for value in (left, top, right - left, bottom - top))
    return (x, y, width, height) if width > 0 and height > 0 else None


def _annotation(row: FateRow, after: LabelledObject, category_id: int, bbox_xywh: BboxXywh) -> Annotation:
    return Annotation(
        sha256=row.sha256,
        category_id=category_id,
        bbox_xywh=bbox_xywh,
        attributes=after.attributes,
        source=_SOURCE[row.fate.verdict],
        origins=(Origin("cvat", digest([row.sha256, category_id, bbox_xywh])[:16]),),
    )
