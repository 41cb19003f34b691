"""FiftyOne's Brain on a review: likeness of embeddings, mistakes that a model points at, and evaluations.

Nothing is downloaded: embeddings come as arrays, predictions are in the dataset, and likeness is scikit-learn's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.curating.documents import TRUTH
from datasets.curating.labels import sample_id
from datasets.curating.review import MODELS
from datasets.curating.schema import declare_evaluations
from datasets.errors import BadInput

SIMILARITY = "similarity"
_FEWEST = 4  # uniqueness looks at an image's three nearest


def write_likeness(
    dataset: Any, sha256s: Sequence[str], embeddings: NDArray[np.floating], *, distance: float
) -> Mapping[str, int]:
    """Similarity, uniqueness and look-alikes from the embeddings (N, D) of images; tells how many of each.

    Images are look-alikes whose embeddings are nearer than `distance`, cosine, in (0, 2]. Embeddings of images that
    the review lacks are passed over.

    Raises:
        BadInput: the embeddings are not one row of finite numbers for each image, or are of too few images.
    """
    view, rows = _embedded(dataset, sha256s, embeddings)
    import fiftyone.brain as fob

    if SIMILARITY in dataset.list_brain_runs():
        dataset.delete_brain_run(SIMILARITY)
    index = fob.compute_similarity(
        view, embeddings=rows, brain_key=SIMILARITY, backend="sklearn", metric="cosine", progress=False
    )
    fob.compute_uniqueness(view, uniqueness_field="uniqueness", similarity_index=index, progress=False)
    index.find_duplicates(thresh=distance)
    alike = _groups(index.neighbors_map)
    name_of = dict(zip(*view.values(["id", "sha256"]), strict=True))
    told = {one: sorted(name_of[other] for other in others) for one, others in alike.items()}
    dataset.set_values("lookalikes", {one: told.get(one, []) for one in name_of}, key_field="id", progress=False)
    return {"embedded": len(rows), "lookalikes": len(alike)}


def _embedded(dataset: Any, sha256s: Sequence[str], embeddings: NDArray[np.floating]) -> tuple[Any, Any]:
    """The review's images that have an embedding, and these in the same order, as unit vectors."""
    if embeddings.ndim != 2 or len(embeddings) != len(sha256s) or not np.isfinite(embeddings).all():
        raise BadInput(
            f"embeddings of shape {embeddings.shape} for {len(sha256s)} images: one row of finite numbers each is "
            "needed; make them again"
        )
    there = set(dataset.values("sha256"))
    row_of = {sha256: row for row, sha256 in enumerate(sha256s) if sha256 in there}
    if len(row_of) < _FEWEST:
        raise BadInput(
            f"{len(row_of)} of the {len(sha256s)} embeddings are of images in {dataset.name!r}, at least {_FEWEST} are "
            "needed; sync the version that they were made of"
        )
    view = dataset.select([str(sample_id(sha256)) for sha256 in row_of], ordered=True)
    return view, np.ascontiguousarray(embeddings[list(row_of.values())], np.float32)


def _groups(neighbors: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, set[str]]:
    """The look-alikes of each image that has some."""
    alike: dict[str, set[str]] = {}
    for first, found in neighbors.items():
        group = {first, *(other for other, _ in found)}
        for one in group:
            alike.setdefault(one, set()).update(group - {one})
    return alike


def write_evaluations(fo: Any, dataset: Any) -> Mapping[str, int]:
    """An evaluation run of each model that predicted, and where the champion finds the labels mistaken.

    Gives how many images each was evaluated on.
    """
    told = {name: count for name in MODELS if (count := len(dataset.exists(name)))}
    for name in told:
        _evaluate(fo, dataset, name)
    if MODELS[0] in told:
        _write_mistakes(fo, dataset)
    return told


def _evaluate(fo: Any, dataset: Any, name: str) -> None:
    """An evaluation run, and a view of its errors as patches."""
    key = f"{name}_evaluation"
    declare_evaluations(fo, dataset, {key: name})
    dataset.exists(name).evaluate_detections(name, gt_field=TRUTH, eval_key=key, progress=False)
    errors = dataset.to_evaluation_patches(key).match(fo.ViewField("type") != "tp")
    described = "Objects missed, and seen where none is"
    dataset.save_view(f"errors of the {name}", errors, description=described, overwrite=True)


def _write_mistakes(fo: Any, dataset: Any) -> None:
    import fiftyone.brain as fob

    declare_evaluations(fo, dataset, {"mistakenness_eval": MODELS[0]})
    fields = {f"{name}_field": f"possible_{name}" for name in ("missing", "spurious")}
    fob.compute_mistakenness(
        dataset.exists(MODELS[0]),
        MODELS[0],
        label_field=TRUTH,
        mistakenness_field="mistakenness",
        progress=False,
        **fields,
    )
