"""`carloop backup`, `carloop restore` and `carloop prune`: looking after a home."""

from math import isnan
from pathlib import Path

import click

from pipelines.annotation.options import PROJECT
from pipelines.options import AS_JSON, HOME

_SHOWN = 20
_MOST_DAYS = 36_500


@click.command("backup")
@click.argument("to", required=False)
@click.option("--images/--no-images", default=None, help="The image store too [default: as the project file says].")
@click.option("--keep", type=click.IntRange(min=1), help="Backups kept there; older ones are removed.")
@PROJECT
@HOME
@AS_JSON
def backup_command(
    to: str | None, images: bool | None, keep: int | None, project_path: Path, home: Path, as_json: bool
) -> None:
    """Back the home up TO a folder or an address that fsspec reaches, such as s3://bucket/cars.

    Has the ledger, the registry, versions, names, splits, what reviewers decided, models and images; contents that are
    there already are not sent again. Without TO, the place that the project file names under flows: backup:.
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from pipelines.flows.backing_up import write_backup
    from pipelines.output import show
    from pipelines.progress import Progress
    from pipelines.project import read_project

    project = read_project(project_path)
    given = {name: value for name, value in {"to": to, "images": images, "keep": keep}.items() if value is not None}
    settings = project.flows.backup.model_copy(update=given)
    progress = Progress(Console(stderr=True))
    name, written, gone = write_backup(home, project, project_path, settings, progress, now=datetime.now(UTC))
    told = {"backup": name, "to": settings.to, "files": len(written.files), "bytes": written.bytes, "removed": gone}
    show(told, as_json=as_json, notes=written.notes)


@click.command("restore")
@click.argument("address", metavar="FROM")
@click.option("--backup", "name", help="Its name, as 20260102T030405Z [default: the newest].")
@click.option("--check", is_flag=True, help="Read all of it, set aside what is damaged there, and restore nothing.")
@HOME
@AS_JSON
def restore_command(address: str, name: str | None, check: bool, home: Path, as_json: bool) -> None:
    """Make a new home of a backup that `carloop backup` put into FROM.

    Every file is compared with what was kept; the home is there once all of it is. The project file lies in it.
    """
    from rich.console import Console

    from pipelines.flows.backing_up import check_backup, restore_backup
    from pipelines.output import show
    from pipelines.progress import Progress

    progress = Progress(Console(stderr=True))
    if check:
        name, backup = check_backup(address, progress, name=name)
    else:
        name, backup = restore_backup(address, home, progress, name=name)
    told = {"backup": name, "home": None if check else str(home), "at": backup.at, "files": len(backup.files)}
    show({**told, "bytes": backup.bytes}, as_json=as_json, notes=backup.notes)


def _require_number(_ctx: click.Context, _option: click.Parameter, days: float) -> float:
    """NaN is in every range of click's."""
    if isnan(days):
        raise click.BadParameter(f"{days} is no number of days; give one from 0 to {_MOST_DAYS}.")
    return days


@click.command("prune")
@click.option("--yes", is_flag=True, help="Remove it; else it is only told.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed, which is the default.")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(0, _MOST_DAYS),
    callback=_require_number,
    default=1.0,
    show_default=True,
    help="Days since the last change of what may be removed.",
)
@click.option("--versions", is_flag=True, help="Dataset versions without a name that nothing was made of, too.")
@click.option("--fiftyone", is_flag=True, help="FiftyOne's datasets of versions that are gone, too.")
@HOME
@AS_JSON
def prune_command(
    yes: bool, dry_run: bool, days: float, versions: bool, fiftyone: bool, home: Path, as_json: bool
) -> None:
    """Remove what nothing refers to: parts that killed processes left, weights that the registry has, bundles that no
    champion or rollback needs, images in no version, scrape record or task.

    Tells what it would remove, with its bytes by kind; --yes removes it. Let no import run meanwhile.
    """
    from datetime import UTC, datetime, timedelta

    from datasets.errors import BadInput
    from pipelines.annotation.ledgers import ledger_url
    from pipelines.flows.pruning import prune, totals

    if yes and dry_run:
        raise click.UsageError("--yes removes, --dry-run does not; give one of them")
    if not home.is_dir():
        raise BadInput(f"there is no home at {home}; name it by --home")
    try:
        url = ledger_url(None, None, home)
    except BadInput:  # nothing was pushed yet
        url = None
    grace = timedelta(days=days)
    now = datetime.now(UTC)
    rubbish = prune(home, ledger_url=url, now=now, grace=grace, versions=versions, dry_run=not yes)
    gone = _prune_fiftyone(home, dry_run=not yes) if fiftyone else []
    paths = [str(one.path.relative_to(home)) for one in rubbish]
    _tell(totals(rubbish), paths, gone, removed=yes, as_json=as_json)


def _prune_fiftyone(home: Path, *, dry_run: bool) -> list[str]:
    from pipelines.curating.mongodb import is_held
    from pipelines.curating.place import opened
    from pipelines.flows.pruning import gone_datasets
    from pipelines.shelf import Shelf

    if not is_held(home):
        return []
    with opened(home) as fo:
        gone = gone_datasets(fo, Shelf(home))
        for name in () if dry_run else gone:
            fo.delete_dataset(name)
    return gone


def _tell(
    kinds: dict[str, dict[str, int]], paths: list[str], datasets: list[str], *, removed: bool, as_json: bool
) -> None:
    from pipelines.output import show

    size = sum(kind["bytes"] for kind in kinds.values())
    told = {"removed": removed, "bytes": size, "kinds": kinds, "fiftyone": datasets}
    if as_json:
        show({**told, "paths": paths}, as_json=True)
        return
    listed = [*paths[:_SHOWN], *([f"… and {len(paths) - _SHOWN:,} more"] if len(paths) > _SHOWN else [])]
    counted = {name: f"{kind['number']:,} of {kind['bytes']:,} bytes" for name, kind in kinds.items()}
    what = "removed" if removed else "would remove (--yes does)"
    show({what: f"{size:,} bytes", **counted, "fiftyone": datasets}, as_json=False, notes=listed)
