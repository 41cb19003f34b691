"""A promptable segmentation model of the SAM family. Points and boxes are pixels of the upright picture.

SAM lays a picture on the model's square so that the longest side fits and the rest is filled up; SAM 2 squeezes it in.
Weights are safetensors in a local folder; nothing is fetched and nothing unpickled.
Sources: Kirillov et al., "Segment Anything" (2023); Ravi et al., "SAM 2" (2024).
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, pad
from transformers import AutoConfig, AutoModelForMaskGeneration
from transformers.utils.logging import disable_progress_bar

from nuclio_functions.contract import InteractorRequest
from nuclio_functions.errors import NoPublishedModel
from training.predicting.pictures import Pixels, decode_image

REMEMBERED_PICTURES = 8
"""Of so many pictures the embedding is kept; one of SAM has 4 MiB, of SAM 2 16 MiB."""
SAM = ("sam",)
SAM2 = ("sam2", "sam2_video")

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


@dataclass(frozen=True)
class Seen:
    """A picture after the model's encoder, which takes nearly all the time.

    `size` is the picture's, `placed` its size on the model's square: (height, width).
    """

    embedding: Any
    size: tuple[int, int]
    placed: tuple[int, int]


class Segmenter:
    """What of a picture is meant by clicks and boxes; the next click on the same picture is fast."""

    def __init__(self, model: Any, architecture: str) -> None:
        self.architecture = architecture
        self._model = model
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.train(False).to(self._device)
        self._side = int(model.config.prompt_encoder_config.image_size)
        self._is_padded = architecture in SAM
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def segment(self, request: InteractorRequest) -> NDArray[np.bool_]:
        """(height, width) of the upright picture, on where the object is. Raises UndecodableImage."""
        seen = self._see(request.image)
        prompts = self._prompts(request, seen)
        is_ambiguous = len(request.pos_points) + len(request.neg_points) == 1 and not request.obj_bbox
        with torch.inference_mode():
            output = self._model(image_embeddings=seen.embedding, multimask_output=is_ambiguous, **prompts)
            best = int(output.iou_scores[0, 0].argmax())
            return self._restore(output.pred_masks[:, 0, best : best + 1], seen)

    def _see(self, content: bytes) -> Seen:
        key = hashlib.sha256(content).hexdigest()
        if key not in self._seen:
            self._seen[key] = self._embed(decode_image(content))
        self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED_PICTURES:
            self._seen.popitem(last=False)
        return self._seen[key]

    def _embed(self, pixels: Pixels) -> Seen:
        height, width = pixels.shape[:2]
        gain = self._side / max(height, width)
        placed = int(height * gain + 0.5), int(width * gain + 0.5)
        if not self._is_padded:
            placed = self._side, self._side
        with torch.inference_mode():
            embedding = self._model.get_image_embeddings(self._square(pixels, placed))
        return Seen(embedding, (height, width), placed)

    def _square(self, pixels: Pixels, placed: tuple[int, int]) -> torch.Tensor:
        """(1, 3, side, side) of a picture scaled to `placed` and normalized, with zeros to the right and below."""
        image = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None].float()
        scaled = interpolate(image, placed, mode="bilinear", antialias=True).round().clamp(0, 255) / 255
        mean, std = (torch.tensor(values, device=self._device).reshape(3, 1, 1) for values in (_MEAN, _STD))
        return pad((scaled - mean) / std, (0, self._side - placed[1], 0, self._side - placed[0]))

    def _prompts(self, request: InteractorRequest, seen: Seen) -> dict[str, torch.Tensor]:
        """Clicks and box on the model's square; what lies beside the picture is moved to its edge."""
        clicks = [*request.pos_points, *request.neg_points]
        labels = [1] * len(request.pos_points) + [0] * len(request.neg_points)
        prompts: dict[str, torch.Tensor] = {}
        if clicks:
            prompts["input_points"] = self._place(clicks, seen)[None, None]
            prompts["input_labels"] = torch.tensor([[labels]], device=self._device)
        if request.obj_bbox:
            corners = np.sort(np.array(request.obj_bbox), axis=0)
            prompts["input_boxes"] = self._place(corners, seen).reshape(1, 1, 4)
        return prompts

    def _place(self, points: Any, seen: Seen) -> torch.Tensor:
        size, placed = np.array(seen.size[::-1]), np.array(seen.placed[::-1])
        return torch.tensor(np.clip(points, 0, size) * placed / size, dtype=torch.float32, device=self._device)

    def _restore(self, logits: torch.Tensor, seen: Seen) -> NDArray[np.bool_]:
        """(1, 1, h, w) of the square as the picture's mask."""
        if self._is_padded:
            square = interpolate(logits, (self._side, self._side), mode="bilinear")
            logits = square[..., : seen.placed[0], : seen.placed[1]]
        mask: NDArray[np.bool_] = (interpolate(logits, seen.size, mode="bilinear")[0, 0] > 0).cpu().numpy()
        return mask


def load_segmenter(folder: Path) -> Segmenter:
    """The model in a folder with config.json and safetensors. Raises NoPublishedModel when it is no such model."""
    local = {"local_files_only": True, "trust_remote_code": False}
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        if config.model_type not in (*SAM, *SAM2):
            raise ValueError(f"its model type {config.model_type!r} is none of {', '.join((*SAM, *SAM2))}")
        model, info = AutoModelForMaskGeneration.from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, **local
        )
    except Exception as error:  # whatever transformers and safetensors raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise NoPublishedModel(f"{folder} is no model of the SAM family ({reason}); save one there") from error
    if missing := sorted(info["missing_keys"]):
        raise NoPublishedModel(f"the weights in {folder} lack {len(missing)} tensors, as {missing[0]}; save them anew")
    return Segmenter(model, config.model_type)
