"""A model on disk, whatever left it there: a published bundle, a training's folder, or a run folder around one.

None of these is ever unpickled; what would have to be is refused.
"""

from pathlib import Path

from pydantic import ValidationError

from datasets.errors import BadDataset
from datasets.files import MANIFEST, digest, is_complete, read_json
from training.bundle import (
    MODEL_FILE,
    SPEC_FILE,
    Bundle,
    BundleSpec,
    class_names,
    parse_spec,
    require_digest,
)
from training.bundle import file_sha256 as sha256_of
from training.errors import BadBundle, UntrustedCheckpoint

PICKLES = frozenset((".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"))
_BEST = "best"


def open_checkpoint(path: Path) -> Bundle:
    """The model in a folder, as a bundle whose graph is checked when it is read.

    Raises:
        BadBundle: there is no model, or one of a kind that has no graph.
        TamperedBundle: a file has other bytes than were written.
        UntrustedCheckpoint: a file that only unpickling would open.
    """
    if path.is_file() and path.name in (SPEC_FILE, MODEL_FILE):
        path = path.parent
    if path.is_file():
        _refuse(path)
    if (path / SPEC_FILE).is_file():
        return _open_bundle(path)
    for folder in (path / _BEST, path):
        if is_complete(folder) and (folder / MODEL_FILE).is_file():
            return _open_training(folder)
    raise BadBundle(f"{path} holds no model: give a bundle, a training's folder, or the folder of a run with a best/")


def read_sha256(path: Path, *, trust: str | None) -> str:
    """The digest of a pickled checkpoint that somebody vouched for. Raises UntrustedCheckpoint."""
    found = sha256_of(path)
    if trust is None:
        _refuse(path)
    if trust != found:
        raise UntrustedCheckpoint(
            f"{path} has SHA-256 {found}, not the trusted {trust}; is it the file that you meant?"
        )
    return found


def _refuse(path: Path) -> None:
    if path.suffix.lower() in PICKLES:
        raise UntrustedCheckpoint(
            f"{path} has to be unpickled, which runs whatever is written in it; if you trust who made it, "
            f"pass --trust {sha256_of(path)}"
        )
    raise BadBundle(f"{path} is no folder of a model; give the bundle's or training's folder")


def _open_bundle(folder: Path) -> Bundle:
    content = read_json(folder / SPEC_FILE)
    bundle_digest = digest(content)
    if len(folder.name) == len(bundle_digest) and all(letter in "0123456789abcdef" for letter in folder.name):
        require_digest(folder / SPEC_FILE, bundle_digest, folder.name, what="digest")
    return Bundle(folder, bundle_digest, parse_spec(content, bundle_digest, folder / SPEC_FILE))


def _open_training(folder: Path) -> Bundle:
    """A training's graph, under the classes and size of its job."""
    from training.jobs import JOB, JOB_FILE, SegmenterJob

    try:
        files = read_json(folder / MANIFEST)["files"]
        job = JOB.validate_python(read_json(folder / JOB_FILE))
        if isinstance(job, SegmenterJob):
            raise BadDataset("a Mask R-CNN has no graph")
        spec = BundleSpec(
            task=job.kind,
            model="damage_detector" if job.kind == "detector" else "cleanliness_classifier",
            version=folder.parent.name if folder.name == _BEST else folder.name,
            class_names=class_names(job.taxonomy, job.kind),
            image_size=job.settings.image_size,
            files={MODEL_FILE: files[MODEL_FILE]},
        )
    except (BadDataset, ValidationError, KeyError, TypeError) as error:
        raise BadBundle(f"{folder} is no training of a model that can be served: {error}") from error
    return Bundle(folder, digest(spec.model_dump(mode="json")), spec)
