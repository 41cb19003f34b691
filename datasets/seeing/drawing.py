"""A frame as a small upright picture, and the annotations on it as outlines in the pixels of the whole image."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from datasets.coco import Annotation, Rle
from datasets.errors import BadDataset
from datasets.geometry import rotation_of
from datasets.rle import decode_mask
from datasets.store import FORMATS

_QUALITY = 80
_MASK_SIDE = 640
_COLOURS = (
    "#e0443e", "#2f6fde", "#2e9e5b", "#e08a00", "#a347ba", "#0f9aa8",
    "#d6438a", "#7a8b00", "#6a5acd", "#b5651d", "#3b8f8f", "#c2185b",
)  # fmt: skip


@dataclass(frozen=True)
class Outline:
    """One object to draw: `paths` is SVG (pixels, even-odd filled), `box` the bbox_xywh, `degrees` its turn."""

    paths: str
    box: tuple[float, float, float, float]
    degrees: float
    colour: str
    merged: bool
    crowd: bool


def colour_of(category_id: int) -> str:
    """The colour of a class, the same on every page."""
    if category_id <= len(_COLOURS):
        return _COLOURS[category_id - 1]
    return f"hsl({category_id * 137.508 % 360:.0f} 65% 45%)"  # the golden angle keeps neighbours apart


def read_thumbnail(path: Path, *, side: int) -> bytes:
    """A stored image as JPEG, upright, at most `side` pixels long. Raises BadDataset when it is missing or no image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata of pixels that decode
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            with PillowImage.open(path, formats=FORMATS) as opened:
                opened.draft("RGB", (2 * side, 2 * side))
                small = ImageOps.exif_transpose(opened)
        small.thumbnail((side, side))
        target = io.BytesIO()
        _opaque(small).save(target, "JPEG", quality=_QUALITY, optimize=True)
    except FileNotFoundError:
        raise BadDataset("not in the store") from None
    except UnidentifiedImageError:
        raise BadDataset(f"no image that is {', '.join(FORMATS)}") from None
    except (PillowImage.DecompressionBombWarning, PillowImage.DecompressionBombError) as error:
        raise BadDataset(f"too many pixels: {error}") from None
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise BadDataset(f"not a whole image: {error}") from None
    return target.getvalue()


def _opaque(picture: PillowImage.Image) -> PillowImage.Image:
    """RGB, on white where it was transparent; 16 bits a channel become 8."""
    if picture.mode.startswith("I"):
        picture = PillowImage.fromarray((np.asarray(picture).clip(0, 65535) // 256).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return PillowImage.alpha_composite(PillowImage.new("RGBA", layered.size, "white"), layered).convert("RGB")


def outline(annotation: Annotation) -> Outline:
    """How an object is drawn: its polygons or mask, and its box, which is turned where there is nothing else."""
    shape = annotation.segmentation
    paths = _mask_path(shape) if isinstance(shape, Rle) else "".join(map(_path, shape))
    return Outline(
        paths=paths,
        box=annotation.bbox_xywh,
        degrees=0.0 if paths else rotation_of(annotation.attributes),
        colour=colour_of(annotation.category_id),
        merged=len(annotation.origins) > 1,
        crowd=annotation.iscrowd,
    )


def _path(polygon: Sequence[float]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(polygon[::2], polygon[1::2], strict=False))
    return f"M{points}Z"


def _mask_path(rle: Rle) -> str:
    """The borders of a mask, holes and all, to the pixels of a picture of 640; none where it is broken."""
    try:
        pixels = decode_mask(rle).pixels
    except ValueError:
        return ""
    step = max(1, max(rle.size) // _MASK_SIDE)
    small = np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step])
    borders, _ = cv2.findContours(small, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(_path(((border.reshape(-1, 2) + 0.5) * step).ravel().tolist()) for border in borders)
