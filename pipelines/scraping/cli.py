"""The `carloop scrape` commands. Heavy libraries are imported by the command that needs them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.dataset.options import NAME, VERSION, check_name, options
from pipelines.options import AS_JSON, HOME

if TYPE_CHECKING:
    from pipelines.project import Project
    from pipelines.scraping.sharding import Shard

PROJECT = click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    help="Project file with sources and licence policy [default: carloop.yaml where it is there].",
)
SOURCES = click.argument("sources", nargs=-1)
REASON = click.option("--reason", required=True, help="Why, for whoever asks later.")


def _project(project_path: Path | None) -> "Project":
    from pipelines.project import Project, read_project

    path = project_path or Path("carloop.yaml")
    return read_project(path) if project_path or path.exists() else Project()


def _read_shard(context: click.Context, parameter: click.Parameter, value: str | None) -> "Shard":
    from pipelines.scraping.sharding import Shard

    try:
        return Shard.parse(value or "1/1")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def scrape() -> None:
    """Find photographs that may be used, and keep them with where they came from.

    A SOURCE is the name of one in the project file, or a recipe file (.yaml); without any, all of the project's.
    """


@scrape.command("run")
@SOURCES
@click.option("--limit", type=click.IntRange(min=1), help="Store at most so many new images of each source.")
@click.option("--dry-run", is_flag=True, help="Read pages only, and tell what would be asked for.")
@click.option("--shard", callback=_read_shard, help="Only the hosts of one worker of several, as 1/2 and 2/2.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Share hosts out over so many."
)
@click.option("--dask", metavar="ADDRESS", help="The workers are those of this Dask scheduler; `local` starts one.")
@PROJECT
@HOME
@AS_JSON
def run_(
    sources: tuple[str, ...],
    project_path: Path | None,
    home: Path,
    as_json: bool,
    workers: int,
    dask: str | None,
    **choices: Any,
) -> None:
    """Scrape sources into the store.

    Every address and every content is taken once; the same command goes on where it was. Images whose licence is
    unknown wait in quarantine. Several workers keep each host's pace, since each host is one worker's; a limit is then
    each worker's own. Exit code 1 if a source could not be read at all.
    """
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.recipes import find_sources

    project = _project(project_path)
    found = find_sources(project, sources)
    if workers == 1 and dask is None:
        from pipelines.scraping.running import run

        sys.exit(not run(found, Scraped(home), project, as_json=as_json, **choices))
    if choices["dry_run"] or choices["shard"].of > 1:
        raise click.UsageError("--workers share out hosts by themselves; leave out --shard and --dry-run")
    from pipelines.scraping.workers import Order, run_sharded

    order = Order(project, home.absolute(), choices["limit"])
    sys.exit(not run_sharded(order, found, workers=workers, dask=dask, as_json=as_json))


@scrape.command("collect")
@click.argument("name", callback=check_name)
@SOURCES
@click.option(
    "--unknown",
    type=click.Choice(["error", "drop", "keep"]),
    default="error",
    show_default=True,
    help="Classes of annotations that the project lacks: list them and stop, leave them out, or take them as they are.",
)
@click.option("--drop", multiple=True, help="A class to leave out in any case; may be given several times.")
@PROJECT
@HOME
@AS_JSON
def collect_(
    name: str, sources: tuple[str, ...], project_path: Path | None, home: Path, as_json: bool, **choices: Any
) -> None:
    """Make a dataset version NAME of the images that are kept, of all sources or of some.

    Each image has where it came from and its licence; a listing's photographs are one family. Annotations that came
    with a COCO or Roboflow dataset are imported with them. What waits in quarantine, was withdrawn or may no longer be
    used stays out. The same images make the same version.
    """
    from pipelines.scraping.collecting import collect, find_met
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.recipes import find_sources

    project, scraped = _project(project_path), Scraped(home)
    met = find_met(scraped, project, sources)
    told = [source for source in sources if source not in met]
    found = find_sources(project, told) if told else [] if sources else list(project.scrape.sources)
    collect(scraped, project, found, name, only=bool(sources), also=met, as_json=as_json, **choices)


@scrape.command("blur")
@VERSION
@options(NAME)
@click.option("--dry-run", is_flag=True, help="Look at the first images only, and keep nothing.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a contact sheet of the first images there.")
@click.option("--number", type=click.IntRange(min=1), default=48, show_default=True, help="How many images are first.")
@PROJECT
@HOME
@AS_JSON
def blur_(version: str, project_path: Path | None, home: Path, as_json: bool, **choices: Any) -> None:
    """Make a dataset version in which plates and faces cannot be read.

    Images in which some are found are replaced by images of their own, which say what they are derived from; their
    annotations stay. What is looked for, and how, stands under scrape: blur: in the project file; with enabled: true
    there, carloop cvat push does the same by itself.
    """
    from pipelines.dataset.options import open_shelf
    from pipelines.scraping.blurring import blur

    blur(open_shelf(home), version, _project(project_path).scrape.blur, as_json=as_json, **choices)


@scrape.command("preview")
@click.argument("recipe")
@click.option("--pages", type=click.IntRange(min=1), default=3, show_default=True, help="Pages to read.")
@click.option("--images", type=click.IntRange(min=1), default=24, show_default=True, help="Pictures on the page.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a contact sheet there.")
@PROJECT
@HOME
@AS_JSON
def preview_(recipe: str, project_path: Path | None, home: Path, as_json: bool, **choices: Any) -> None:
    """Show what a source, or a recipe file, would give, without storing any of it."""
    from pipelines.scraping.looking import preview
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.recipes import find_sources

    project = _project(project_path)
    (source,) = find_sources(project, [recipe])
    preview(source, Scraped(home), project, as_json=as_json, **choices)


@scrape.command("check")
@SOURCES
@click.option("--pages", type=click.IntRange(min=1), default=3, show_default=True, help="Pages to read of each source.")
@PROJECT
@HOME
@AS_JSON
def check_(sources: tuple[str, ...], pages: int, project_path: Path | None, home: Path, as_json: bool) -> None:
    """Tell which recipes have gone stale; exit code 1 if one has.

    A recipe is stale when a selector finds nothing, or a page has half of the images or facts that the last run saw.
    """
    from pipelines.scraping.looking import check
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.recipes import find_sources

    project = _project(project_path)
    sys.exit(not check(find_sources(project, sources), Scraped(home), project, pages=pages, as_json=as_json))


@scrape.command("list")
@PROJECT
@HOME
@AS_JSON
def list_(project_path: Path | None, home: Path, as_json: bool) -> None:
    """List sources, and what became of their images so far."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import list_sources

    list_sources(Scraped(home), _project(project_path), as_json=as_json)


