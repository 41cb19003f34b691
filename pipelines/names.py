"""Names of dataset versions: what a person can type, and no digest can be taken for."""

import re
import unicodedata

_NAME = re.compile(r"[^\W_][\w.-]{0,79}")
_DIGEST = re.compile(r"[0-9a-f]{6,}")


def is_name(text: str) -> bool:
    """Whether it is up to 80 letters, digits, dots, dashes and underscores, and no digest's beginning."""
    return _NAME.fullmatch(text) is not None and not is_digest(text)


def is_digest(text: str) -> bool:
    """Whether a digest may begin so."""
    return _DIGEST.fullmatch(text) is not None


def name_like(text: str) -> str:
    """The name that is most like the text."""
    name = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", text)).lstrip("_.-")[:80].rstrip("-")
    return name if is_name(name) else f"dataset-{name}"[:80].rstrip("-")
