"""What people accepted in CVAT, shown in FiftyOne as soon as it is pulled."""

from pathlib import Path

from datasets.errors import CarloopError
from pipelines.annotation.desk import Desk
from pipelines.curating.syncing import make_review, show_review


def show_accepted(desk: Desk, home: Path, name: str) -> None:
    """Make or update the FiftyOne dataset of a pulled version, called like it. Never fails: what went wrong is told."""
    try:
        review = make_review(desk.shelf, desk.shelf.read(name), desk.ledger)
        show_review(home, name, review, [name], desk.progress)
    except CarloopError as error:
        desk.progress.say(f"    FiftyOne does not show {name}: {error}")