@scrape.command("audit")
@HOME
@AS_JSON
def audit_(home: Path, as_json: bool) -> None:
    """Tell whether the provenance of every image is complete; exit code 1 if not."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import audit

    sys.exit(not audit(Scraped(home), as_json=as_json))


@scrape.group()
def quarantine() -> None:
    """Images whose licence a person has to judge.

    An IMAGE is six or more digits of one, a licence or a source as the list shows it, or `all`.
    """


@quarantine.command("list")
@HOME
@AS_JSON
def quarantine_list(home: Path, as_json: bool) -> None:
    """List what waits."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import list_aside

    list_aside(Scraped(home), "quarantined", as_json=as_json)


@quarantine.command("accept")
@click.argument("images", nargs=-1, required=True)
@REASON
@HOME
@AS_JSON
def quarantine_accept(images: tuple[str, ...], reason: str, home: Path, as_json: bool) -> None:
    """Put images into the store."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import accept

    accept(Scraped(home), images, reason=reason, as_json=as_json)


@quarantine.command("reject")
@click.argument("images", nargs=-1, required=True)
@REASON
@HOME
@AS_JSON
def quarantine_reject(images: tuple[str, ...], reason: str, home: Path, as_json: bool) -> None:
    """Delete images, and never take them again."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import reject

    reject(Scraped(home), images, reason=reason, as_json=as_json)


@scrape.command("dropped")
@click.option("--restore", multiple=True, metavar="IMAGE", help="Take an image back; `all` takes all.")
@PROJECT
@HOME
@AS_JSON
def dropped_(restore: tuple[str, ...], project_path: Path | None, home: Path, as_json: bool) -> None:
    """List what was dropped as irrelevant, and why, or restore some of it."""
    from pipelines.scraping.place import Scraped
    from pipelines.scraping.reviewing import list_aside
    from pipelines.scraping.reviewing import restore as restore_images

    if restore:
        restore_images(Scraped(home), _project(project_path), restore, as_json=as_json)
    else:
        list_aside(Scraped(home), "dropped", as_json=as_json)


if __name__ == "__main__":
    scrape()
