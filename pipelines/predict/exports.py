"""What `carloop model export` wrote, opened to be run in its bundle's place."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from datasets.files import MANIFEST, digest, is_complete, read_json
from training.bundle import Bundle, BundleSpec, file_sha256, require_digest
from training.errors import BadBundle
from training.exporting.formats import Format
from training.exporting.runners import open_export
from training.predictors import Classifier, Detector, load_predictor


@dataclass(frozen=True)
class Export(Bundle):
    """An export's folder under its own digest, with what its model's bundle says of itself."""

    form: Format


def find_export(path: Path) -> Export | None:
    """The export in a folder, or around one of its files; None where there is none.

    Raises:
        BadBundle: it is one, but not of this version of Carloop.
        TamperedBundle: a file has other bytes than were written.
    """
    folder = path.parent if path.is_file() else path
    manifest = read_json(folder / MANIFEST) if is_complete(folder) else {}
    if not {"format", "spec", "files"} <= manifest.keys():
        return None
    if manifest["format"] not in get_args(Format):
        raise BadBundle(f"{folder} is an export to {manifest['format']!r}, which is not known here; export it again")
    try:
        spec = BundleSpec.model_validate(manifest["spec"])
    except ValidationError as error:
        raise BadBundle(f"{folder} is no export that this version of Carloop can read: {error}") from None
    for name, sha256 in manifest["files"].items():
        require_digest(folder / name, file_sha256(folder / name), sha256)
    return Export(folder, digest([manifest["format"], manifest["spec"], manifest["files"]]), spec, manifest["format"])


def load(bundle: Bundle) -> Detector | Classifier:
    """The predictor of a bundle, or of an export. Raises as `load_predictor`, and CannotExport without its GPU."""
    if isinstance(bundle, Export):
        return load_predictor(bundle, graph=open_export(bundle.form, bundle, bundle.folder))
    return load_predictor(bundle)
