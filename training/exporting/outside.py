"""A checkpoint of Ultralytics' from outside: unpickled once, in a process of its own, if somebody vouched for it.

<folder>/checkpoint-<first 16 of its SHA-256>/bundle.json, model.onnx, weights.safetensors
"""

from pathlib import Path

from datasets.files import new_folder, write_json
from training.bundle import MODEL_FILE, SPEC_FILE, Bundle, BundleSpec, file_sha256
from training.exporting.children import run_child
from training.jobs import WEIGHTS_FILE
from training.predicting.opening import open_checkpoint, read_sha256


def open_outside(path: Path, folder: Path, *, trust: str | None) -> Bundle:
    """The detector in a .pt file, turned into safetensors and ONNX below `folder`; a later call only reads these.

    Raises:
        UntrustedCheckpoint: `trust` is not the file's SHA-256.
        CannotExport: it holds no detector of Ultralytics'.
    """
    sha256 = read_sha256(path, trust=trust)
    turned = folder / f"checkpoint-{sha256[:16]}"
    if not (turned / SPEC_FILE).is_file():
        with new_folder(turned) as part:
            told = run_child("unpickle", path, part)
            spec = BundleSpec(
                task="detector",
                model="damage_detector",
                version=f"outside-{sha256[:8]}",
                class_names=tuple(told["class_names"]),
                image_size=told["image_size"],
                files={name: file_sha256(part / name) for name in (MODEL_FILE, WEIGHTS_FILE)},
            )
            write_json(part / SPEC_FILE, spec.model_dump(mode="json"))
    return open_checkpoint(turned)
