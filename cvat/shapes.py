"""cvat-sdk's request models for objects: what is drawn anew, what is sent back, and both as one patch."""

from collections.abc import Mapping, Sequence
from typing import Any

from cvat_sdk import models

from cvat.jobs import CvatObject
from cvat.project import Labels
from datasets.comparison import LabelledObject


def new_request(
    frame: int, labelled: LabelledObject, labels: Labels, *, source: str, attributes: Mapping[str, str]
) -> Any:
    """A request that draws a rectangle, or sets a tag, on a frame."""
    label_id = labels.id_of[labelled.category]
    fields = {
        "frame": frame,
        "label_id": label_id,
        "source": source,
        "attributes": labels.attributes_to_send(label_id, attributes),
    }
    return _request(labelled, fields)


def changed_request(o: CvatObject, wanted: LabelledObject, labels: Labels) -> Any:
    """A request that gives an object another class or place; its id and attribute values stay."""
    fields = o.raw.to_dict()
    label_id = labels.id_of[wanted.category]
    values = {labels.spec_name[item["spec_id"]]: item["value"] for item in fields["attributes"]}
    fields |= {"label_id": label_id, "attributes": labels.attributes_to_send(label_id, values)}
    return _request(wanted, fields)


def same_requests(objects: Sequence[CvatObject]) -> list[Any]:
    """The objects as they are: CVAT's delete wants them whole, not their ids alone."""
    return [
        models.LabeledImageRequest(**o.raw.to_dict())
        if o.labelled.bbox_xyxy is None
        else models.LabeledShapeRequest(**o.raw.to_dict())
        for o in objects
    ]


def patch_of(requests: Sequence[Any]) -> Any:
    """Requests for shapes and tags as the body of one PATCH."""
    shapes = [request for request in requests if isinstance(request, models.LabeledShapeRequest)]
    tags = [request for request in requests if isinstance(request, models.LabeledImageRequest)]
    return models.PatchedLabeledDataRequest(shapes=shapes, tags=tags, tracks=[])


def _request(labelled: LabelledObject, fields: dict[str, Any]) -> Any:
    if labelled.bbox_xyxy is None:
        return models.LabeledImageRequest(**fields)
    return models.LabeledShapeRequest(**{**fields, "type": "rectangle", "points": list(labelled.bbox_xyxy)})
