"""A published model: a folder named by its digest, and one pointer per model to the folder in use.

    <bundles>/damage_detector.json      {"digest": "5c0e…"}
    <bundles>/5c0e…/bundle.json         what the model is; its canonical digest names the folder
    <bundles>/5c0e…/model.onnx          the graph

Nothing here needs the training stack: this is what the functions read.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets.errors import BadDataset
from datasets.files import digest, new_folder, read_json, write_json
from datasets.taxonomy import Taxonomy
from training.errors import BadBundle, TamperedBundle

MODEL_FILE = "model.onnx"
SPEC_FILE = "bundle.json"

Task = Literal["detector", "classifier"]
ModelName = Literal["damage_detector", "cleanliness_classifier"]


class BundleSpec(BaseModel):
    """What a bundle says of itself: the content of bundle.json.

    `class_names` are in the order of the graph's outputs (a detector's YOLO ids). The graph takes float32 RGB in
    [0, 1] of shape (N, 3, image_size, image_size). `files` maps each file's name to the SHA-256 of its bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    model: ModelName
    version: str = Field(min_length=1)
    class_names: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(ge=32)
    threshold: float = Field(default=0.25, ge=0, le=1, description="scores below it are not predicted")
    iou_threshold: float = Field(default=0.6, ge=0, le=1, description="a box that overlaps a better one by more goes")
    files: Mapping[str, str] = {}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose every byte has been checked."""

    folder: Path
    digest: str
    spec: BundleSpec

    @property
    def name(self) -> str:
        """Model and version, as pre-labels name them: `damage_detector@3`."""
        return f"{self.spec.model}@{self.spec.version}"

    @property
    def model_path(self) -> Path:
        return self.folder / MODEL_FILE


def class_names(taxonomy: Taxonomy, task: Task) -> tuple[str, ...]:
    """Names by a model's output index. A detector's is YOLO's id, the COCO id - 1, up to the last rectangle."""
    if task == "classifier":
        return tuple(taxonomy.names("tag"))
    return tuple(taxonomy.names()[: max(taxonomy.ids("rectangle"), default=0)])


def write_bundle(bundles: Path, spec: BundleSpec, onnx_path: Path) -> str:
    """Store a graph and what it is under `bundles`; its digest. The same content is stored once."""
    spec = spec.model_copy(update={"files": {MODEL_FILE: file_sha256(onnx_path)}})
    content = spec.model_dump(mode="json")
    bundle_digest = digest(content)
    with new_folder(bundles / bundle_digest) as folder:
        _copy_durably(onnx_path, folder / MODEL_FILE)
        write_json(folder / SPEC_FILE, content)
    return bundle_digest


def read_bundle(bundles: Path, bundle_digest: str) -> Bundle:
    """The bundle of that digest, after checking the digest of every file.

    Raises:
        TamperedBundle: a file is missing or has other bytes than were published; the message names it.
        BadBundle: bundle.json is whole, but not one that this version of Carloop can read.
    """
    folder = bundles / bundle_digest
    spec = _read_spec(folder / SPEC_FILE, bundle_digest)
    for name, sha256 in spec.files.items():
        _require_digest(folder / name, sha256)
    return Bundle(folder, bundle_digest, spec)


def publish(bundles: Path, model: str, bundle_digest: str) -> None:
    """Let `model` be served from this bundle from now on, in one step."""
    write_json(_pointer(bundles, model), {"digest": bundle_digest})


def read_pointer(bundles: Path, model: str) -> str | None:
    """The digest of the bundle that `model` is served from; None before the first is published."""
    pointer = _pointer(bundles, model)
    if not pointer.exists():
        return None
    content = read_json(pointer)
    bundle_digest = content.get("digest") if isinstance(content, dict) else None
    if not isinstance(bundle_digest, str) or not re.fullmatch(r"[0-9a-f]{64}", bundle_digest):
        raise BadBundle(f"{pointer} names no bundle but {content!r}; publish the model again")
    return bundle_digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _pointer(bundles: Path, model: str) -> Path:
    return bundles / f"{model}.json"


def _copy_durably(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())


def _read_spec(path: Path, bundle_digest: str) -> BundleSpec:
    try:
        content = read_json(path)
    except BadDataset as error:
        raise TamperedBundle(f"{error}; publish the model again") from error
    if (found := digest(content)) != bundle_digest:
        raise TamperedBundle(f"{path} has digest {found}, not {bundle_digest}; publish the model again")
    try:
        return BundleSpec.model_validate(content)
    except ValidationError as error:
        raise BadBundle(f"{path} is not a bundle this version of Carloop can read: {error}") from error


def _require_digest(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise TamperedBundle(f"{path} is not there, bundle.json lists it; publish the model again")
    if (found := file_sha256(path)) != sha256:
        raise TamperedBundle(f"{path} has SHA-256 {found}, not {sha256}; publish the model again")
