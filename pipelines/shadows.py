"""The challenger that people see beside the champion: it stays until they saw enough of it, then it is judged."""

from datasets.versions import read_version
from pipelines.bench import Bench
from pipelines.champions import version_key
from pipelines.modelling.shadow import read_verdict
from pipelines.models import Model, evaluate_bundle, evidence_on, result_of, settle
from pipelines.results import ModelResult, ShadowResult
from training.bundle import class_names, read_bundle
from training.evaluation.scores import scores_of
from training.promotion import Decision, decide, was_rolled_back
from training.registered import turns_before
from training.registry import RegisteredVersion


def promote_shadow(bench: Bench, model: Model, test_set: str, before: ModelResult, *, number: int) -> ModelResult:
    """Judge the challenger beside the champion by a frozen test set and by what people corrected, once that is enough.

    What is in use then. A rerun of a round that judged it finds it so.
    """
    key = version_key(bench.run.key, model.name, number)
    shadow = _find_shadow(bench, model, key)
    if shadow is None or before.bundle is None or before.champion == shadow.name:
        return before.model_copy(update={"shadow": None})
    noted = _read_decision(bench, shadow, key)
    lacking = "" if noted else _lacking(bench, shadow, before)
    if lacking:
        served, decision = before, Decision(False, (f"it stays beside {before.champion}: {lacking}",))
    elif noted and not noted.promote:
        served, decision = before, noted
    else:
        served, decision = _judge(bench, shadow, before, test_set, key, noted)
    bench.progress.say(f"    {shadow.name}, beside {before.champion}: {decision.reason}")
    told = ShadowResult(challenger=shadow.name, promoted=decision.promote, reason=decision.reason, stays=bool(lacking))
    return served.model_copy(update={"shadow": told})


def _find_shadow(bench: Bench, model: Model, key: str) -> RegisteredVersion | None:
    """The challenger that the round of `key` found, of the project's classes, which was not champion before it."""
    shadow = bench.registry.challenger_before(model.name, key)
    if shadow is None or shadow.bundle is None or shadow.judged_by == key:
        return shadow
    names = class_names(bench.run.project.taxonomy, model.task)
    turns = {turn.version for turn in bench.registry.history(model.name) if turn.by != key}
    is_new = shadow.version not in turns
    return shadow if is_new and read_bundle(bench.run.bundles, shadow.bundle).spec.class_names == names else None


def _read_decision(bench: Bench, shadow: RegisteredVersion, key: str) -> Decision | None:
    """What the round of `key` decided before it was killed, if a person has not decided else since; None if nothing."""
    turns = bench.registry.history(shadow.model)
    ours = turns[len(turns_before(turns, key)) :]
    if was_rolled_back(bench.registry, shadow):
        return Decision(False, ("it was champion and was rolled back",))
    if shadow.version in {turn.version for turn in ours}:
        return Decision(True, (shadow.decision or "",))
    if shadow.version in {turn.version for turn in turns}:
        return Decision(False, (f"it was champion until {shadow.model}@{turns[-1].version} took its place",))
    return Decision(False, (shadow.decision or "",)) if shadow.judged_by == key else None


def _lacking(bench: Bench, shadow: RegisteredVersion, before: ModelResult) -> str:
    """What people have to accept before it can be judged; "" where they have, or where no share is shown to them."""
    settings = bench.run.project.training.promotion
    if not settings.shadow_share or before.champion is None:
        return ""
    verdict = read_verdict(
        bench.run.ledger_url,
        before.champion,
        shadow.name,
        confidence=settings.confidence,
        resamples=settings.resamples,
    )
    return "" if verdict.is_enough else verdict.told


def _judge(
    bench: Bench, shadow: RegisteredVersion, before: ModelResult, test_set: str, key: str, noted: Decision | None
) -> tuple[ModelResult, Decision]:
    """What is in use then, and why. What a killed round `noted` is not decided again, but carried through."""
    truth = read_version(bench.run.versions, test_set, bench.run.project.taxonomy)
    ours = evaluate_bundle(bench, str(shadow.bundle), truth, test_set)
    if noted is None:
        theirs = evaluate_bundle(bench, str(before.bundle), truth, test_set)
        evidence = evidence_on(bench, before, shadow, str(shadow.bundle), truth)
        decision = decide(theirs, ours, bench.run.project.training.promotion, evidence)
    else:
        decision = noted
    if noted is None or bench.registry.history(shadow.model)[-1].version == shadow.version:
        settle(bench, shadow, decision, by=key)
    bench.registry.note_judged(shadow, by=key)
    return (result_of(shadow, scores_of(ours)) if decision.promote else before), decision
