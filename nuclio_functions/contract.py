"""What CVAT sends to a function and what it takes back. Points are xyxy: pixels of the upright image.

CVAT ignores a reply's `confidence`, so text attributes carry the model and the confidence to the annotator.
Unknown keys are ignored in both directions: CVAT's newer versions and other functions add some.
Source: `cvat/apps/lambda_manager/views.py` of https://github.com/cvat-ai/cvat.
"""

import base64
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from datasets.taxonomy import Kind
from nuclio_functions.errors import BadRequest

PRELABEL_ATTRIBUTES = ("model", "confidence")


def _from_base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("it should be base64 text")
    return base64.b64decode(text, validate=True)


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Request(_Message):
    """One frame: the bytes of its image file and the score, in [0, 1], below which nothing is predicted."""

    image: Annotated[bytes, BeforeValidator(_from_base64)]
    threshold: float | None = Field(default=None, ge=0, le=1)


class Attribute(_Message):
    name: str
    value: str


class Reply(_Message):
    """One pre-label: a rectangle with points [xtl, ytl, xbr, ybr], or a tag, which has none."""

    label: str
    type: Kind
    points: tuple[float, float, float, float] | None = None
    confidence: str | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """The attributes' values by their names."""
        return {attribute.name: attribute.value for attribute in self.attributes}


REPLIES = TypeAdapter(list[Reply])


def make_reply(
    class_name: str, kind: Kind, *, model: str, score: float, points: tuple[float, float, float, float] | None = None
) -> Reply:
    """A prediction as CVAT takes it: `score` in [0, 1] is told with two decimals, `points` are rounded to 0.01 px."""
    confidence = f"{score:.2f}"
    return Reply(
        label=class_name,
        type=kind,
        points=points and tuple(round(value, 2) for value in points),
        confidence=confidence,
        attributes=tuple(
            Attribute(name=name, value=value)
            for name, value in zip(PRELABEL_ATTRIBUTES, (model, confidence), strict=True)
        ),
    )


def parse_request(body: object) -> Request:
    """The request in an event's body: a dict, or bytes when its content type was not exactly application/json.

    Raises BadRequest, which names the first field that is wrong and never repeats the image.
    """
    try:
        if isinstance(body, bytes):
            return Request.model_validate_json(body)
        return Request.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadRequest(
            f'{field}: {first["msg"]}; send {{"image": "<base64>", "threshold": 0.25}} as application/json'
        ) from None
