"""Embeddings of what FiftyOne shows, by a published model; each image is looked at once by each model.

<home>/embeddings/<bundle's digest>.npz   `sha256s` (N,) and `embeddings` (N, D) of all images so far
"""

import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from datasets.errors import BadInput
from datasets.files import alone, write_bytes
from pipelines.modelling.place import find_place
from pipelines.modelling.references import find_bundle, open_any
from pipelines.progress import Progress
from pipelines.selecting.features import Embedder
from pipelines.selecting.looking import embedding_model, find_champions
from training.bundle import Bundle
from training.errors import UndecodableImage
from training.predicting.pictures import Floats, decode_ahead

Embeddings = Mapping[str, Floats]
"""An embedding, (D,), by its image's SHA-256."""


def find_embedder(home: Path, reference: str | None) -> Bundle | None:
    """The model that a reference or a folder names; without one the home's champion, None where it has none."""
    place = find_place(home, None)
    if reference is None:
        return embedding_model(find_champions(place))
    return open_any(Path(reference), place, trust=None) if Path(reference).exists() else find_bundle(place, reference)


def embed_images(paths: Mapping[str, Path], bundle: Bundle, home: Path, progress: Progress) -> Embeddings:
    """The embeddings of images by their SHA-256; those that cannot be decoded are told and left out."""
    kept = home / "embeddings" / f"{bundle.digest}.npz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with alone(kept):
        known = dict(zip(*read_embeddings(kept), strict=True)) if kept.exists() else {}
        new = {sha256: path for sha256, path in paths.items() if sha256 not in known}
        if new:
            known |= _embed(new, bundle, progress)
            _write(kept, known)
    return {sha256: known[sha256] for sha256 in paths if sha256 in known}


def _embed(paths: Mapping[str, Path], bundle: Bundle, progress: Progress) -> dict[str, Floats]:
    embedder, found = Embedder(bundle), {}
    with progress.step(f"embed {len(paths)} images by {bundle.name}", total=len(paths)) as step:
        for sha256, pixels in decode_ahead((sha256, path.read_bytes()) for sha256, path in paths.items()):
            step.advance()
            if isinstance(pixels, UndecodableImage):
                progress.say(f"    {paths[sha256]}: {pixels}")
            else:
                found[sha256] = embedder.embed(pixels)
    return found


def read_embeddings(path: Path) -> tuple[list[str], Floats]:
    """`sha256s` (N,) and `embeddings` (N, D) of an .npz file. Raises BadInput."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["sha256s"].tolist(), arrays["embeddings"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadInput(
            f"{path} holds no embeddings: {error}; an .npz file with sha256s (N,) and embeddings (N, D) is needed"
        ) from None


def _write(path: Path, embeddings: Embeddings) -> None:
    held = io.BytesIO()
    np.savez(held, sha256s=list(embeddings), embeddings=np.array(list(embeddings.values()), np.float32))
    write_bytes(path, held.getvalue())
