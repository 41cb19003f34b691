"""Photographs in an export: hard links or copies of the store's files, never re-encoded."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from PIL import Image as PillowImage

from datasets.coco import Image
from datasets.errors import BadDataset
from datasets.store import FORMATS, ImageStore

_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
_ORIENTATION = 274
_PNG_MAY_BE_TURNED = (b"eXIf", b"adobe.xmp", b"Raw profile type")  # reading a PNG's EXIF decodes all its pixels
_JPEG_END = b"\xff\xd9"


def require_stored(images: Iterable[Image], store: ImageStore) -> None:
    """Raises BadDataset when the store lacks any of the images."""
    wanted = list(images)
    absent = [image.file_name for image in wanted if not store.path(image.file_name).is_file()]
    if absent:
        raise BadDataset(
            f"{store.root} lacks {len(absent)} of {len(wanted)} images, {absent[0]} first; "
            "import them again, or give the store that they are in"
        )


def place_image(source: Path, target: Path, *, copy: bool) -> None:
    """A hard link to `source`, or a copy where asked for or where the file system cannot link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            os.link(source, target)
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    shutil.copyfile(source, target)


def is_turned(path: Path) -> bool:
    """Whether EXIF tells viewers to turn or mirror this image. Raises BadDataset when it cannot be read."""
    try:
        if path.suffix == ".png" and not any(sign in path.read_bytes() for sign in _PNG_MAY_BE_TURNED):
            return False
        with PillowImage.open(path, formats=FORMATS) as picture:
            return picture.getexif().get(_ORIENTATION, 1) not in (0, 1)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadDataset(f"{path} cannot be read: {error}; put the right file there") from None


def ends_oddly(path: Path) -> bool:
    """Whether a JPEG goes on after its end. Ultralytics rewrites such files: some versions in place, links and all."""
    if path.suffix != ".jpg":
        return False
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - len(_JPEG_END)))
        return handle.read() != _JPEG_END
