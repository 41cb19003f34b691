"""The `carloop dataset` commands. Heavy libraries are imported by the command that needs them."""

import sys
from pathlib import Path
from typing import Any

import click

from datasets.taxonomy import DEFAULT_TAXONOMY
from pipelines.dataset.options import NAME, PROJECT, VERSION, find_project, open_shelf, options, seed
from pipelines.options import AS_JSON, HOME


@click.group()
def dataset() -> None:
    """Import, check, merge, split and export datasets.

    A VERSION is a name, a digest or the first six digits of one, or a version's folder.
    """


@dataset.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "coco", "via", "yolo", "voc", "cvat", "folders", "mot", "masks"]),
    default="auto",
    show_default=True,
    help="What the dataset is; auto looks at its files.",
)
@click.option(
    "--unknown",
    type=click.Choice(["error", "drop", "keep"]),
    default="error",
    show_default=True,
    help="Classes that the project lacks: list them and stop, leave them out, or take them as they are.",
)
@click.option("--drop", multiple=True, help="A class to leave out in any case; may be given several times.")
@click.option("--license", "licence", help="Licence of the images, in place of what their files state.")
@click.option("--author", help="Author of images whose files state none.")
@click.option("--page-url", help="Page that the images come from, where their files state none.")
@click.option("--family", help="Regular expression over names: what stays on one side [default: the project's].")
@click.option("--class-attribute", help="Region attribute that holds the class (VIA).")
@click.option("--skip-bad-images", is_flag=True, help="Leave out absent and broken images instead of stopping.")
@options(NAME, PROJECT, HOME, AS_JSON)
def import_(
    source: Path, home: Path, project_path: Path | None, as_json: bool, form: str, licence: str | None, **settings: Any
) -> None:
    """Import a dataset in any of eight formats as a version.

    Each image is hashed, checked and stored once. Objects are clipped to their image; what is not taken as it is, is
    told. The version is found by the source's name.
    """
    from datasets.importing import ImportSettings
    from pipelines.dataset.making import import_source
    from pipelines.project import check_settings

    project = find_project(project_path)
    if project:
        settings["family"] = settings["family"] or project.truth.family
    wanted = check_settings(ImportSettings, {"format": form, "license": licence, **settings})
    taxonomy = project.taxonomy if project else DEFAULT_TAXONOMY
    import_source(open_shelf(home), source, taxonomy, wanted, as_json=as_json)


@dataset.command("list")
@options(HOME, AS_JSON)
def list_(home: Path, as_json: bool) -> None:
    """List the named versions."""
    from pipelines.dataset.showing import list_versions

    list_versions(open_shelf(home), as_json=as_json)


@dataset.command("validate")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--repair", type=click.Path(path_type=Path), help="Write a repaired copy there, and what was changed.")
@click.option("--strict", is_flag=True, help="Exit code 1 on warnings too.")
@click.option(
    "--images/--no-images", "pixels", default=True, help="Look at the image files, or at the annotations alone."
)
@click.option("--near/--no-near", default=True, help="Look for near-duplicates across splits, or only for equal bytes.")
@AS_JSON
def validate(path: Path, repair: Path | None, strict: bool, pixels: bool, near: bool, as_json: bool) -> None:
    """Check a COCO file, a folder with one, or a folder of splits; exit code 1 on errors.

    Every finding has a code that stays, a severity, its place and a remedy.
    """
    from pipelines.dataset.checking import validate as check

    sys.exit(check(path, repair=repair, strict=strict, pixels=pixels, near=near, as_json=as_json))


@dataset.command("dedupe")
@click.argument("versions", nargs=-1, required=True)
@options(HOME, AS_JSON)
def dedupe(versions: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Find exact copies, near-duplicates and the families that must stay together in a split.

    Near-duplicates are told from pixels: re-encoded, resized, cropped, mirrored, brighter or darker copies.
    """
    from pipelines.dataset.checking import dedupe as find

    find(open_shelf(home), versions, as_json=as_json)


@dataset.command("merge")
@click.argument("versions", nargs=-1, required=True)
@click.option(
    "--iou",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    show_default=True,
    help="Boxes of one class from several sources that overlap so much are one object.",
)
@click.option(
    "--doubtful-iou",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.3,
    show_default=True,
    help="Those that overlap less, but so much, may be one: they stay two, as a conflict.",
)
@click.option("--pixels/--no-pixels", default=True, help="Recognise near-duplicates, or only equal bytes.")
@options(NAME, PROJECT, HOME, AS_JSON)
def merge(
    versions: tuple[str, ...],
    iou: float,
    doubtful_iou: float,
    pixels: bool,
    name: str | None,
    project_path: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Merge versions into one: images by content, objects by overlap, nothing guessed.

    Where sources disagree, conflicts.json in the version's folder tells, and the classes in question count as unknown
    on that image. The order of versions and repetition change nothing.
    """
    from datasets.merge import MergeSettings
    from pipelines.dataset.making import merge_versions
    from pipelines.project import check_settings

    settings = check_settings(MergeSettings, {"same_iou": iou, "doubtful_iou": doubtful_iou})
    project = find_project(project_path)
    taxonomy = project.taxonomy if project else None
    merge_versions(open_shelf(home), versions, taxonomy, settings, pixels=pixels, name=name, as_json=as_json)


@dataset.command("split")
@VERSION
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of new families that are kept for testing.",
)
@seed("Decides the families.")
@options(NAME, HOME, AS_JSON)
def split(version: str, test_fraction: float, seed: int, name: str | None, home: Path, as_json: bool) -> None:
    """Give every new family a side, train or test, for ever, and tell what leaks.

    Sides are remembered by image, so a growing dataset never moves an old one.
    """
    from datasets.split import SplitSettings
    from pipelines.dataset.making import split as assign

    settings = SplitSettings(test_fraction=test_fraction)
    assign(open_shelf(home), version, settings, seed=seed, name=name, as_json=as_json)


