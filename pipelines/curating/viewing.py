"""`carloop curate views` and `open`: what there is to see, and FiftyOne's App to see it in."""

import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from datasets.curating import open_fiftyone
from datasets.curating.reading import load_review
from datasets.curating.views import view_counts
from datasets.errors import BadInput, Unavailable
from pipelines.children import GUARD, Child, listens, start_child
from pipelines.curating.mongodb import home_mongodb
from pipelines.curating.place import opened_held, require_held
from pipelines.output import show
from pipelines.progress import Progress
from pipelines.services import MONGODB_VARIABLE


def list_views(home: Path, name: str | None, *, as_json: bool) -> None:
    """The saved views of a dataset with how much they show; without a name the datasets."""
    with opened_held(home) as fo:
        told: dict[str, Any] = {"datasets": fo.list_datasets()} if name is None else _views(fo, name)
    if not as_json:
        told |= told.pop("views", {})  # a line each
    show(told, as_json=as_json)


def _views(fo: Any, name: str) -> dict[str, Any]:
    dataset = load_review(fo, name)
    images = dataset._sample_collection.count_documents({})  # len() is an estimate, wrong after MongoDB was killed
    return {"dataset": name, "images": images, "views": dict(view_counts(dataset))}


def serve_app(home: Path, name: str | None, *, view: str | None, host: str, port: int) -> None:
    """FiftyOne's App on a port, until it is interrupted.

    Raises:
        BadInput: there is no such dataset or view.
        Unavailable: the port is taken.
        ServiceFailed: the App did not come up.
    """
    if listens(port):
        raise Unavailable(f"somebody listens on port {port} already; choose another --port")
    require_held(home)
    with home_mongodb(home) as uri:
        page = _page(uri, name, view) if name else ""
        with _app(home, uri, host, port) as app:
            app.wait(lambda: listens(port))
            say = Progress(Console(stderr=True)).say
            say(f"FiftyOne is at http://{host}:{port}/{page}; Ctrl-C ends it")
            with suppress(KeyboardInterrupt):
                app.process.wait()
                app.require_alive()


def _page(uri: str, name: str, view: str | None) -> str:
    """Where the App shows a dataset, and a saved view of it."""
    with open_fiftyone(uri) as fo:
        names = load_review(fo, name).list_saved_views()
    if view is None:
        return f"datasets/{name}"
    if view not in names:
        raise BadInput(f"{name!r} has no view {view!r}; its views are {', '.join(names)}")
    return f"datasets/{name}?view={view.replace(' ', '-')}"


def _app(home: Path, uri: str, host: str, port: int) -> AbstractContextManager[Child]:
    """FiftyOne's server, which its own `launch_app` gives up on when the machine is busy."""
    server = [sys.executable, "-m", "fiftyone.server.main", "--address", host, "--port", str(port)]
    env = {MONGODB_VARIABLE: uri, "FIFTYONE_DO_NOT_TRACK": "true"}
    log = home / "mongodb" / "logs" / "app.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return start_child("FiftyOne's App", [GUARD, *server], log=log, env=env)
