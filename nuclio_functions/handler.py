"""The core of every function: a request in, pre-labels out. Boxes are xyxy: pixels of the upright image.

Nuclio's `main.py` files are a few lines over this. The model is whatever bundle is published when a request comes in.
"""

import json
import traceback
from pathlib import Path
from typing import Any, Protocol

from datasets.errors import CarloopError
from nuclio_functions.contract import Reply, make_reply, parse_request
from nuclio_functions.errors import BadRequest, NoPublishedModel
from training.bundle import read_bundle, read_pointer
from training.errors import UndecodableImage
from training.predictors import Classifier, Detector, Pixels, decode_image, load_predictor


class Logger(Protocol):
    """The part of Nuclio's logger that is used here."""

    def info(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...


class PublishedModel:
    """The bundle published for a model: swapped when another one is, kept when that one cannot be read."""

    def __init__(self, bundles: Path, model: str, logger: Logger) -> None:
        self._bundles = bundles
        self._model = model
        self._logger = logger
        self._predictor: Detector | Classifier | None = None
        self._trouble: str | None = None
        self.read_newest()

    def read_newest(self) -> Detector | Classifier | None:
        """The predictor of the newest readable bundle; None when there has never been one."""
        try:
            self._follow(read_pointer(self._bundles, self._model))
            self._trouble = None
        except (CarloopError, OSError) as error:
            self._tell(str(error))
        return self._predictor

    def require(self) -> Detector | Classifier:
        """As `read_newest`. Raises NoPublishedModel where that is None."""
        if predictor := self.read_newest():
            return predictor
        raise NoPublishedModel(
            self._trouble or f"no {self._model} is published in {self._bundles}; train and promote one first"
        )

    def _follow(self, digest: str | None) -> None:
        if digest is None or (self._predictor and self._predictor.bundle.digest == digest):
            return
        bundle = read_bundle(self._bundles, digest)
        self._predictor = load_predictor(bundle)
        self._logger.info(f"serving {bundle.name}, bundle {digest[:12]}")

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            kept = f"; still serving {self._predictor.bundle.name}" if self._predictor else ""
            self._logger.error(f"{trouble}{kept}")
        self._trouble = trouble


def init_model(context: Any, bundles: Path, model: str) -> None:
    """Nuclio's `init_context`: load what is published, if anything is yet."""
    context.user_data.model = PublishedModel(bundles, model, context.logger)


def handle(context: Any, event: Any) -> Any:
    """Nuclio's `handler`. The body is text: Nuclio reads a bare list as several replies."""
    status_code, content = answer(context.user_data.model, event.body, context.logger)
    return context.Response(body=json.dumps(content), content_type="application/json", status_code=status_code)


def answer(model: PublishedModel, body: object, logger: Logger) -> tuple[int, Any]:
    """HTTP status and JSON content for a request's body.

    200 with the pre-labels, none of them when the image cannot be decoded: one bad frame must not end CVAT's run.
    400 for what is no request; 500 without a model, and for anything unexpected, which is logged in full.
    """
    try:
        return 200, [reply.model_dump(exclude_none=True) for reply in _annotate(model, body)]
    except UndecodableImage as error:
        logger.error(str(error))
        return 200, []
    except BadRequest as error:
        return 400, {"error": str(error)}
    except CarloopError as error:
        logger.error(str(error))
        return 500, {"error": str(error)}
    except Exception as error:
        logger.error(traceback.format_exc())
        return 500, {"error": f"{type(error).__name__}, which the function's log tells in full"}


def _annotate(model: PublishedModel, body: object) -> list[Reply]:
    request = parse_request(body)
    return prelabels(model.require(), decode_image(request.image), threshold=request.threshold)


def prelabels(predictor: Detector | Classifier, pixels: Pixels, *, threshold: float | None) -> list[Reply]:
    """What the predictor sees in a picture: its rectangles, or one tag for the best class.

    A threshold of None is the bundle's own.
    """
    model = predictor.bundle.name
    if isinstance(predictor, Detector):
        detections = predictor.predict(pixels, threshold=threshold)
        return [
            make_reply(found.class_name, "rectangle", model=model, score=found.score, points=found.bbox_xyxy)
            for found in detections
        ]
    best = predictor.predict(pixels)[0]
    floor = predictor.bundle.spec.threshold if threshold is None else threshold
    return [make_reply(best.class_name, "tag", model=model, score=best.score)] if best.score > floor else []
