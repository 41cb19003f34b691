"""The two models of the loop: how each is trained, bundled, scored and promoted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from datasets.coco import Dataset
from datasets.taxonomy import Kind
from datasets.versions import read_version
from pipelines.bench import Bench
from pipelines.champions import version_key
from pipelines.modelling.evidence import gather, read_prelabelled
from pipelines.results import ModelResult
from training.bundle import BundleSpec, ModelName, Task, class_names, read_bundle, write_bundle
from training.evaluate import predict_subject
from training.evaluation.scores import DetectorScores, Scores, intervals_of, scores_of
from training.evaluation.subject import Evaluation
from training.jobs import ClassifierJob, DetectorJob, run_training
from training.promotion import Decision, Evidence, decide, promote, was_rolled_back
from training.registry import RegisteredVersion


@dataclass(frozen=True)
class Model:
    """A model's name in the registry, what it does, and the kind of classes it predicts."""

    name: ModelName
    task: Task
    kind: Kind


MODELS = (
    Model("damage_detector", "detector", "rectangle"),
    Model("cleanliness_classifier", "classifier", "tag"),
)


def train_model(bench: Bench, model: Model, version: str, before: ModelResult | None, *, number: int) -> Path | None:
    """Train on a dataset version, in a process of its own; the folder of weights and graph, None without labels."""
    dataset = read_version(bench.run.versions, version, bench.run.project.taxonomy)
    if not _has_labels(dataset, model.kind):
        return None
    job = _job(bench, model, version, before, number)
    with bench.progress.step(f"train {model.name} on {len(dataset.images)} images") as progress:
        run_training(
            job,
            log=bench.run.logs / f"{model.name}-{number}.log",
            on_epoch=lambda epoch, epochs, losses: progress.advance(to=epoch, of=epochs, note=_told(losses)),
        )
    return job.out


def _has_labels(dataset: Dataset, kind: Kind) -> bool:
    if kind == "rectangle":
        return bool(dataset.annotations)
    return any(image.tags for image in dataset.images)


def _job(
    bench: Bench, model: Model, version: str, before: ModelResult | None, number: int
) -> DetectorJob | ClassifierJob:
    project = bench.run.project
    common = {
        "dataset": (bench.run.versions / version / "annotations.json").absolute(),
        "taxonomy": project.taxonomy,
        "store": bench.run.store.absolute(),
        "out": (bench.run.models / f"{model.name}-{number}").absolute(),
        "seed": project.seed,
        "initial_weights": before.weights if before else None,
    }
    if model.task == "detector":
        return DetectorJob(**common, settings=project.training.detector)
    return ClassifierJob(**common, settings=project.training.classifier)


def _told(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in losses.items())


def evaluate_and_promote(
    bench: Bench,
    model: Model,
    version: str,
    test_set: str,
    before: ModelResult | None,
    training: Path | None,
    *,
    number: int,
) -> ModelResult:
    """Score champion and challenger on one frozen test set; a better challenger is what is served from now on.

    People see it beside the champion next, unless another stays for want of frames.
    """
    if training is None:
        kept = before or ModelResult(reason="")
        return kept.model_copy(update={"promoted": False, "reason": "there is nothing labelled to learn this from"})
    truth = read_version(bench.run.versions, test_set, bench.run.project.taxonomy)
    registered, bundle = _register(bench, model, version, before, training, number)
    ours = evaluate_bundle(bench, bundle, truth, test_set)
    scores = scores_of(ours)
    is_next = not (before and before.shadow and before.shadow.stays)
    challenger = _describe(bench, registered, bundle, test_set, ours, scores, as_challenger=is_next)
    theirs = evaluate_bundle(bench, before.bundle, truth, test_set) if before and before.bundle else None
    settings = bench.run.project.training.promotion
    if was_rolled_back(bench.registry, challenger):
        decision = Decision(False, ("it was champion and was rolled back",))
    else:
        decision = decide(theirs, ours, settings, evidence_on(bench, before, challenger, bundle, truth))
    settle(bench, challenger, decision, by=challenger.key)
    bench.progress.say(f"    {challenger.name}: {decision.reason}")
    kept = before or ModelResult(reason="")
    served = result_of(challenger, scores) if decision.promote else kept
    return served.model_copy(
        update={
            "challenger": challenger.name,
            "challenger_scores": _numbers(scores),
            "promoted": decision.promote,
            "reason": decision.reason,
            "shadow": kept.shadow,
        }
    )


