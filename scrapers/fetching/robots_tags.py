"""What a page or an image says about being kept: `X-Robots-Tag` headers and robots metas with noai or noimageai."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

FORBIDS = ("noai", "noimageai")
_AGENT = re.compile(r"\s*([a-z0-9_-]+)\s*:", re.IGNORECASE)
_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


def forbidden_by_header(x_robots_tag: str | None, *, agent: str) -> str | None:
    """The directive of an X-Robots-Tag that forbids keeping an image, or None.

    Several headers are joined by commas; a robot's name, as in `otherbot: noai`, holds until the next name.
    """
    if not x_robots_tag:
        return None
    addressed = True
    for part in x_robots_tag.split(","):
        named = _AGENT.match(part)
        if named and named.group(1).lower() not in _WITH_VALUE:
            addressed = named.group(1).lower() in (agent.lower(), "*", "robots")
            part = part[named.end() :]
        if addressed and (found := _forbidding([part])):
            return found
    return None


def forbidden_by_page(page: "BeautifulSoup", *, agent: str) -> str | None:
    """The directive of a page's robots meta that forbids keeping its images, or None."""
    for meta in page.find_all("meta", attrs={"name": True}):
        if str(meta["name"]).strip().lower() in ("robots", agent.lower()):
            found = _forbidding(str(meta.get("content") or "").split(","))
            if found:
                return found
    return None


def _forbidding(directives: Iterable[str]) -> str | None:
    return next((word for word in (text.strip().lower() for text in directives) if word in FORBIDS), None)
