"""A COCO document while it is repaired: every change is listed, with the place it had in the original file."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from datasets.errors import BadDataset
from datasets.validation.findings import Section
from datasets.validation.report import Repair
from datasets.validation.text import RepeatedKeys

SECTIONS: tuple[Section, ...] = ("images", "annotations", "categories")
_NONE = object()


@dataclass
class Draft:
    """A parsed COCO file and what was changed in it.

    `reshaped` holds the original places of annotations whose shape changed, so that their area is no longer right.
    """

    file: str
    document: dict[str, Any]
    changes: list[Repair] = field(default_factory=list)
    reshaped: set[int] = field(default_factory=set)
    origins: dict[Section, list[int]] = field(default_factory=dict)
    _dropped: dict[Section, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for section in SECTIONS:
            self.origins[section] = list(range(len(self.records(section))))
            self._dropped[section] = set()

    def records(self, section: Section) -> list[Any]:
        """The records of a section, none if there is no such list."""
        found = self.document.get(section)
        return found if isinstance(found, list) else []

    def live(self, section: Section, rows: Iterable[int]) -> list[tuple[int, Any]]:
        """The records in some rows that were not dropped."""
        return [(row, self.records(section)[row]) for row in rows if row not in self._dropped[section]]

    def everything(self, section: Section) -> list[tuple[int, dict[str, Any]]]:
        """All records that are objects and were not dropped."""
        rows = range(len(self.records(section)))
        return [(row, record) for row, record in self.live(section, rows) if isinstance(record, dict)]

    def put(self, code: str, section: Section, row: int, key: str, value: Any) -> None:
        """Give a record's key a value."""
        record = self.records(section)[row]
        before = record.get(key, _NONE)
        if before is _NONE or type(before) is not type(value) or before != value:
            place = f"{section}[{self.origins[section][row]}].{key}"
            self.tell(code, place, None if before is _NONE else before, value)
            record[key] = value

    def drop(self, code: str, section: Section, row: int) -> None:
        """Take a record out, at the end of this round."""
        if row not in self._dropped[section]:
            self._dropped[section].add(row)
            self.tell(code, f"{section}[{self.origins[section][row]}]", self.records(section)[row], None)

    def tell(self, code: str, place: str, before: Any, after: Any) -> None:
        """List a change."""
        self.changes.append(Repair(code, self.file, place, _listed(before), _listed(after)))

    def settle(self) -> None:
        """Take out what was dropped."""
        for section in SECTIONS:
            gone = self._dropped[section]
            if gone:
                kept = [row for row in range(len(self.records(section))) if row not in gone]
                self.document[section] = [self.records(section)[row] for row in kept]
                self.origins[section] = [self.origins[section][row] for row in kept]
                self._dropped[section] = set()

    def free_ids(self, section: Section) -> Callable[[], int]:
        """New ids, above all that are taken."""
        taken = [record["id"] for _, record in self.everything(section) if is_id(record.get("id"))]
        following: int = max([0, *taken])

        def take() -> int:
            nonlocal following
            following += 1
            return following

        return take

    def content(self) -> bytes:
        """The document as JSON. Raises BadDataset when it is nested too deeply."""
        return dump(self.document, self.file)


def dump(value: Any, name: str) -> bytes:
    """JSON of a value, ASCII only, so that even half characters survive. Raises BadDataset when it nests too deeply."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except RecursionError:
        raise BadDataset(f"{name} is nested too deeply to be written; remove the nested value") from None


def _listed(value: Any) -> Any:
    """A copy of a value for the list of changes; one that is nested very deeply is told as its JSON text."""
    try:
        return writable(value)
    except RecursionError:
        return json.dumps(value)


def is_id(value: Any) -> bool:
    """Whether a value can be an id as it is."""
    return type(value) is int and abs(value) < 2**61


def writable(value: Any) -> Any:
    """A copy in which what JSON cannot hold is text, and repeated keys are told as a list of all their values."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, RepeatedKeys):
        return {key: writable([*value.earlier.get(key, ()), inner]) for key, inner in value.items()}
    if isinstance(value, dict):
        return {key: writable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [writable(inner) for inner in value]
    return value
