"""Frame names: `<readable stem>__<first 16 of sha256>.<ext>`, so that people can read them and content names them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from cvat.errors import CvatConflict
from datasets.coco import Image

_MAX_STEM_BYTES = 120
_PREFIX = 16


def frame_name(image: Image) -> str:
    """The name of an image in CVAT; the readable part is from where it was found, its sources' names, or its family."""
    found_at = PurePosixPath(unquote(urlsplit(image.source.url or "").path)).stem
    called = min((PurePosixPath(view.file_name).stem for view in image.views), default=image.family)
    stem = re.sub(r"[^\w.-]+", "-", found_at or called).encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{stem}__{image.sha256[:_PREFIX]}{PurePosixPath(image.file_name).suffix}"


def content_of(name: str) -> str:
    """What a frame's name says of its content: the first 16 digits of the SHA-256.

    Images that CVAT fetched itself are named as in the store, by the whole SHA-256.
    """
    return PurePosixPath(name).stem.rpartition("__")[2][:_PREFIX]


def sha256_of_frames(names: Iterable[str], images: Mapping[str, Image]) -> list[str]:
    """The SHA-256 of each frame, in order.

    Raises:
        CvatConflict: a frame that is none of these images.
    """
    known = {sha256[:_PREFIX]: sha256 for sha256 in images}
    found = []
    for name in names:
        prefix = content_of(name)
        if prefix not in known:
            raise CvatConflict(f"frame {name!r} is none of the images in the store; was it added by hand?")
        found.append(known[prefix])
    return found
