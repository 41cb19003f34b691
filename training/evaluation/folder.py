"""An evaluation's folder: predictions, the truth they are held against, and what is told of them.

predictions.json        COCO's results, with masks as run lengths; a classifier's lack the box
test_set/<digest>/      the truth, as a dataset version
visibility.json         light, glare and sharpness of each image, by SHA-256
subject.json            model, bundle, thresholds, resamples and seed
report.json             every number, with its interval; `recompute` makes the same from the files above
*.png                   precision against recall, confusion, calibration
manifest.json           the SHA-256 of each file, written last
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets.errors import BadDataset
from datasets.files import MANIFEST, is_complete, new_folder, read_json, write_bytes, write_json
from datasets.versions import read_version, write_version
from training.assessability import Visibility
from training.bundle import file_sha256
from training.evaluation.plots import draw_pictures
from training.evaluation.report import Json, make_report
from training.evaluation.subject import Subject, SubjectTask

PREDICTIONS, SUBJECT, REPORT, VISIBILITY, TEST_SET = (
    "predictions.json",
    "subject.json",
    "report.json",
    "visibility.json",
    "test_set",
)


class _Told(BaseModel):
    """The content of subject.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    bundle: str
    task: SubjectTask
    test_set: str
    truth: str
    thresholds: dict[str, float]
    resamples: Annotated[int, Field(ge=0)]
    seed: int


def write_evaluation(subject: Subject, folder: Path) -> Json:
    """Write the folder, whole or not at all; returns the report. A whole one that is there stays."""
    report = make_report(subject)
    with new_folder(folder) as part:
        truth = write_version(subject.truth, part / TEST_SET)
        write_bytes(part / PREDICTIONS, orjson.dumps(list(subject.results)))
        write_json(part / VISIBILITY, {sha256: asdict(seen) for sha256, seen in subject.visibility.items()})
        write_json(part / SUBJECT, {**subject.told(), "truth": truth})
        write_json(part / REPORT, report)
        for name, picture in draw_pictures(report).items():
            write_bytes(part / name, picture)
        write_json(part / MANIFEST, {"files": _digests(part)})
    return report


def read_subject(folder: Path) -> Subject:
    """What a folder's report was made from.

    Raises:
        BadDataset: it is no whole evaluation, or a file was changed since.
    """
    if not is_complete(folder):
        raise BadDataset(f"{folder} is no complete evaluation; make one with carloop model evaluate")
    _require_unchanged(folder)
    try:
        told = _Told.model_validate(read_json(folder / SUBJECT))
    except ValidationError as error:
        raise BadDataset(f"{folder / SUBJECT} is not of this version of Carloop: {error}; evaluate again") from None
    return Subject(
        **told.model_dump(exclude={"truth"}),
        truth=read_version(folder / TEST_SET, told.truth),
        results=read_json(folder / PREDICTIONS),
        visibility={sha256: Visibility(**seen) for sha256, seen in read_json(folder / VISIBILITY).items()},
    )


def recompute(folder: Path) -> Json:
    """The report, made anew from the files beside it. Raises BadDataset as `read_subject`, or if it is another."""
    report = make_report(read_subject(folder))
    if (told := read_json(folder / REPORT)) != report:
        differing = ", ".join(sorted(key for key in report.keys() | told.keys() if report.get(key) != told.get(key)))
        raise BadDataset(f"{folder / REPORT} differs from what its files give in {differing}; evaluate again")
    return report


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): file_sha256(path) for path in files if path != folder / MANIFEST}


def _require_unchanged(folder: Path) -> None:
    listed: Any = read_json(folder / MANIFEST).get("files")
    found = _digests(folder)
    if listed != found:
        changed = sorted(name for name in {*(listed or {}), *found} if (listed or {}).get(name) != found.get(name))
        raise BadDataset(f"{folder} was changed after it was written: {', '.join(changed)}; evaluate again")
