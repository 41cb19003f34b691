"""What reviewers decide between the rounds of a run: its FiftyOne dataset tells, and the home keeps it."""

from collections.abc import Mapping
from typing import Any

from datasets.curating.reading import load_review, take_back
from datasets.decisions import Decision, read_decisions
from pipelines.runs import Run
from pipelines.shelf import Shelf


def decisions_of_run(run: Run, fo: Any) -> Mapping[str, Decision]:
    """All that was decided in the run's home, by SHA-256, with what reviewers of the run say in FiftyOne now.

    Raises:
        BadInput: an image has a tag that nobody knows.
        BadDataset: the home's decisions are broken.
    """
    path = Shelf(run.folder.parents[1]).decisions
    if not fo.dataset_exists(run.review_name):
        return read_decisions(path)
    return take_back(load_review(fo, run.review_name), path)[1]
