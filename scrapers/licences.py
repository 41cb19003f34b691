"""Licences under one name each, and whether a project may use them.

Names are SPDX's where it has one (https://spdx.org/licenses/), so that policies read alike whatever a site writes.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from scrapers.settings import LicencePolicy

Verdict = Literal["allowed", "refused", "unknown"]

_PARTS = {
    "attribution": "by",
    "by": "by",
    "noncommercial": "nc",
    "nc": "nc",
    "noderivatives": "nd",
    "noderivs": "nd",
    "nd": "nd",
    "sharealike": "sa",
    "sa": "sa",
}
_ORDER = ("by", "nc", "nd", "sa")
_DEED = re.compile(r"/licenses/([a-z-]+)/(\d\.\d)")
_ZERO = re.compile(r"\b(cc\s?0|cc zero|creative commons zero|publicdomain zero)\b")
_MARK = re.compile(r"\b(pdm|public domain mark|publicdomain mark)\b")
_RESERVED = re.compile(r"all rights reserved|^\W*(©|copyright)")


def licence_name(stated: str | None) -> str | None:
    """One name for what a site states, in words or as the address of a deed; text that is no known licence stays."""
    if stated is None or not stated.strip():
        return None
    text = stated.strip()
    parts = urlsplit(text)
    if parts.hostname and parts.hostname.removeprefix("www.") == "creativecommons.org":
        return _deed(parts.path) or text
    return _in_words(" ".join(re.sub(r"[-_/]+", " ", text.lower()).split())) or text


def judge(stated: Iterable[str | None], policy: LicencePolicy) -> Verdict:
    """Whether an image under these statements may be kept. Statements that differ make an unknown licence.

    `policy.refused` is stronger than `policy.allowed`; both hold shell patterns over names, whatever their case.
    """
    return _judge(tuple(stated), policy.allowed, policy.refused)


@lru_cache(maxsize=4096)
def _judge(stated: tuple[str | None, ...], allowed: tuple[str, ...], refused: tuple[str, ...]) -> Verdict:
    """Thousands of images state the same."""
    names = {name for one in stated if (name := licence_name(one)) is not None}
    verdicts = {name: _judge_name(name, allowed, refused) for name in names or {""}}
    if "refused" in verdicts.values():
        return "refused"
    telling = _telling(set(verdicts))
    return verdicts[telling[0]] if len(telling) == 1 else "unknown"


def _telling(names: set[str]) -> list[str]:
    """Without those that another one says more exactly, and without mere words where a known licence is named."""
    known = {name for name in names if name.startswith("CC")} or names
    return [
        name
        for name in known
        if not any(other.startswith(f"{name}-") and other[len(name) + 1].isdigit() for other in known)
    ]


def _judge_name(name: str, allowed: tuple[str, ...], refused: tuple[str, ...]) -> Verdict:
    if _is_in(name, refused):
        return "refused"
    return "allowed" if _is_in(name, allowed) else "unknown"


def _is_in(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _deed(path: str) -> str | None:
    if "/publicdomain/zero/" in path:
        return "CC0-1.0"
    if "/publicdomain/mark/" in path:
        return "CC-PDM-1.0"
    found = _DEED.search(path)
    return _creative_commons(found[1].split("-"), found[2]) if found else None


def _in_words(text: str) -> str | None:
    if _ZERO.search(text):
        return "CC0-1.0"
    if _MARK.search(text):
        return "CC-PDM-1.0"
    if text.startswith("public domain") or text == "pd":
        return "public-domain"
    if _RESERVED.search(text):
        return "all-rights-reserved"
    words = re.sub(r"[^a-z0-9. ]", "", text.replace("non commercial", "noncommercial")).split()
    version = next((word for word in words if re.fullmatch(r"\d\.\d", word)), None)
    terms = [word for word in words if word in _PARTS]
    is_code = words[:1] == ["by"] and set(words) <= {*_PARTS, version}
    is_named = is_code or words[:1] == ["cc"] or "attribution" in words
    return _creative_commons(terms, version) if is_named else None


def _creative_commons(terms: Iterable[str], version: str | None) -> str | None:
    found = {_PARTS[term] for term in terms if term in _PARTS}
    if "by" not in found:
        return None
    return "-".join(["CC", *(part.upper() for part in _ORDER if part in found), *([version] if version else [])])
