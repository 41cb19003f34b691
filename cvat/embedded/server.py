"""The server process: lock the data, bind the port, finish what an earlier process left, answer until told to end."""

import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from cvat.embedded.accounts import ensure_user
from cvat.embedded.app import create_app
from cvat.embedded.background import Runner, Work
from cvat.embedded.backups.restoring import IMPORT_BACKUP, restore_with
from cvat.embedded.backups.writing import EXPORT_BACKUP, backup_with
from cvat.embedded.database import Database
from cvat.embedded.dataset_imports import IMPORT_DATASET, import_dataset_with
from cvat.embedded.errors import CannotServe
from cvat.embedded.exports import EXPORT_ANNOTATIONS, EXPORT_DATASET, export_with
from cvat.embedded.functions.nuclio import Nuclio
from cvat.embedded.functions.runs import AUTOANNOTATE, annotate_with
from cvat.embedded.http import Context
from cvat.embedded.imports import IMPORT_ANNOTATIONS, import_with
from cvat.embedded.ingest import CREATE_TASK, ingest_with, remove_uploads
from cvat.embedded.received import forget_old_files
from cvat.embedded.settings import Settings
from cvat.embedded.share import Share
from cvat.embedded.store import Store
from cvat.embedded.tables import Request, Task, Upload
from cvat.embedded.webhooks.events import told_work
from cvat.embedded.webhooks.sending import Sender
from datasets.processes import end_with_stdin, listen

#: How long open requests may take to end after SIGTERM, in seconds.
_GRACE = 2

_log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        CannotServe: the port, the data folder or the database is not to be had.
    """
    if settings.exit_with_stdin:
        end_with_stdin()
    listener = listen(settings.host, settings.port)
    context = open_context(settings)

    def tell() -> None:
        url = _url(settings.host, listener.getsockname()[1])
        _log.info("serving %s from %s", url, settings.data_dir)
        if settings.ready_file is not None:
            _write_ready(settings.ready_file, url)

    _run(create_app(context), listener, tell)
    context.database.close()


def open_context(settings: Settings) -> Context:
    """The parts of a server on its data folder, with the work of an earlier process taken up again."""
    store = Store(settings.data_dir)
    database = Database(store.database_file)
    with database.writing() as session:
        ensure_user(session, settings.user, settings.password.get_secret_value())
    _remove_leftovers(database, store)
    sender, runner = Sender(database, settings.private_networks), Runner(database)
    context = Context(
        database=database,
        store=store,
        share=Share(settings.share_dir),
        runner=runner,
        limits=settings.limits,
        nuclio=Nuclio(settings.nuclio_url),
        sender=sender,
    )
    sender.start()
    runner.start(*_lanes(context))
    return context


def _lanes(context: Context) -> Iterator[Mapping[str, Work]]:
    """Work in the background: what takes the disk's time, and what takes the functions'."""
    database, store, sender = context.database, context.store, context.sender
    export = export_with(database, store)
    yield {
        CREATE_TASK: told_work(ingest_with(database, store, context.limits, context.share), sender),
        EXPORT_ANNOTATIONS: export,
        EXPORT_DATASET: export,
        IMPORT_DATASET: told_work(import_dataset_with(database, store, context.limits), sender),
        IMPORT_ANNOTATIONS: told_work(import_with(database, store, context.limits), sender),
        EXPORT_BACKUP: backup_with(database, store),
        IMPORT_BACKUP: restore_with(database, store, context.limits),
    }
    yield {AUTOANNOTATE: told_work(annotate_with(database, store, context.nuclio), sender)}


def _remove_leftovers(database: Database, store: Store) -> None:
    """Remove files whose rows are gone, where a process was killed between the two."""
    with database.reading() as session:
        tasks = set(session.scalars(select(Task.id)))
        exports = set(session.scalars(select(Request.result_file).where(Request.result_file.is_not(None))))
        done = select(Upload.task_id).join(Task, Task.id == Upload.task_id).where(Task.size > 0).distinct()
        with_uploads = session.scalars(done).all()
    forget_old_files(database, store)
    store.remove_tasks(store.task_ids() - tasks)
    store.remove_exports(except_for={name for name in exports if name})
    for task_id in with_uploads:
        remove_uploads(database, store, task_id)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _write_ready(path: Path, url: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(url)
        part.replace(path)
    except OSError as error:
        raise CannotServe(f"{path}: the ready file cannot be written ({error.strerror}); choose another path") from None


def _run(app: FastAPI, listener: socket.socket, tell: Callable[[], None]) -> None:
    # uvicorn raises the signal that ended it again; without handlers of our own that would kill the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # What is there at the start stays: large answers go faster when the collector need not look at it each time.
    gc.freeze()
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE)
    _Server(config, tell).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn that tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        self._tell()
