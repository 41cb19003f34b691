"""`carloop model shadow`: which of champion and challenger people corrected less, where both pre-annotated frames."""

from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.dataset.options import PROJECT, find_project, options, seed
from pipelines.modelling.options import resamples
from pipelines.modelling.place import RUN, Place, find_place
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from datasets.ledger import Outcomes
    from training.shadow import ShadowVerdict, ShownFrame

_APART = 2**40
"""Between the job ids of two scopes."""


@click.command("shadow")
@click.argument("name", metavar="NAME")
@click.option("--challenger", metavar="MODEL", help="Another than the newest shown, as damage_detector@3.")
@click.option("--champion", metavar="MODEL", help="Another than the one in use, as damage_detector@2.")
@options(resamples(fewest=1), seed("Decides the resamples."), PROJECT, RUN, HOME, AS_JSON)
def shadow(
    name: str,
    challenger: str | None,
    champion: str | None,
    resamples: int,
    seed: int,
    project_path: Path | None,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Tell how many objects a frame people corrected of a champion's pre-labels and of its challenger's.

    NAME is a model's, such as damage_detector. Frames of accepted jobs count, in which both were at work: let them by
    training: promotion: shadow_share: in the project file. Also frames on which a model found nothing count.
    """
    from pipelines.annotation.ledgers import ledger_url
    from pipelines.modelling.promoting import promotion_settings
    from pipelines.output import write_json

    url = ledger_url(None, run, home)
    pair = _pair(find_place(home, run), url, name, champion, challenger)
    settings = promotion_settings(run, find_project(project_path))
    verdict = read_verdict(url, *pair, confidence=settings.confidence, resamples=resamples, seed=seed)
    if as_json:
        write_json({"champion": pair[0], "challenger": pair[1], "verdict": asdict(verdict)})
    else:
        _show(verdict, *pair)


def read_verdict(
    url: str, champion: str, challenger: str, *, confidence: float, resamples: int, seed: int = 0
) -> "ShadowVerdict":
    """Which of two models (name@version) people corrected less, by all projects in the ledger at an SQLAlchemy URL."""
    from training.shadow import judge_shadow

    outcomes, frames = _read_all(url)
    return judge_shadow(
        outcomes,
        champion,
        challenger,
        frames=frames,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


def _pair(place: Place, url: str, name: str, champion: str | None, challenger: str | None) -> tuple[str, str]:
    """Both as name@version. Raises NoSuchModel, or BadInput where they are one."""
    from datasets.errors import BadInput

    first = place.registry.find(champion or f"{name}@champion").name
    second = place.registry.find(challenger or _newest_shown(url, name, first) or f"{name}@challenger").name
    if first == second:
        raise BadInput(f"{first} cannot be compared with itself; name another version by --challenger")
    return first, second


def _newest_shown(url: str, name: str, champion: str) -> str | None:
    """The newest version after the champion that people saw; one that was trained since has nothing to tell."""
    models = {model for frame in _read_all(url)[1] for model in frame.models}
    numbers = [
        int(number) for model, _, number in (m.partition("@") for m in models) if model == name and number.isdigit()
    ]
    newest = max(numbers, default=0)
    return f"{name}@{newest}" if newest > int(champion.partition("@")[2]) else None


def _read_all(url: str) -> "tuple[Outcomes, list[ShownFrame]]":
    """What became of pre-labels, and what frames were shown, of all scopes; each has job ids of its own then."""
    import numpy as np

    from datasets.ledger import Ledger, Outcomes, read_scopes
    from datasets.ledger.records import OUTCOME_COLUMNS
    from pipelines.annotation.shown import ShownFrames

    found, shown = [], []
    for number, scope in enumerate(read_scopes(url)):
        with closing(Ledger(url, scope)) as ledger:
            outcomes, frames = ledger.read_outcomes(), ShownFrames(url, scope).read_accepted(ledger)
        apart = number * _APART
        found.append(replace(outcomes, job_id=outcomes.job_id + apart))
        shown += [replace(frame, job_id=frame.job_id + apart) for frame in frames]
    columns = (
        np.concatenate([np.zeros(0, dtype), *(getattr(one, name) for one in found)])
        for name, dtype in OUTCOME_COLUMNS.items()
    )
    return Outcomes(*columns), shown


def _show(verdict: "ShadowVerdict", champion: str, challenger: str) -> None:
    from datasets.rights.tables import console, table
    from pipelines.modelling.evaluating import interval

    rows = [
        (champion, verdict.champion_frames, interval(verdict.champion)),
        (challenger, verdict.challenger_frames, interval(verdict.challenger)),
    ]
    out = console()
    out.print(table("Corrections a frame", ("pre-annotated by", "frames", "corrections"), rows))
    out.print(f"{challenger} needs fewer by {interval(verdict.fewer)}", soft_wrap=True)
    out.print(verdict.told, soft_wrap=True)
