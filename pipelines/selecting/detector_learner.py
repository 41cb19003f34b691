"""The slow learner of a simulation: a YOLO trained from scratch on the images that are labelled by then."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from datasets.coco import Dataset, write_coco
from datasets.errors import BadInput
from datasets.files import digest
from datasets.selecting.pool import Answers, Floats
from pipelines.selecting.learners import Scores
from pipelines.selecting.looking import Looker
from training.bundle import Bundle, BundleSpec, class_names, read_bundle, write_bundle
from training.evaluate import DetectorScores, evaluate_bundle
from training.jobs import DetectorJob, run_training
from training.settings import DetectorSettings

_NAME_LENGTH = 16


class DetectorLearner:
    """Trains in a process of its own; quality is mAP at IoU 0.5 of what would be served."""

    metric = "mAP50"

    def __init__(
        self, train: Dataset, test: Dataset, store: Path, models: Path, settings: DetectorSettings, least_score: float
    ) -> None:
        self._train, self._test, self._store, self._models = train, test, store, models
        self._settings, self._least_score = settings, least_score
        self.class_names = class_names(train.taxonomy, "detector")

    def learn(self, sha256s: Sequence[str], *, seed: int) -> "DetectorLearned":
        """The detector of these images; one that was trained before is not trained again. Raises TrainingFailed."""
        folder = self._models / f"seed-{seed}" / digest(sorted(sha256s))[:_NAME_LENGTH]
        folder.mkdir(parents=True, exist_ok=True)
        labels = folder / "annotations.json"
        write_coco(self._train.only(sha256s), labels)
        job = DetectorJob(
            dataset=labels.absolute(),
            taxonomy=self._train.taxonomy,
            store=self._store.absolute(),
            out=(folder / "training").absolute(),
            seed=seed,
            settings=self._settings,
        )
        run_training(job, log=folder / "training.log", on_epoch=lambda *_: None)
        spec = BundleSpec(
            task="detector",
            model="damage_detector",
            version=str(len(sha256s)),
            class_names=self.class_names,
            image_size=self._settings.image_size,
        )
        bundle = read_bundle(folder, write_bundle(folder, spec, job.out / "model.onnx"))
        return DetectorLearned(bundle, self._train, self._test, self._store, self._least_score)

    def forget(self, *, seed: int) -> None:
        shutil.rmtree(self._models / f"seed-{seed}", ignore_errors=True)


class DetectorLearned:
    """A trained detector, loaded when it is first asked."""

    def __init__(self, bundle: Bundle, train: Dataset, test: Dataset, store: Path, least_score: float) -> None:
        self._bundle, self._train, self._test, self._store = bundle, train, test, store
        self._least_score = least_score

    def score(self) -> Scores:
        """Raises BadInput where no test image shows any object."""
        scores = evaluate_bundle(self._bundle, self._test, self._store)
        if not isinstance(scores, DetectorScores) or scores.map50 is None:
            raise BadInput("no test image shows an object to find; raise split: test_fraction: or take more images")
        return Scores(scores.map50, scores.by_class)

    def look(self, sha256s: Sequence[str]) -> tuple[Answers, Floats]:
        images = [self._train.by_sha256[sha256] for sha256 in sha256s]
        look = self._looker().look(images, self._store, advance=lambda: None)
        return look.champion, self._require(look.embeddings)

    def embed(self, sha256s: Sequence[str]) -> Floats:
        images = [self._train.by_sha256[sha256] for sha256 in sha256s]
        return self._require(self._looker().embed(images, self._store, advance=lambda: None))

    def _require(self, embeddings: Floats | None) -> Floats:
        if embeddings is None:
            raise BadInput(f"{self._bundle.folder} was shown no image to embed; ask for one or more")
        return embeddings

    def _looker(self) -> Looker:
        return Looker({"detector": self._bundle}, {}, least_score=self._least_score)
