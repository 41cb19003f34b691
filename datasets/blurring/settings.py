"""What is made unreadable before people see an image, and how it is found."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from datasets.files import digest
from datasets.taxonomy import Settings


class BlurSettings(Settings):
    """Off unless `enabled`.

    `plates`: `text` finds all that can be read (number plates, but signs and dates too) with the library rapidocr;
    `cascade` is OpenCV's cascade for plates, which needs nothing and misses most; `none` looks for none. `faces`:
    `cascade` is OpenCV's, `yunet` the network in the file `face_model`
    (https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet), whose SHA-256 may be given.
    `longest_side`, in pixels, is what images are searched in; `margin` is what a region grows by on each side, as a
    share of its shorter one.
    """

    enabled: bool = False
    plates: Literal["text", "cascade", "none"] = "text"
    faces: Literal["cascade", "yunet", "none"] = "cascade"
    face_model: Path | None = None
    face_model_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    longest_side: int = Field(default=1280, ge=320)
    margin: float = Field(default=0.15, ge=0, le=1)

    @property
    def how(self) -> dict[str, object]:
        """All that decides what a derived image looks like; other settings make other images."""
        return self.model_dump(mode="json", exclude={"enabled", "face_model"})

    @property
    def key(self) -> str:
        """Twelve hex digits of `how`."""
        return digest(self.how)[:12]
