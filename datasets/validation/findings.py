"""Findings: what is wrong, and where. Kept as data until somebody prints them."""

import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from datasets.validation.codes import CODES, Severity

Section = Literal["images", "annotations", "categories"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one place.

    `file` is relative to what was validated; `section` and `index` are the record's place in it, None for the file as a
    whole; `image` is the file name of the image concerned, where there is one.
    """

    code: str
    file: str
    detail: str
    section: Section | None = None
    index: int | None = None
    image: str | None = None

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity

    @property
    def place(self) -> str:
        """The JSON path, such as `annotations[17]`; empty for the file as a whole."""
        return "" if self.section is None else f"{self.section}[{self.index}]"


@dataclass
class Notes:
    """The findings of one file as they are made: at most `most` of a code are kept, all are counted."""

    file: str
    most: int | None = None
    kept: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        code: str,
        detail: str,
        section: Section | None = None,
        index: int | None = None,
        image: str | None = None,
    ) -> None:
        self.counts[code] += 1
        if self.most is None or self.counts[code] <= self.most:
            self.kept.append(Finding(code, self.file, detail, section, index, image))

    def add_rows(
        self,
        code: str,
        section: Section,
        rows: Iterable[int],
        detail: Callable[[int], str],
        image: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        """One finding per row; the detail is only worked out for those that are kept."""
        numbers: Sequence[int] = [int(row) for row in rows]
        if not numbers:
            return
        room = len(numbers) if self.most is None else max(0, self.most - self.counts[code])
        self.kept += [Finding(code, self.file, detail(row), section, row, image(row)) for row in numbers[:room]]
        self.counts[code] += len(numbers)

    def take(self, other: "Notes") -> None:
        """Add what somebody else noted about the same file."""
        self.kept += other.kept
        self.counts += other.counts

    def capped(self, most: int) -> "Notes":
        """The same, keeping at most `most` findings of a code, and no more from now on."""
        notes, places = Notes(self.file, most), Counter[str]()
        for finding in self.kept:
            places[finding.code] += 1
            notes.kept += [finding] if places[finding.code] <= most else []
        notes.counts += self.counts
        return notes


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxdict = _SHORT.maxlist = 6


def shown(value: Any) -> str:
    """A value from outside as it can be put into a sentence: escaped and short."""
    return _SHORT.repr(value)
