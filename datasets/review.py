"""From accepted jobs to labels: the fate of every pre-label, and the dataset that people agreed to."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from datasets.coco import (
    Annotation,
    AnnotationSource,
    BboxXywh,
    Dataset,
    Image,
    Origin,
    Polygons,
    Rle,
    Tag,
    make_dataset,
    with_negatives,
)
from datasets.comparison import compare
from datasets.crops import crop_of, mask_of_crop
from datasets.digests import COORDINATE_DECIMALS
from datasets.files import digest
from datasets.geometry import bounds, clip_box, clip_polygon
from datasets.labelled import BboxXyxy, LabelledObject
from datasets.ledger import FateRow, Prelabel
from datasets.outlines import drawn_extent, outline
from datasets.rle import encode_mask
from datasets.taxonomy import Taxonomy

COCO_KINDS = ("rectangle", "ellipse", "polygon", "mask", "tag")
"""What a COCO dataset holds; an ellipse as the polygon that it is drawn with."""


class _Drawn(NamedTuple):
    """An object's geometry as COCO has it."""

    bbox_xywh: BboxXywh
    segmentation: Polygons | Rle = ()


class _Part(NamedTuple):
    """An object as it was found and as COCO draws it; it may be a part of a whole."""

    row: FateRow
    after: LabelledObject
    category_id: int
    drawn: _Drawn


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
        known = before[sha256]
        fates = compare([prelabel.stored for prelabel in known], after[sha256])  # of the known first, in their order
        rows += [FateRow(sha256, prelabel.model, fate) for prelabel, fate in zip(known, fates, strict=False)]
        rows += [FateRow(sha256, None, fate) for fate in fates[len(known) :]]
    return rows


def beyond_coco(rows: Iterable[FateRow]) -> dict[str, int]:
    """How many of the objects that people left are of a kind that COCO lacks, by kind."""
    left = (row.fate.after for row in rows)
    return dict(Counter(after.kind for after in left if after and after.kind not in COCO_KINDS))


def accepted_dataset(
    taxonomy: Taxonomy, images: Sequence[Image], rows: Iterable[FateRow], *, annotated_ids: Collection[int]
) -> Dataset:
    """What people left standing on these images, which were searched for the classes of `annotated_ids`.

    Shapes are clipped to the image, but for turned boxes, whose sides cannot be; one with nothing inside is no object
    of it. Polygons of one group and class are parts of one object, as in CVAT's own COCO export. Kinds that COCO lacks
    are left out (`beyond_coco` counts them); their classes are not absent there.
    """
    by_sha256 = {image.sha256: image for image in images}
    tags: dict[str, dict[int, Tag]] = defaultdict(dict)
    left_out: dict[str, set[int]] = defaultdict(set)
    wholes: dict[object, list[_Part]] = defaultdict(list)
    for row in rows:
        if (after := row.fate.after) is None:
            continue
        category_id = taxonomy.category_id(after.category)
        if after.kind == "tag":
            tags[row.sha256][category_id] = Tag(category_id, after.attributes)
        elif after.kind not in COCO_KINDS:
            left_out[row.sha256].add(category_id)
        elif drawn := _drawn(after, by_sha256[row.sha256]):
            wholes[_whole_of(row, after)].append(_Part(row, after, category_id, drawn))
    annotations = [_annotation(*parts[0]._replace(drawn=_joined(parts))) for parts in wholes.values()]
    tagged = [replace(image, tags=tuple(tag for _, tag in sorted(tags[image.sha256].items()))) for image in images]
    searched = with_negatives(make_dataset(taxonomy, tagged, annotations), annotated_ids)
    return make_dataset(taxonomy, (_not_absent(i, left_out[i.sha256]) for i in searched.images), searched.annotations)


def _whole_of(row: FateRow, after: LabelledObject) -> object:
    """What parts of one object have in common; nothing else has it."""
    if after.kind != "polygon" or not after.group:
        return object()
    said = tuple(sorted(after.attributes.items()))
    return (row.sha256, after.group, after.category, after.source, after.occluded, row.fate.verdict, said)


