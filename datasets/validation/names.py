"""Are names usable as what they are: files below the folder, classes that can be told?"""

import re

from datasets.validation.findings import Notes, shown
from datasets.validation.forms import UNKNOWN_NAME, Records

_SUSPICIOUS = re.compile(r"^[A-Za-z]:|^/|^~|\\|\.\.|[\x00-\x1f\x7f]|^\s*$")
_UNSAFE = re.compile(r"^[A-Za-z]:|^[/~]|(^|/)\.\.(/|$)|[\x00-\x1f\x7f]")


def is_unsafe(file_name: str) -> bool:
    """Whether a file name leads out of its folder on some system, or holds control characters."""
    return _UNSAFE.search(file_name.replace("\\", "/")) is not None


def check_file_names(records: Records, notes: Notes) -> None:
    """File names that are empty, lead out of the folder, or are written as on Windows."""
    for row, image in enumerate(records.images):
        name = image.file_name
        if _SUSPICIOUS.search(name) is None or name is UNKNOWN_NAME:
            continue
        if not name.strip():
            notes.add("bad-file-name", f"file_name is {shown(name)}", "images", row)
        elif is_unsafe(name):
            notes.add("unsafe-file-name", f"file_name is {shown(name)}", "images", row, name)
        elif "\\" in name:
            notes.add("backslash-file-name", f"file_name is {shown(name)}", "images", row, name)


def check_category_names(records: Records, notes: Notes) -> None:
    """Category names that are blank."""
    for row, category in enumerate(records.categories):
        if not category.name.strip():
            notes.add("bad-category-name", f"name is {shown(category.name)}", "categories", row)
