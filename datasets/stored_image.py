"""What is known of an image in the store."""

from dataclasses import dataclass

EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}  # MPO: a phone's


@dataclass(frozen=True, slots=True)
class Probe:
    """What an image's header says: file extension by content, upright size in pixels, EXIF's orientation (1 to 8)."""

    extension: str
    width: int
    height: int
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store; `file_name` is relative to the store's folder.

    Width and height are those of the upright image; `orientation` is how EXIF says to turn the file's pixels for it.
    """

    sha256: str
    file_name: str
    width: int
    height: int
    orientation: int = 1
