"""A contact sheet of images with what was made unreadable in them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageOps

from datasets.blurring.deriving import blurred
from datasets.blurring.ledger import BoxXyxy
from datasets.files import write_bytes
from datasets.records import Image
from datasets.seeing.templates import data_url, render
from datasets.store import ImageStore, open_image

_SIDE = 360
_LINE = (224, 138, 0)


@dataclass(frozen=True, slots=True)
class Card:
    """One image as annotators see it, each region in a frame."""

    picture: str
    regions: int
    family: str


def write_blurred_page(
    path: Path,
    images: Sequence[Image],
    boxes_xyxy: Mapping[str, tuple[BoxXyxy, ...]],
    store: ImageStore,
    *,
    title: str,
) -> None:
    """Write the images as one HTML file that needs nothing beside it; originals are not on it.

    Raises:
        BadDataset: an image is broken.
    """
    cards = [_card(image, boxes_xyxy.get(image.sha256, ()), store) for image in images]
    write_bytes(path, render("blurred.html.j2", {"cards": cards, "reference": title}))


def _card(image: Image, boxes_xyxy: Sequence[BoxXyxy], store: ImageStore) -> Card:
    with open_image(store.path(image.file_name)) as picture:
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
    shown = PillowImage.fromarray(blurred(pixels, np.reshape(np.asarray(boxes_xyxy, np.int64), (-1, 4))))
    draw, width = ImageDraw.Draw(shown), max(1, max(shown.size) // 200)
    for box in boxes_xyxy:
        draw.rectangle(box, outline=_LINE, width=width)
    shown.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    shown.save(content, "JPEG", quality=85)
    return Card(data_url(content.getvalue(), "image/jpeg"), len(boxes_xyxy), image.family)
