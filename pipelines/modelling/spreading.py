"""`carloop model spread`."""

from collections.abc import Sequence
from dataclasses import asdict

from datasets.errors import BadInput
from pipelines.modelling.evaluating import predict
from pipelines.modelling.place import Place
from pipelines.modelling.references import find_model
from pipelines.output import show, write_json
from training.evaluation.seeds import measure_spread, require_enough
from training.settings import PromotionSettings


def tell_spread(
    place: Place,
    references: Sequence[str],
    test_set: str | None,
    settings: PromotionSettings,
    *,
    seed: int,
    as_json: bool,
) -> None:
    """Evaluate trainings that differ by their seed alone on one test set, and tell what to set `seed_spread` to."""
    require_enough(len(references))
    models = [find_model(place, reference) for reference in references]
    known = [model.registered.test_set for model in models if model.registered and model.registered.test_set]
    if test_set is None and not known:
        raise BadInput(f"nobody said what {references[0]} was tested on; name a dataset version by --on")
    version, truth = place.read_version(test_set or known[0])
    evaluations = [
        predict(place, model.bundle, truth, version, resamples=settings.resamples, seed=seed).evaluation()
        for model in models
    ]
    found = measure_spread(evaluations, confidence=settings.confidence, resamples=settings.resamples, seed=seed)
    values = dict(zip(references, found.values, strict=True))
    if as_json:
        write_json({"test_set": version, **asdict(found), "values": values})
        return
    told = {
        "test set": version,
        found.metric: {name: f"{value:.4f}" for name, value in values.items()},
        "standard deviation": f"{found.observed:.4f}, of which {found.luck:.4f} is luck with this test set's families",
        "seed_spread": f"{found.spread:.4f}",
    }
    show(
        told, as_json=False, notes=[f"set it in the project file: training: promotion: seed_spread: {found.spread:.4f}"]
    )
