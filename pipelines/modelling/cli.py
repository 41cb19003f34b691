"""The `carloop model` commands. Heavy libraries are imported by the command that needs them."""

from pathlib import Path

import click

from pipelines.dataset.options import PROJECT, find_project, options, seed
from pipelines.modelling.export import export
from pipelines.modelling.options import resamples
from pipelines.modelling.place import RUN, find_place
from pipelines.modelling.shadow import shadow
from pipelines.options import AS_JSON, HOME

TEST_SET = click.option(
    "--on",
    "test_set",
    metavar="VERSION",
    help="Dataset version to test on, by name or digest [default: the one it was tested on when it was registered].",
)
REFERENCE = click.argument("reference", metavar="MODEL")


@click.group()
def model() -> None:
    """Evaluate, compare, promote and roll back models.

    A MODEL is damage_detector@champion, damage_detector@challenger or damage_detector@3.
    """


@model.command("evaluate")
@click.argument("reference", metavar="[MODEL]", required=False)
@TEST_SET
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write [default: in the home].")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An evaluation's folder: recompute its report from the files in it, without any model.",
)
@options(resamples(), seed("Decides the resamples."), RUN, HOME, AS_JSON)
def evaluate(
    reference: str | None,
    test_set: str | None,
    out: Path | None,
    folder: Path | None,
    resamples: int,
    seed: int,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Evaluate a model on a dataset version, or recompute an evaluation.

    Writes a folder with predictions, truth, report and plots: mAP, precision, recall, F1, AUC-ROC, confusion,
    calibration and kinds of errors, by class and slice, each with a bootstrap interval over photo families.
    """
    from pipelines.modelling.evaluating import evaluate_model, recompute_evaluation

    if (reference is None) == (folder is None):
        raise click.UsageError("give a MODEL to evaluate, or --from a folder to recompute")
    if folder:
        recompute_evaluation(folder, as_json=as_json)
    elif reference:
        place = find_place(home, run)
        evaluate_model(place, reference, test_set, out, resamples=resamples, seed=seed, as_json=as_json)


@model.command("compare")
@click.argument("champion", metavar="MODEL")
@click.argument("challenger", metavar="OTHER")
@TEST_SET
@options(resamples(), seed("Decides the resamples."), RUN, HOME, AS_JSON)
def compare(
    champion: str,
    challenger: str,
    test_set: str | None,
    resamples: int,
    seed: int,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Compare two models on one test set, by a paired bootstrap: overall, by class and by source."""
    from pipelines.modelling.comparing import compare_models

    place = find_place(home, run)
    compare_models(place, champion, challenger, test_set, resamples=resamples, seed=seed, as_json=as_json)


@model.command("spread")
@click.argument("references", metavar="MODEL...", nargs=-1, required=True)
@TEST_SET
@options(seed("Decides the resamples."), PROJECT, RUN, HOME, AS_JSON)
def spread(
    references: tuple[str, ...],
    test_set: str | None,
    seed: int,
    project_path: Path | None,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Tell how much the seed alone moves a model's metric: what seed_spread ought to be in the project file.

    Give at least three trainings, better ten, of one recipe and data with other seeds: models of the registry, or
    folders that carloop train wrote. What their test set's families explain is left out of it, for promotion counts
    that itself. Told is a bound, the wider the fewer they are, so that of models that are alike no more are promoted
    than the confidence allows.
    """
    from pipelines.modelling.promoting import promotion_settings
    from pipelines.modelling.spreading import tell_spread

    settings = promotion_settings(run, find_project(project_path))
    tell_spread(find_place(home, run), references, test_set, settings, seed=seed, as_json=as_json)


@model.command("promote")
@REFERENCE
@TEST_SET
@click.option("--dry-run", is_flag=True, help="Tell the decision and change nothing.")
@options(seed("Decides the resamples."), PROJECT, RUN, HOME, AS_JSON)
def promote(
    reference: str,
    test_set: str | None,
    dry_run: bool,
    seed: int,
    project_path: Path | None,
    run: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Let a model take over if it is better than the champion on one frozen test set.

    Both are evaluated anew. What is asked for stands in the project file under training: promotion:. Exit code 1 if the
    champion stays.
    """
    from pipelines.modelling.promoting import promote_model, promotion_settings

    place = find_place(home, run)
    settings = promotion_settings(run, find_project(project_path))
    promote_model(place, reference, test_set, settings, seed=seed, dry_run=dry_run, as_json=as_json)


@model.command("rollback")
@click.argument("name", metavar="NAME")
@click.option("--reason", default="", help="Why, for those who look at the history later.")
@options(PROJECT, RUN, HOME, AS_JSON)
def rollback(name: str, reason: str, project_path: Path | None, run: Path | None, home: Path, as_json: bool) -> None:
    """Let the champion before this one take over again. NAME is a model's, such as damage_detector."""
    from pipelines.modelling.promoting import promotion_settings, roll_back_model

    settings = promotion_settings(run, find_project(project_path))
    roll_back_model(find_place(home, run), name, settings, reason=reason, as_json=as_json)


@model.command("list")
@options(RUN, HOME, AS_JSON)
def list_(run: Path | None, home: Path, as_json: bool) -> None:
    """Show all models and versions, how they scored, which serve, and who was champion when."""
    from pipelines.modelling.listing import list_models

    list_models(find_place(home, run), as_json=as_json)


@model.command("show")
@REFERENCE
@options(RUN, HOME, AS_JSON)
def show(reference: str, run: Path | None, home: Path, as_json: bool) -> None:
    """Show where a model comes from: dataset version and its parents, CVAT jobs, corrections, licences."""
    from pipelines.modelling.listing import show_model

    show_model(find_place(home, run), reference, as_json=as_json)


model.add_command(export)
model.add_command(shadow)