@dataset.command("licenses")
@VERSION
@options(HOME, AS_JSON)
def licenses(version: str, home: Path, as_json: bool) -> None:
    """List licences, authors and sources, and images of which nobody said."""
    from pipelines.dataset.rights import show_licenses

    show_licenses(open_shelf(home), version, as_json=as_json)


@dataset.command("takedown")
@click.option("--url", "urls", multiple=True, help="A page or file that the images come from.")
@click.option("--author", "authors", multiple=True, help="Their author.")
@click.option("--source", "sources", multiple=True, help="The source that brought them.")
@click.option("--hash", "sha256s", multiple=True, help="An image's SHA-256, or its first eight digits or more.")
@click.option("--reason", help="Why, for the record.")
@click.option("--delete", is_flag=True, help="Delete the image files too.")
@options(HOME, AS_JSON)
def takedown(
    urls: tuple[str, ...],
    authors: tuple[str, ...],
    sources: tuple[str, ...],
    sha256s: tuple[str, ...],
    reason: str | None,
    delete: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Make versions without pictures whose right to be used was withdrawn.

    Tells which versions held them, and which runs of the loop, with their models, still do. They are refused when they
    are imported again.
    """
    from datasets.rights import Claim
    from pipelines.dataset.rights import take_down

    claim = Claim(urls, authors, sources, sha256s)
    if not claim:
        raise click.UsageError("name the pictures by --url, --author, --source or --hash")
    take_down(open_shelf(home), home, claim, reason=reason, delete=delete, as_json=as_json)


@dataset.command("export")
@VERSION
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["coco", "yolo", "voc", "cvat", "mot", "masks", "folders"]),
    default="coco",
    show_default=True,
    help="What to write.",
)
@click.option("--class", "categories", multiple=True, help="A class to export; all where none is given.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Only this side.")
@click.option("--complete-only", is_flag=True, help="Leave out images that were not searched for every exported class.")
@click.option("--polygons", is_flag=True, help="Outlines instead of boxes (YOLO).")
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of train families to validate on (YOLO).",
)
@seed("Decides which families.")
@click.option("--copy/--link", "copy_images", default=False, help="Copy images, or link them to the store.")
@options(HOME, AS_JSON)
def export(version: str, out: Path, form: Any, home: Path, as_json: bool, **settings: Any) -> None:
    """Write a version in another format, and tell what it cannot hold."""
    from datasets.exporting.settings import ExportSettings
    from pipelines.dataset.exporting import export as write
    from pipelines.project import check_settings

    write(open_shelf(home), version, out, form, check_settings(ExportSettings, settings), as_json=as_json)


@dataset.command("stats")
@VERSION
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page there too.")
@options(HOME, AS_JSON)
def stats(version: str, html: Path | None, home: Path, as_json: bool) -> None:
    """Show counts, sizes, class balance, co-occurrence, and what is known of each class."""
    from pipelines.dataset.showing import show_statistics

    show_statistics(open_shelf(home), version, html=html, as_json=as_json)


@dataset.command("show")
@VERSION
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("frames.html"),
    show_default=True,
    help="Where to write the page.",
)
@click.option("--number", type=click.IntRange(min=1), default=48, show_default=True, help="How many frames.")
@click.option("--only", type=click.Choice(["conflicts", "merged", "near-duplicates"]), help="Only such frames.")
@click.option("--by", type=click.Choice(["class", "split"]), help="Share the number evenly among these.")
@click.option("--class", "classes", multiple=True, help="Only frames with this class.")
@click.option("--split", "splits", multiple=True, type=click.Choice(["train", "test", "none"]), help="Only this side.")
@seed("Decides the frames.")
@options(HOME, AS_JSON)
def show(version: str, home: Path, as_json: bool, **choice: Any) -> None:
    """Draw sample frames with their labels on a page that needs nothing beside it."""
    from pipelines.dataset.showing import show_frames

    show_frames(open_shelf(home), version, as_json=as_json, **choice)
