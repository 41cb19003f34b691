"""What CVAT sends to a function and what it takes back. Points are pixels of the upright image, x before y.

CVAT ignores a reply's `confidence`, so text attributes carry the model and the confidence to the annotator.
Unknown keys are ignored in both directions: CVAT's newer versions and other functions add some.
Sources: `cvat/apps/lambda_manager/views.py` and, for what the editor makes of interactors' and trackers' replies,
`cvat-ui/…/controls-side-bar/tools-control.tsx` of https://github.com/cvat-ai/cvat.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from datasets.taxonomy import Kind
from nuclio_functions.errors import BadRequest

PRELABEL_ATTRIBUTES = ("model", "confidence")
MAX_REQUEST_BYTES = 33_554_432
"""Nuclio's own limit is 4 MiB, which a photograph in base64 easily exceeds."""
MAX_CLICKS = 256
MAX_SHAPES = 512
MAX_NUMBERS = 20_000
"""Numbers in one tracked polygon: twice its points."""
MAX_COORDINATE = 1e6
"""Pixels: farther off than any picture that is ever decoded is wide or high."""

_RECTANGLE, _LEAST_POLYGON = 4, 6


def _from_base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("it should be base64 text")
    return base64.b64decode(text, validate=True)


Score = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
"""A number in [0, 1]: neither a text nor true."""
Coordinate = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
"""Pixels."""
Point = tuple[Coordinate, Coordinate]


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Request(_Message):
    """One frame: the bytes of its image file and the score, in [0, 1], below which nothing is predicted."""

    image: Annotated[bytes, BeforeValidator(_from_base64)]
    threshold: Score | None = None


class InteractorRequest(Request):
    """Clicks on a frame: points on the object, points beside it, and a box around it as two corners.

    CVAT sends `obj_bbox` as null or an empty list where nobody drew one.
    """

    pos_points: Annotated[tuple[Point, ...], Field(max_length=MAX_CLICKS)] = ()
    neg_points: Annotated[tuple[Point, ...], Field(max_length=MAX_CLICKS)] = ()
    obj_bbox: Annotated[tuple[Point, Point] | None, BeforeValidator(lambda corners: corners or None)] = None

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not (self.pos_points or self.neg_points or self.obj_bbox):
            raise ValueError("neither a click nor a box says where the object is")
        return self


