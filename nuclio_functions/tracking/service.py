"""The tracker as CVAT calls it: shapes and states in, shapes and states out."""

from typing import Any

import cv2

from nuclio_functions.contract import Shape, TrackerReply, TrackerRequest, parse_body
from nuclio_functions.interactive import start
from nuclio_functions.logger import Logger
from nuclio_functions.metrics import start_metrics
from nuclio_functions.tracking import tracker
from nuclio_functions.tracking.picture import Grey
from nuclio_functions.tracking.tracker import TrackState
from training.errors import UndecodableImage
from training.predicting.pictures import decode_image

MODEL = "damage_tracker"
LIKE = '{"image": "<base64>", "shapes": [{"type": "rectangle", "points": [10, 20, 50, 60]}], "states": []}'


class TrackingService:
    """Remembers nothing: whatever worker answers, all that it needs comes with the request."""

    def describe(self) -> dict[str, str]:
        return {"model": MODEL}

    def answer(self, body: object, logger: Logger) -> TrackerReply[TrackState]:
        """Where the objects lie on the picture. Raises BadRequest.

        On a picture that cannot be decoded each stays where it was; those without a state then raise UndecodableImage.
        """
        request = parse_body(TrackerRequest[TrackState], body, like=LIKE)
        try:
            grey = cv2.cvtColor(decode_image(request.image), cv2.COLOR_RGB2GRAY)
        except UndecodableImage as error:
            if None in [state for _, state in request.objects]:
                raise
            logger.error(str(error))
            return _unmoved(request)
        followed = [_follow(grey, shape, state) for shape, state in request.objects]
        shapes, states = [shape for shape, _ in followed], [state for _, state in followed]
        return TrackerReply[TrackState](shapes=tuple(shapes), states=tuple(states))


def _follow(grey: Grey, shape: Shape | None, state: TrackState | None) -> tuple[Shape, TrackState]:
    if state is not None:
        return tracker.advance(grey, state)
    assert shape is not None  # the request was checked
    return tracker.start(grey, shape)


def _unmoved(request: TrackerRequest[TrackState]) -> TrackerReply[TrackState]:
    states = tuple(state for _, state in request.objects if state)
    return TrackerReply[TrackState](shapes=tuple(state.shape for state in states), states=states)


def init_tracker(context: Any) -> None:
    """Nuclio's `init_context`."""
    start(context, TrackingService(), start_metrics(MODEL))
