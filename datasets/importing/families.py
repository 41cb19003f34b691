"""Families from file names: the photographs that must stay on one side of a split."""

import re


def check_family_pattern(pattern: str | None) -> str | None:
    """The pattern itself. Raises ValueError when it is no regular expression."""
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


def family_in(name: str, pattern: str | None) -> str | None:
    """What the pattern's first group that matched something, or else the whole match, says; None without a match."""
    match = re.search(pattern, name) if pattern else None
    found = next((group for group in match.groups() if group), match.group()) if match else None
    return found or None
