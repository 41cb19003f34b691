"""Frame names: `<readable stem>__<first 16 of sha256>.<ext>`, so that people can read them and content names them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from cvat.errors import CvatConflict
from datasets.coco import Image

_MAX_STEM = 60


def frame_name(image: Image) -> str:
    """The name of an image in CVAT; the readable part comes from where it was found, or from its family."""
    found_at = PurePosixPath(unquote(urlsplit(image.source.url or "").path)).stem
    stem = re.sub(r"[^\w.-]+", "-", found_at or image.family)[:_MAX_STEM]
    return f"{stem}__{image.sha256[:16]}{PurePosixPath(image.file_name).suffix}"


def sha256_of_frames(names: Iterable[str], images: Mapping[str, Image]) -> list[str]:
    """The SHA-256 of each frame, in order.

    Raises:
        CvatConflict: a frame that is none of these images.
    """
    known = {sha256[:16]: sha256 for sha256 in images}
    found = []
    for name in names:
        prefix = PurePosixPath(name).stem.rpartition("__")[2]
        if prefix not in known:
            raise CvatConflict(f"frame {name!r} is none of the images in the store; was it added by hand?")
        found.append(known[prefix])
    return found
