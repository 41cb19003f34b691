"""Names of files in an export."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from datasets.coco import Image
from datasets.errors import BadDataset

UNSPLIT = "unsplit"
_MAX_STEM_CHARACTERS = 60
_MAX_STEM_BYTES = 200


def export_name(image: Image) -> str:
    """`<readable stem>__<first 16 of sha256>.<ext>`, as frames are called in CVAT.

    The readable part comes from where the image was found, or from its family. It never starts with a dot, since tools
    overlook such files, and fits a file system's 255 bytes.
    """
    found_at = PurePosixPath(unquote(urlsplit(image.source.url or "").path)).stem
    stem = re.sub(r"[^\w.-]+", "-", found_at or image.family)[:_MAX_STEM_CHARACTERS]
    readable = stem.lstrip(".").encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return f"{readable}__{image.sha256[:16]}{PurePosixPath(image.file_name).suffix}"


def split_name(image: Image) -> str:
    """The folder or list that an image belongs to: its split, or `unsplit`."""
    return image.split or UNSPLIT


def file_safe(names: Iterable[str]) -> dict[str, str]:
    """Class names as names of files or folders.

    Raises:
        BadDataset: two would be the same, or one that ignores case would take them for it.
    """
    safe = {name: re.sub(r'[\\/:*?"<>|\x00-\x1f]', "-", name).strip(". ") or "-" for name in names}
    taken: dict[str, str] = {}
    for name, written in safe.items():
        other = taken.setdefault(written.casefold(), name)
        if other != name:
            raise BadDataset(f"classes {other!r} and {name!r} would share the folder {written!r}; rename one of them")
    return safe