def _joined(parts: Sequence[_Part]) -> _Drawn:
    if len(parts) == 1:
        return parts[0].drawn
    drawn = (part.drawn.segmentation for part in parts)
    polygons = tuple(polygon for several in drawn if isinstance(several, tuple) for polygon in several)
    box = bounds([value for polygon in polygons for value in polygon])
    return _Drawn(_rounded_box(box or parts[0].drawn.bbox_xywh), polygons)


def _not_absent(image: Image, category_ids: set[int]) -> Image:
    return replace(image, neg_category_ids=tuple(id for id in image.neg_category_ids if id not in category_ids))


def _drawn(labelled: LabelledObject, image: Image) -> _Drawn | None:
    """An object as COCO draws it on its image; None where nothing of it is inside."""
    if labelled.bbox_xyxy is None:
        return None
    if labelled.kind == "mask":
        mask = mask_of_crop(crop_of(labelled.points), image.width, image.height)
        return _Drawn(mask.bbox_xywh, encode_mask(mask)) if mask.bbox_xywh else None
    if labelled.kind == "rectangle":
        box = _box_inside(labelled, labelled.bbox_xyxy, image)
        return _Drawn(box) if box else None
    polygon = tuple(_rounded(clip_polygon(outline(labelled), image.width, image.height)))
    box = bounds(polygon)
    return _Drawn(_rounded_box(box), (polygon,)) if box else None


def _box_inside(labelled: LabelledObject, bbox_xyxy: BboxXyxy, image: Image) -> BboxXywh | None:
    """The box within the image; a turned one as it is, when the box around it meets the image."""
    left, top, right, bottom = drawn_extent(labelled) or bbox_xyxy
    inside = clip_box((left, top, right - left, bottom - top), image.width, image.height)
    if inside is None:
        return None
    x1, y1, x2, y2 = bbox_xyxy
    x, y, width, height = _rounded_box((x1, y1, x2 - x1, y2 - y1) if labelled.rotation else inside)
    return (x, y, width, height) if width > 0 and height > 0 else None


def _rounded_box(bbox_xywh: BboxXywh) -> BboxXywh:
    x, y, width, height = _rounded(bbox_xywh)
    return (x, y, width, height)


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, COORDINATE_DECIMALS) for value in values]


def _annotation(row: FateRow, after: LabelledObject, category_id: int, drawn: _Drawn) -> Annotation:
    shape = [*drawn.segmentation] if isinstance(drawn.segmentation, tuple) else [drawn.segmentation.counts]
    return Annotation(
        sha256=row.sha256,
        category_id=category_id,
        bbox_xywh=drawn.bbox_xywh,
        attributes=_attributes(after),
        source=_source(row),
        origins=(Origin("cvat", digest([row.sha256, category_id, drawn.bbox_xywh, *shape])[:16]),),
        segmentation=drawn.segmentation,
        track_id=after.track_id,
    )


def _attributes(after: LabelledObject) -> Mapping[str, str]:
    """What annotators said, with whether it is occluded and, of a box, how far it is turned (degrees, clockwise)."""
    turned = {"rotation": f"{after.rotation:.10g}"} if after.kind == "rectangle" and after.rotation else {}
    return {**after.attributes, **({"occluded": "true"} if after.occluded else {}), **turned}


def _source(row: FateRow) -> AnnotationSource:
    """Who drew it: a model, a model and a person, or whoever CVAT names where no pre-label was."""
    if row.fate.verdict == "accepted":
        return "auto"
    if row.fate.verdict != "added":
        return "semi-auto"
    return _SOURCES.get(row.fate.after.source if row.fate.after else "", "manual")


_SOURCES: Mapping[str, AnnotationSource] = {"auto": "auto", "semi-auto": "semi-auto", "file": "file"}
