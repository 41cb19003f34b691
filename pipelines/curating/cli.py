"""The `carloop curate` commands. Heavy libraries are imported by the command that needs them."""

from pathlib import Path

import click

from pipelines.dataset.options import options
from pipelines.options import AS_JSON, HOME

DATASET = click.argument("dataset")
PREDICTIONS = click.Path(path_type=Path, dir_okay=False)


@click.group()
def curate() -> None:
    """See a dataset in FiftyOne, and take back what reviewers decided there.

    A VERSION is one of carloop dataset, whose images are in the home; a DATASET is FiftyOne's. MongoDB is FiftyOne's
    own, with its data in the home, unless FIFTYONE_DATABASE_URI names another.
    """


@curate.command("sync")
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
@click.option("--name", help="Name of the FiftyOne dataset [default: the first VERSION].")
@click.option(
    "--champion",
    type=PREDICTIONS,
    help="What the champion, a detector, predicts on them: predictions.json of carloop model evaluate MODEL --on "
    "VERSION, other COCO results that number images as the VERSION does, or a dataset with scores.",
)
@click.option("--challenger", type=PREDICTIONS, help="Likewise, what the challenger predicts.")
@click.option("--ledger", help="SQLAlchemy URL of the ledger [default: the home's, where it has one].")
@click.option("--scope", help="Which of the projects in the ledger, where it has several.")
@options(HOME, AS_JSON)
def sync_command(
    versions: tuple[str, ...],
    name: str | None,
    champion: Path | None,
    challenger: Path | None,
    ledger: str | None,
    scope: str | None,
    home: Path,
    as_json: bool,
) -> None:
    """Show VERSIONs in FiftyOne, with what the ledger and the models say of them.

    Images stay where they are. Doing it again writes what has changed alone; reviewers' tags, notes and ratings stay.
    """
    from pipelines.curating.syncing import sync_versions

    given = {"champion": champion, "challenger": challenger}
    sync_versions(
        home,
        versions,
        name=name or Path(versions[0]).name,
        predictions={model: path for model, path in given.items() if path},
        ledger=ledger,
        scope=scope,
        as_json=as_json,
    )


@curate.command("brain")
@DATASET
@click.option(
    "--bundle",
    metavar="MODEL",
    help="A published model to embed images by: its folder, or a name as cleanliness_classifier@champion  [default: "
    "the home's champion, the classifier first].",
)
@click.option("--embeddings", type=PREDICTIONS, help="Or an .npz file with sha256s (N,) and embeddings (N, D).")
@click.option(
    "--distance",
    type=click.FloatRange(0, 2, min_open=True),
    default=0.05,
    show_default=True,
    help="Cosine distance below which images are look-alikes.",
)
@options(HOME, AS_JSON)
def brain_command(
    dataset: str, bundle: str | None, embeddings: Path | None, distance: float, home: Path, as_json: bool
) -> None:
    """Let FiftyOne's Brain compare images, evaluate predictions and look for mistaken labels.

    Images are embedded by a published model, each once; nothing is downloaded.
    """
    if bundle and embeddings:
        raise click.UsageError("give either --bundle or --embeddings")
    from pipelines.curating.syncing import think

    think(home, dataset, embeddings=embeddings, bundle=bundle, distance=distance, as_json=as_json)


@curate.command("views")
@click.argument("dataset", required=False)
@options(HOME, AS_JSON)
def views_command(dataset: str | None, home: Path, as_json: bool) -> None:
    """List a DATASET's saved views with their counts, or the datasets."""
    from pipelines.curating.viewing import list_views

    list_views(home, dataset, as_json=as_json)


@curate.command("open")
@click.argument("dataset", required=False)
@click.option("--view", help="The saved view to begin with.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5151, show_default=True, help="Port to listen on.")
@HOME
def open_command(dataset: str | None, view: str | None, host: str, port: int, home: Path) -> None:
    """Serve FiftyOne's App until Ctrl-C.

    It asks for no password: whoever reaches it may see and change all datasets.
    """
    from pipelines.curating.viewing import serve_app

    serve_app(home, dataset, view=view, host=host, port=port)


@curate.command("read")
@DATASET
@click.option("--ignore-tag", "ignored", multiple=True, help="A tag that means something else; may be repeated.")
@options(HOME, AS_JSON)
def read_command(dataset: str, ignored: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Take back what reviewers decided: exclude, relabel, gold, notes, and a quality of 1 to 5.

    Keeps the decisions in the home, and writes VERSION-curated, without excluded images and with gold ones out of
    training; VERSION-relabel, to be pushed to CVAT; and VERSION-gold. Doing it again changes nothing.
    """
    from pipelines.curating.reading import read_back

    read_back(home, dataset, ignored=ignored, as_json=as_json)
