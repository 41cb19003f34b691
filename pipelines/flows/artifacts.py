"""What a run shows in Prefect's UI: tables, and links to reports. For people alone; nothing is decided by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.context import FlowRunContext

from pipelines.results import RoundResult


def show_rows(key: str, rows: Sequence[Mapping[str, Any]], told: str) -> None:
    """A table of a run, under a name that tells its history from run to run; nothing outside of a run."""
    if rows and FlowRunContext.get():
        create_table_artifact([{name: _cell(value) for name, value in row.items()} for row in rows], key, told)


def show_pairs(key: str, told: Mapping[str, Any], title: str) -> None:
    """A table of names and values."""
    show_rows(key, [{"what": name.replace("_", " "), "value": value} for name, value in told.items()], title)


def show_page(key: str, path: Path, title: str) -> None:
    """A link to a page on the disk of whoever runs the flow."""
    if FlowRunContext.get():
        create_link_artifact(path.absolute().as_uri(), title, key, f"{title}: {path.absolute()}")


def show_round(result: RoundResult) -> None:
    """What a round of the loop gave: scores of the models in use, and people's work."""
    models = {
        f"{name} {metric}": value for name, model in result.models.items() for metric, value in model.scores.items()
    }
    told = {
        "corrected images": result.images,
        "labelled images": result.labelled_images,
        "pre-labels": result.prelabels,
        "corrections": result.corrections,
        **{name: model.champion for name, model in result.models.items()},
        **models,
        **{f"{step} (s)": seconds for step, seconds in result.seconds.items()},
    }
    show_pairs("round", told, f"Round {result.number}")


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(count)}" for name, count in value.items())
    return value if isinstance(value, int | str) else str(value)
