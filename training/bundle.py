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
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from datasets.errors import BadDataset
from datasets.files import digest, new_folder, read_json, write_json
from datasets.taxonomy import Taxonomy
from training.errors import BadBundle, TamperedBundle

MODEL_FILE = "model.onnx"
SPEC_FILE = "bundle.json"

Task = Literal["detector", "classifier"]
ModelName = Literal["damage_detector", "cleanliness_classifier"]
Shape = Literal["rectangle", "polygon", "mask"]
Share = Annotated[float, Field(ge=0, le=1)]
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class BundleSpec(BaseModel):
    """What a bundle says of itself: the content of bundle.json.

    `class_names` are in the order of the graph's outputs (a detector's YOLO ids). The graph takes float32 RGB in
    [0, 1] of shape (N, 3, image_size, image_size). `files` maps each file's name to the SHA-256 of its bytes.
    A class in `thresholds` has its own score to exceed, all others have `threshold`. `shape` is what a segmentation
    graph's objects are told as; a graph of boxes tells rectangles. What came after the first bundles is written only
    where it is not the default, so that their digests stay.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    model: ModelName
    version: str = Field(min_length=1)
    class_names: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(ge=32)
    threshold: float = Field(default=0.25, ge=0, le=1, description="scores below it are not predicted")
    iou_threshold: float = Field(default=0.6, ge=0, le=1, description="a box that overlaps a better one by more goes")
    thresholds: Mapping[str, Share] = Field(default={}, exclude_if=lambda value: not value)
    shape: Shape = Field(default="rectangle", exclude_if=lambda value: value == "rectangle")
    files: Mapping[FileName, str] = {}

    @model_validator(mode="after")
    def _thresholds_are_of_classes(self) -> Self:
        if unknown := sorted(self.thresholds.keys() - set(self.class_names)):
            raise ValueError(f"thresholds for {unknown}, the classes are {list(self.class_names)}")
        return self

    def threshold_of(self, class_name: str) -> float:
        """The score that a prediction of this class has to exceed."""
        return self.thresholds.get(class_name, self.threshold)


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

    def read_graph(self) -> bytes:
        """The graph, checked as it is read: what is opened is what was published. Raises TamperedBundle."""
        content = self.model_path.read_bytes()
        require_digest(self.model_path, hashlib.sha256(content).hexdigest(), self.spec.files[MODEL_FILE])
        return content


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
    spec = parse_spec(_read(folder / SPEC_FILE), bundle_digest, folder / SPEC_FILE)
    for name, sha256 in spec.files.items():
        _require_file(folder / name, sha256)
    return Bundle(folder, bundle_digest, spec)


def parse_spec(content: object, bundle_digest: str, place: object) -> BundleSpec:
    """What bundle.json's content, read from `place`, says. Raises as `read_bundle` does."""
    require_digest(place, digest(content), bundle_digest, what="digest")
    try:
        spec = BundleSpec.model_validate(content)
    except ValidationError as error:
        raise BadBundle(f"{place} is not a bundle this version of Carloop can read: {error}") from error
    if MODEL_FILE not in spec.files:
        raise BadBundle(f"{place} lists no {MODEL_FILE}; publish the model again")
    return spec


def publish(bundles: Path, model: str, bundle_digest: str) -> None:
    """Let `model` be served from this bundle from now on, in one step."""
    write_json(pointer_path(bundles, model), {"digest": bundle_digest})


def read_pointer(bundles: Path, model: str) -> str | None:
    """The digest of the bundle that `model` is served from; None before the first is published."""
    pointer = pointer_path(bundles, model)
    return parse_pointer(read_json(pointer), pointer) if pointer.exists() else None


def parse_pointer(content: object, place: object) -> str:
    """The digest that a pointer's content, read from `place`, names. Raises BadBundle."""
    bundle_digest = content.get("digest") if isinstance(content, dict) else None
    if not isinstance(bundle_digest, str) or not re.fullmatch(r"[0-9a-f]{64}", bundle_digest):
        raise BadBundle(f"{place} names no bundle but {content!r}; publish the model again")
    return bundle_digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def pointer_path(bundles: Path, model: str) -> Path:
    return bundles / f"{model}.json"


def _copy_durably(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())


def _read(path: Path) -> object:
    try:
        return read_json(path)
    except BadDataset as error:
        raise TamperedBundle(f"{error}; publish the model again") from error


def _require_file(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise TamperedBundle(f"{path} is not there, bundle.json lists it; publish the model again")
    require_digest(path, file_sha256(path), sha256)


def require_digest(place: object, found: str, expected: str, *, what: str = "SHA-256") -> None:
    """Raise TamperedBundle, which names the place, unless the digests are the same."""
    if found != expected:
        raise TamperedBundle(f"{place} has {what} {found}, not {expected}; publish the model again")
