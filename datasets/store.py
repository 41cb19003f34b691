"""The content-addressed image store: `images/ab/<sha256>.<ext>`, bytes never re-encoded."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from datasets.errors import BadDataset
from datasets.files import write_bytes

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}  # MPO: a phone's


@dataclass(frozen=True, slots=True)
class Probe:
    """What an image's header says: file extension by content, and upright size in pixels."""

    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store; `file_name` is relative to the store's folder."""

    sha256: str
    file_name: str
    width: int
    height: int


def probe(content: bytes) -> Probe:
    """Read an image's header and check that its pixels decode.

    Raises:
        BadDataset: no image of an allowed format, cut short, or of more pixels than Pillow thinks safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata of pixels that decode
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            with PillowImage.open(io.BytesIO(content), formats=FORMATS) as picture:
                extension = EXTENSIONS[str(picture.format)]
                upright = ImageOps.exif_transpose(picture)
    except (PillowImage.DecompressionBombWarning, PillowImage.DecompressionBombError) as error:
        raise BadDataset(f"too many pixels: {error}") from None
    except UnidentifiedImageError:
        raise BadDataset(f"no image that is {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise BadDataset(f"not a whole image: {error}") from None
    return Probe(extension, upright.width, upright.height)


class ImageStore:
    """Images by the SHA-256 of their bytes, under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, file_name: str) -> Path:
        return self.root / file_name

    def write_image(self, content: bytes) -> StoredImage:
        """Keep an image; the same bytes again change nothing. Raises BadDataset when it is no whole image."""
        facts = probe(content)
        sha256 = hashlib.sha256(content).hexdigest()
        file_name = f"images/{sha256[:2]}/{sha256}.{facts.extension}"
        path = self.path(file_name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
        return StoredImage(sha256, file_name, facts.width, facts.height)
