"""The core of the functions that pre-annotate: a request in, pre-labels out. Points are pixels of the upright image.

Nuclio's `main.py` files are a few lines over this. A function serves one published model or several; these see the
same picture, decoded once.
"""

import json
import os
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from datasets.errors import CarloopError
from nuclio_functions.contract import Reply, parse_request
from nuclio_functions.errors import BadRequest, NoPublishedModel
from nuclio_functions.logger import Logger
from nuclio_functions.metrics import METRICS_PATH, METRICS_TYPE, Served, start_metrics
from nuclio_functions.metrics import Request as MeasuredRequest
from nuclio_functions.published import PublishedModel
from nuclio_functions.replies import classified, detected
from training.bundle_stores import POINTER_SECONDS, BundleStore, open_bundles
from training.errors import UndecodableImage
from training.predictors import Classifier, Detector, Letterbox, Pixels, decode_image

CACHE_VARIABLE = "CARLOOP_BUNDLES_CACHE"
SECONDS_VARIABLE = "CARLOOP_BUNDLES_SECONDS"
MODEL_HEADER = "x-carloop-model"
"""Which models made a reply, as `damage_detector@3`: an empty one doesn't say."""
HEALTH_PATHS = ("", "/", "/healthz")

Predictors = Sequence[Detector | Classifier]
Answer = tuple[int, Any, dict[str, str]]
"""HTTP status, JSON content, headers."""


def init_model(context: Any, bundles: str, *models: str) -> None:
    """Nuclio's `init_context`: load what is published of these models, if anything is yet."""
    store = open_store(bundles)
    context.user_data.models = [PublishedModel(store, model, context.logger) for model in models]
    context.user_data.metrics = start_metrics("-".join(models))
    context.user_data.metrics.serves(*_served(_newest(context.user_data.models)))


def open_store(bundles: str) -> BundleStore:
    """The bundles in a folder, or at an address that fsspec reaches.

    CARLOOP_BUNDLES_CACHE is where those from elsewhere are kept, CARLOOP_BUNDLES_SECONDS how often their pointers are
    looked at. Raises BadBundle for an address that cannot be used.
    """
    cache_folder = Path(os.environ.get(CACHE_VARIABLE, "~/.cache/carloop/bundles")).expanduser()
    return open_bundles(bundles, cache=cache_folder, seconds=float(os.environ.get(SECONDS_VARIABLE, POINTER_SECONDS)))


def handle(context: Any, event: Any) -> Any:
    """Nuclio's `handler`. The body is text: Nuclio reads a bare list as several replies."""
    models, metrics = context.user_data.models, context.user_data.metrics
    if event.method == "GET" and event.path == METRICS_PATH:
        return context.Response(body=metrics.render().decode(), content_type=METRICS_TYPE, status_code=200)
    if event.method == "GET":
        status_code, content, headers = check_health(models, event.path)
    else:
        with metrics.request() as request:
            status_code, content, headers = answer(models, event.body, context.logger, request)
    return context.Response(
        body=json.dumps(content), headers=headers, content_type="application/json", status_code=status_code
    )


def check_health(models: Sequence[PublishedModel], path: str) -> Answer:
    """200 with what is served now; 503 when nothing can be; 404 for another path than / and /healthz."""
    if path not in HEALTH_PATHS:
        return 404, {"error": "GET / and GET /healthz say what is served"}, {}
    bundles = [predictor.bundle for predictor in _newest(models)]
    if not bundles:
        return 503, {"error": "; ".join(model.trouble for model in models)}, {}
    served = {"model": [each.name for each in bundles], "bundle": [each.digest for each in bundles]}
    return 200, {key: ", ".join(values) for key, values in served.items()}, {}


def answer(
    models: Sequence[PublishedModel], body: object, logger: Logger, request: MeasuredRequest | None = None
) -> Answer:
    """HTTP status, JSON content and headers for a request's body; its outcome and parts are told to `request`.

    200 with the pre-labels, none of them when the image cannot be decoded: one bad frame must not end CVAT's run.
    400 for what is no request; 500 without a model, and for anything unexpected, which is logged in full.
    """
    request = request or MeasuredRequest()
    try:
        answered = _annotate(models, body, request)
        request.outcome = "ok"
        return answered
    except UndecodableImage as error:
        request.outcome = "undecodable"
        logger.error(str(error))
        return 200, [], {}
    except BadRequest as error:
        request.outcome = "bad_request"
        return 400, {"error": str(error)}, {}
    except CarloopError as error:
        logger.error(str(error))
        return 500, {"error": str(error)}, {}
    except Exception as error:
        logger.error(traceback.format_exc())
        return 500, {"error": f"{type(error).__name__}, which the function's log tells in full"}, {}


def _annotate(models: Sequence[PublishedModel], body: object, request: MeasuredRequest) -> Answer:
    asked = parse_request(body)
    predictors = _require_any(models)
    with request.part("decode"):
        pixels = decode_image(asked.image)
    with request.part("forward"):
        replies = prelabels(predictors, pixels, threshold=asked.threshold)
    request.predicts(1, *_served(predictors))
    made_by = ", ".join(predictor.bundle.name for predictor in predictors)
    return 200, [reply.model_dump(exclude_none=True) for reply in replies], {MODEL_HEADER: made_by}


def _require_any(models: Sequence[PublishedModel]) -> Predictors:
    """The predictors of those models that have one; the others have told the log why. Raises NoPublishedModel."""
    if predictors := _newest(models):
        return predictors
    raise NoPublishedModel("; ".join(model.trouble for model in models))


def _newest(models: Sequence[PublishedModel]) -> Predictors:
    return [predictor for model in models if (predictor := model.find_newest())]


def _served(predictors: Predictors) -> list[Served]:
    return [(predictor.bundle.name, predictor.bundle.digest) for predictor in predictors]


def prelabels(predictors: Predictors, pixels: Pixels, *, threshold: float | None) -> list[Reply]:
    """What the predictors see in a picture: a detector's objects, a classifier's best class as one tag.

    A threshold of None is each bundle's own. Graphs of one size share their letterbox.
    """

    @cache
    def square(size: int) -> Pixels:
        return Letterbox(size, *pixels.shape[:2]).place(pixels)

    return [
        reply
        for predictor in predictors
        for reply in _see(predictor, pixels, square(predictor.bundle.spec.image_size), threshold)
    ]


def _see(predictor: Detector | Classifier, pixels: Pixels, square: Pixels, threshold: float | None) -> list[Reply]:
    if isinstance(predictor, Detector):
        return detected(predictor.bundle, predictor.predict(pixels, threshold=threshold, square=square))
    return classified(predictor.bundle, predictor.predict(pixels, square=square), threshold=threshold)
