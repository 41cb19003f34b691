"""The segmenter as CVAT calls it: clicks and a box in, a mask out. Torch is imported once there are weights to load."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nuclio_functions.availability import weights_problem
from nuclio_functions.contract import InteractorReply, InteractorRequest, parse_body
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.interactive import start
from nuclio_functions.logger import Logger
from nuclio_functions.masks import bits_of, bounds_of, crop_mask, to_points
from nuclio_functions.metrics import start_metrics
from nuclio_functions.spec import SEGMENTER_VARIABLE
from training.errors import UndecodableImage

if TYPE_CHECKING:
    from nuclio_functions.segmenting.model import Segmenter

MODEL = "damage_segmenter"
LIKE = '{"image": "<base64>", "pos_points": [[10, 20]], "neg_points": [], "obj_bbox": null}'
NOTHING = InteractorReply(mask=[[0]], bounds=(0, 0, 0, 0), points=())


class SegmentingService:
    """The segmenter of a folder of weights, or the reason why there is none."""

    def __init__(self, env: Mapping[str, str], logger: Logger) -> None:
        folder = env.get(SEGMENTER_VARIABLE)
        self._segmenter: Segmenter | None = None
        self._trouble = weights_problem(SEGMENTER_VARIABLE, folder)
        if folder and not self._trouble:
            self._load(Path(folder), logger)
        if self._trouble:
            logger.error(self._trouble)
        else:
            logger.info(f"serving {MODEL} from {folder}")

    def _load(self, folder: Path, logger: Logger) -> None:
        from nuclio_functions.segmenting.model import load_segmenter

        try:
            self._segmenter = load_segmenter(folder)
        except NoPublishedModel as error:
            self._trouble = str(error)
        except Exception as error:
            logger.error(traceback.format_exc())
            self._trouble = f"{folder} cannot be loaded ({type(error).__name__}); the log tells more"

    def describe(self) -> dict[str, str]:
        return {"model": MODEL, "architecture": self._require().architecture}

    def answer(self, body: object, logger: Logger) -> InteractorReply:
        """The object that is meant; nothing of a picture that cannot be decoded.

        Raises BadRequest, and NoPublishedModel where nothing is loaded.
        """
        request = parse_body(InteractorRequest, body, like=LIKE)
        try:
            pixels = self._require().segment(request)
        except UndecodableImage as error:
            logger.error(str(error))
            return NOTHING
        crop = crop_mask(pixels)
        if crop is None:
            return NOTHING
        return InteractorReply(mask=bits_of(crop), bounds=bounds_of(crop), points=to_points(crop))

    def _require(self) -> "Segmenter":
        if self._segmenter is None:
            raise NoPublishedModel(self._trouble or "no segmenter is loaded")
        return self._segmenter


def init_segmenter(context: Any, env: Mapping[str, str]) -> None:
    """Nuclio's `init_context`."""
    start(context, SegmentingService(env, context.logger), start_metrics(MODEL))
