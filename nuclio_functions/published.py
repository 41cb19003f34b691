"""The model that a function serves: what is published now, swapped without a request lost."""

import time
import traceback
from threading import Lock, Thread

from datasets.errors import CarloopError
from nuclio_functions.errors import NoPublishedModel
from nuclio_functions.logger import Logger
from training.bundle_stores import BundleStore
from training.predictors import Classifier, Detector, load_predictor

RETRY_SECONDS = 10.0
"""After a bundle could not be had, it is tried again, at most this often."""


class PublishedModel:
    """The predictor of the newest bundle of a model that could be loaded.

    Another bundle is loaded in a thread, while the predictor before it answers; one that loads within the store's
    patience is waited for. The first is always waited for. A bundle that cannot be had is told once.
    """

    def __init__(self, store: BundleStore, model: str, logger: Logger, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._store = store
        self._model = model
        self._logger = logger
        self._retry_seconds = retry_seconds
        self._failed_at: float | None = None
        self._trouble: str | None = None
        self._looking = Lock()
        self._predictor: Detector | Classifier | None = None
        self.find_newest()

    def __str__(self) -> str:
        return self._model

    def find_newest(self) -> Detector | Classifier | None:
        """The predictor to answer one request with, wholly; None when there has never been a bundle to load."""
        if self._is_due() and self._looking.acquire(blocking=self._predictor is None):
            thread = Thread(target=self._look, name=f"look for {self._model}", daemon=True)
            thread.start()
            thread.join(None if self._predictor is None else self._store.patience)
        return self._predictor

    def require(self) -> Detector | Classifier:
        """As `find_newest`. Raises NoPublishedModel where that is None."""
        if predictor := self.find_newest():
            return predictor
        raise NoPublishedModel(self.trouble)

    @property
    def trouble(self) -> str:
        """Why there is no predictor, or no newer one."""
        return self._trouble or f"{self._model} is served"

    def _is_due(self) -> bool:
        failed_long_ago = self._failed_at is not None and time.monotonic() - self._failed_at >= self._retry_seconds
        return failed_long_ago or self._store.may_have_changed(self._model)

    def _look(self) -> None:
        try:
            self._follow()
            if self._predictor is None:
                self._tell(f"no {self._model} is published in {self._store}; train and promote one first")
            else:
                self._failed_at = self._trouble = None
        except (CarloopError, OSError) as error:
            self._tell(str(error))
        except Exception as error:
            self._logger.error(traceback.format_exc())
            self._tell(f"{self._model} cannot be loaded ({type(error).__name__})")
        finally:
            self._looking.release()

    def _follow(self) -> None:
        """Load what is published; what was served last when that cannot be had and nothing is loaded."""
        try:
            newest = self._store.read_newest(self._model)
            if newest is not None:
                self._serve(newest)
        except (CarloopError, OSError):
            self._serve_kept()
            raise
        if newest is None:
            self._serve_kept()

    def _serve_kept(self) -> None:
        kept = self._store.read_kept(self._model) if self._predictor is None else None
        if kept is not None:
            self._serve(kept)

    def _serve(self, digest: str) -> None:
        if self._predictor and self._predictor.bundle.digest == digest:
            return
        bundle = self._store.read(digest)
        self._predictor = load_predictor(bundle)
        self._store.keep(self._model, digest)
        self._logger.info(f"serving {bundle.name}, bundle {digest[:12]}")

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            kept = f"; still serving {self._predictor.bundle.name}" if self._predictor else ""
            self._logger.error(f"{trouble}{kept}")
        self._trouble = trouble
        self._failed_at = time.monotonic()
