"""What a validation found, for people and for scripts."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from datasets.validation.codes import CODES, Severity
from datasets.validation.findings import Finding

_STYLES: Mapping[str, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_ORDER = list(_STYLES)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One COCO file and how many records it has; `sha256` is that of its bytes."""

    file: str
    sha256: str
    images: int
    annotations: int
    categories: int


@dataclass(frozen=True, slots=True)
class Repair:
    """One change: the finding's code, where in the original file, and the values before and after (None for none)."""

    code: str
    file: str
    place: str
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return {name: getattr(self, name) for name in ("code", "file", "place", "before", "after")}


@dataclass(frozen=True)
class Report:
    """What was found. `counts` has every finding by code; `findings` may hold fewer of a code, told by `capped`.

    `pictures` is how many image files were read; `repairs` are the changes that a repair made first.
    """

    path: Path
    files: tuple[FileSummary, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    pictures: int = 0
    repairs: tuple[Repair, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings there are of one severity."""
        return sum(count for code, count in self.counts.items() if CODES[code].severity == severity)

    def exit_code(self, *, strict: bool = False) -> int:
        """1 when there are errors, or warnings and `strict`; else 0."""
        return int(bool(self.count("error") or (strict and self.count("warning"))))

    @property
    def capped(self) -> dict[str, int]:
        """Codes of which not all findings are kept, with how many are."""
        kept = Counter(finding.code for finding in self.findings)
        return {code: kept[code] for code, count in self.counts.items() if kept[code] < count}


def to_json(report: Report) -> str:
    """The report as one JSON object, indented, ASCII only."""
    return json.dumps(to_dict(report), indent=2)


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "path": str(report.path),
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "infos": report.count("info"),
        "files": [asdict(file) for file in report.files],
        "pictures": report.pictures,
        "codes": {code: {"count": report.counts[code], **asdict(CODES[code])} for code in _by_severity(report)},
        "capped": report.capped,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "file": finding.file,
                "place": finding.place,
                "image": finding.image,
                "detail": finding.detail,
            }
            for finding in report.findings
        ],
        "repairs": [repair.to_dict() for repair in report.repairs],
    }


def _by_severity(report: Report) -> list[str]:
    return sorted(report.counts, key=lambda code: (_ORDER.index(CODES[code].severity), -report.counts[code], code))


def render(report: Report) -> RenderableType:
    """The report for a terminal: each code with its meaning, the first few places, and what to do."""
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        by_code[finding.code].append(finding)
    found = (part for code in _by_severity(report) for part in _told(code, report.counts[code], by_code[code]))
    return Group(*found, Text(summary(report)))


def _told(code: str, count: int, findings: Sequence[Finding]) -> Iterator[Text]:
    """One code's lines; a place is a line of its own, however long, so that it can be searched for."""
    severity = CODES[code].severity
    yield Text.assemble((code, _STYLES[severity]), f" ({severity}, {count}): {CODES[code].meaning}")
    yield from (Text("  ").append(_line(finding)) for finding in findings[:_SHOWN])
    if count > _SHOWN:
        yield Text(f"  and {count - _SHOWN} more", style="dim")
    yield Text(f"  remedy: {_remedy(code)}", style="italic")


def _line(finding: Finding) -> Text:
    place = " ".join(part for part in (finding.file, finding.place) if part)
    image = f" ({printable(finding.image)})" if finding.image else ""
    return Text(f"{place}{image}: {printable(finding.detail)}")


def printable(text: str) -> str:
    """A text from outside without anything that a terminal would act on."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _remedy(code: str) -> str:
    mends = {"yes": "; --repair does", "partly": "; --repair does where it is safe", "no": ""}[CODES[code].mends]
    return CODES[code].remedy + mends


def summary(report: Report) -> str:
    """The result in one sentence."""
    images = sum(file.images for file in report.files)
    annotations = sum(file.annotations for file in report.files)
    found = ", ".join(f"{report.count(severity)} {severity}s" for severity in ("error", "warning", "info"))
    repaired = f"{len(report.repairs)} changes made; " if report.repairs else ""
    return f"{repaired}{images} images ({report.pictures} read), {annotations} annotations: {found}"
