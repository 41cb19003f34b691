"""Open a COCO file for repair: whatever its encoding, with JSON's own faults mended and listed."""

import math
from pathlib import Path
from typing import Any

from datasets.errors import BadDataset
from datasets.validation.codes import CODES
from datasets.validation.draft import SECTIONS, Draft
from datasets.validation.findings import Notes
from datasets.validation.locate import read_content
from datasets.validation.text import RepeatedKeys, items, parse_tolerantly, to_utf8, walk, written


def read_draft(file: Path, root: Path) -> tuple[Draft, bytes]:
    """The file as a draft in which JSON itself is sound, and the file's bytes.

    Raises:
        BadDataset: the file is empty, cut short, no JSON, or has not the form of COCO.
    """
    name = str(file.relative_to(root))
    content, notes = read_content(file), Notes(name)
    text = to_utf8(content, notes) if content.strip() else b""
    try:
        document = parse_tolerantly(text, notes)
    except ValueError:
        raise BadDataset(_sentence(file, notes)) from None
    draft = Draft(name, _require_coco(document, file, notes))
    if notes.counts["json-encoding"]:
        finding = next(finding for finding in notes.kept if finding.code == "json-encoding")
        draft.tell("json-encoding", "", finding.detail, "UTF-8")
    _make_sound(draft.document, draft)
    return draft, content


def _require_coco(document: Any, file: Path, notes: Notes) -> dict[str, Any]:
    """The document, if it has the form of COCO or can be given it. Raises BadDataset."""
    if not isinstance(document, dict):
        raise BadDataset(f"{file} is not COCO: its top level is no object; {CODES['not-coco'].remedy}")
    for section in SECTIONS:
        if not isinstance(document.get(section), list | None):
            raise BadDataset(f"{file} is not COCO: '{section}' is no list; {CODES['not-coco'].remedy}")
    return document


def _sentence(file: Path, notes: Notes) -> str:
    if not notes.kept:
        return f"{file}: {CODES['json-empty'].meaning}; {CODES['json-empty'].remedy}"
    finding = notes.kept[-1]
    return f"{file}: {CODES[finding.code].meaning}, {finding.detail}; {CODES[finding.code].remedy}"


def _make_sound(value: Any, draft: Draft) -> None:
    """Make it what JSON can hold, in place and listed: no NaN. Of a key given twice the last value is there already."""
    for path, container in walk(value):
        if isinstance(container, RepeatedKeys):
            for key, earlier in container.earlier.items():
                draft.tell("json-duplicate-key", written(path, key), [*earlier, container[key]], container[key])
        endless = [key for key, inner in items(container) if isinstance(inner, float) and not math.isfinite(inner)]
        for key in endless:
            draft.tell("json-nan", written(path, key), container[key], None)
            container[key] = None
