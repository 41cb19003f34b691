"""What a run folder holds at the end, of a model that finds objects: its test, its figures and their pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.charts import draw_grid, draw_history
from training.evaluation.folder import write_evaluation
from training.evaluation.plots import draw_pictures
from training.evaluation.subject import Subject
from training.run_folder import RunFolder, write_results
from training.worst import worst_tiles

_TEST_FOLDER = "test"


def write_tested(
    run: RunFolder,
    subject: Subject | None,
    store: Path,
    *,
    history: Sequence[Mapping[str, float]],
    report: dict[str, Any],
) -> None:
    """Write `report`, with the evaluation of what was predicted as its `test`: None where nothing was left for it."""
    report["test"] = None
    pictures = draw_history(history)
    if subject and subject.truth.images:
        report["test"] = write_evaluation(subject, run.path / _TEST_FOLDER)
        pictures |= draw_pictures(report["test"])
        pictures["worst_errors.png"] = draw_grid(worst_tiles(subject, store))
    else:
        report["notes"].append("no image is left to test on; split the version with a larger test_fraction")
    write_results(run, history=history, report=report, pictures=pictures)