class InteractorReply(_Message):
    """The object that was meant: `mask` is its crop of 0 and 1, which lies at `bounds` (xyxy, both ends inside).

    `points` are its largest outline. CVAT draws nothing for a reply without points.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    mask: Annotated[NDArray[np.uint8], BeforeValidator(lambda rows: np.asarray(rows, np.uint8))]
    bounds: tuple[int, int, int, int]
    points: tuple[Point, ...]


class Shape(_Message):
    """A shape to follow. Older versions of CVAT send and take a rectangle as its bare points."""

    type: Literal["rectangle", "polygon"]
    points: Annotated[tuple[Coordinate, ...], Field(max_length=MAX_NUMBERS)]
    bare: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_bare(cls, value: Any) -> Any:
        return {"type": "rectangle", "points": value, "bare": True} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _points_fit(self) -> Self:
        count = len(self.points)
        if self.type == "rectangle" and count != _RECTANGLE:
            raise ValueError(f"a rectangle has {_RECTANGLE} numbers, not {count}")
        if self.type == "polygon" and (count < _LEAST_POLYGON or count % 2):
            raise ValueError(f"a polygon has an even count of numbers, at least {_LEAST_POLYGON}, not {count}")
        return self

    @model_serializer
    def _write(self) -> list[float] | dict[str, Any]:
        points = [round(value, 2) for value in self.points]
        return points if self.bare else {"type": self.type, "points": points}


State = TypeVar("State", bound=BaseModel)


class TrackerRequest(Request, Generic[State]):
    """A frame and what to follow on it: shapes that lie there, or states of shapes on an earlier frame.

    Both have one entry per object. CVAT leaves `states` empty to begin with and fills `shapes` with nulls afterwards;
    older versions send the shapes of the frame before beside the states.
    """

    shapes: Annotated[tuple[Shape | None, ...], Field(max_length=MAX_SHAPES)] = ()
    states: Annotated[tuple[State | None, ...], Field(max_length=MAX_SHAPES)] = ()

    @model_validator(mode="after")
    def _each_has_one(self) -> Self:
        for number, (shape, state) in enumerate(self.objects):
            if shape is None and state is None:
                raise ValueError(f"object {number} has neither a shape nor a state")
        return self

    @property
    def objects(self) -> Sequence[tuple[Shape | None, State | None]]:
        """Shape and state of each object; where there is a state, it is what counts."""
        count = max(len(self.shapes), len(self.states))
        shapes = (*self.shapes, *[None] * (count - len(self.shapes)))
        states = (*self.states, *[None] * (count - len(self.states)))
        return list(zip(shapes, states, strict=True))


class TrackerReply(_Message, Generic[State]):
    """Where the objects lie now, each in the form it was sent in, and what to send with the next frame."""

    shapes: tuple[Shape, ...]
    states: tuple[State, ...]


class Attribute(_Message):
    name: str
    value: str


class Reply(_Message):
    """One pre-label of a detector.

    `points` are [xtl, ytl, xbr, ybr] of a rectangle or x1, y1, x2, y2, … of a polygon; a tag has none. A mask has the
    values 0 and 1 of its crop, row by row, then the crop's xtl, ytl, xbr, ybr, both ends inside (`masks.cvat_mask`);
    its points are its outline, which CVAT stores instead of it when asked to convert masks to polygons.
    """

    label: str
    type: Kind
    points: tuple[float, ...] | None = None
    mask: tuple[int, ...] | None = None
    confidence: str | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """The attributes' values by their names."""
        return {attribute.name: attribute.value for attribute in self.attributes}


REPLIES = TypeAdapter(list[Reply])


def make_reply(
    class_name: str,
    kind: Kind,
    *,
    model: str,
    score: float,
    points: Sequence[float] | None = None,
    mask: Sequence[int] | None = None,
) -> Reply:
    """A prediction as CVAT takes it: `score` in [0, 1] is told with two decimals, `points` are rounded to 0.01 px."""
    confidence = f"{score:.2f}"
    return Reply(
        label=class_name,
        type=kind,
        points=None if points is None else tuple(round(value, 2) for value in points),
        mask=None if mask is None else tuple(mask),
        confidence=confidence,
        attributes=tuple(
            Attribute(name=name, value=value)
            for name, value in zip(PRELABEL_ATTRIBUTES, (model, confidence), strict=True)
        ),
    )


Sent = TypeVar("Sent", bound=BaseModel)


def parse_request(body: object) -> Request:
    """The request in an event's body: a dict, or bytes when its content type was not exactly application/json.

    Raises BadRequest, which names the first field that is wrong and never repeats the image.
    """
    return parse_body(Request, body, like='{"image": "<base64>", "threshold": 0.25}')


def parse_body(model: type[Sent], body: object, *, like: str) -> Sent:
    """As `parse_request`, of any kind of request; `like` is an example of one."""
    _require_moderate(body)
    try:
        return model.model_validate_json(body) if isinstance(body, bytes) else model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        reason = first["msg"].removeprefix("Value error, ")
        raise BadRequest(f"{field}: {reason}; send {like} as application/json") from None


def _require_moderate(body: object) -> None:
    """Refuse what Nuclio's limit would have refused, before it is parsed."""
    sent = body.get("image") if isinstance(body, dict) else body
    if isinstance(sent, str | bytes) and len(sent) > MAX_REQUEST_BYTES:
        raise BadRequest(f"the body: it has over {len(sent)} bytes, {MAX_REQUEST_BYTES} are the most; send less")