def settle(bench: Bench, version: RegisteredVersion, decision: Decision, *, by: str) -> None:
    """Note what was decided in the round of the key `by`, and let a better version be served."""
    bench.registry.note_decision(version, decision.reason)
    if decision.promote:
        now, store = datetime.now(UTC), bench.run.project.training.promotion.publish_to
        promote(bench.registry, version, bench.run.bundles, now=now, reason=decision.brief, by=by, store=store)


def _register(
    bench: Bench,
    model: Model,
    version: str,
    before: ModelResult | None,
    training: Path,
    number: int,
) -> tuple[RegisteredVersion, str]:
    """The registered version, and the digest of the bundle that serves it."""
    key = version_key(bench.run.key, model.name, number)
    names = class_names(bench.run.project.taxonomy, model.task)
    parent = before.champion.partition("@")[2] if before and before.champion else None
    registered = bench.registry.register(model.name, key=key, dataset=version, parent=parent, training=training)
    spec = BundleSpec(
        task=model.task,
        model=model.name,
        version=registered.version,
        class_names=names,
        image_size=_image_size(bench, model),
        thresholds={name: at for name, at in bench.run.project.training.thresholds.items() if name in names},
    )
    return registered, write_bundle(bench.run.bundles, spec, training / "model.onnx")


def evaluate_bundle(bench: Bench, bundle: str, truth: Dataset, test_set: str) -> Evaluation:
    with bench.progress.step(f"evaluate on {len(truth.images)} test images"):
        served = read_bundle(bench.run.bundles, bundle)
        return predict_subject(served, truth, bench.run.store, test_set=test_set).evaluation()


def _describe(
    bench: Bench,
    registered: RegisteredVersion,
    bundle: str,
    test_set: str,
    found: Evaluation,
    scores: Scores,
    *,
    as_challenger: bool,
) -> RegisteredVersion:
    metrics = {name: value for name, value in _numbers(scores).items() if value is not None}
    intervals = intervals_of(found, resamples=bench.run.project.training.promotion.resamples)
    return bench.registry.describe(
        registered,
        bundle=bundle,
        metrics=metrics,
        intervals=intervals,
        test_set=test_set,
        as_challenger=as_challenger,
    )


def evidence_on(
    bench: Bench, before: ModelResult | None, challenger: RegisteredVersion, bundle: str, truth: Dataset
) -> Evidence:
    return gather(
        before.champion if before else None,
        challenger,
        read_bundle(bench.run.bundles, bundle),
        truth,
        versions=bench.run.versions,
        store=bench.run.store,
        drawn_on=read_prelabelled([bench.ledger]),
        ledger_url=bench.run.ledger_url,
        settings=bench.run.project.training.promotion,
    )


def _image_size(bench: Bench, model: Model) -> int:
    training = bench.run.project.training
    return (training.detector if model.task == "detector" else training.classifier).image_size


def result_of(version: RegisteredVersion, scores: Scores) -> ModelResult:
    return ModelResult(
        champion=version.name,
        bundle=version.bundle,
        weights=version.weights,
        scores=_numbers(scores),
        by_class=scores.by_class if isinstance(scores, DetectorScores) else {},
        reason="",
    )


def _numbers(scores: Scores) -> dict[str, float | None]:
    return {name: value for name, value in asdict(scores).items() if name != "by_class"}
