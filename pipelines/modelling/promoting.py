"""`carloop model promote` and `carloop model rollback`."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from datasets.files import alone, read_json
from pipelines.modelling.comparing import print_comparison
from pipelines.modelling.evaluating import bundle_of, predict, read_test_set
from pipelines.modelling.evidence import gather, open_ledgers, read_prelabelled
from pipelines.modelling.place import Place
from pipelines.output import show, write_json
from pipelines.project import Project, parse_project
from training.evaluation.subject import Evaluation
from training.promotion import Decision, decide, promote, publish_champion, roll_back
from training.registry import RegisteredVersion
from training.settings import PromotionSettings

_LOCK = "promotions"


def promotion_settings(run: Path | None, project: Project | None) -> PromotionSettings:
    """The run's own, else the project file's, else the defaults."""
    if run is not None:
        path = run / "project.json"
        project = parse_project(read_json(path), where=str(path))
    return project.training.promotion if project else PromotionSettings()


def promote_model(
    place: Place,
    reference: str,
    test_set: str | None,
    settings: PromotionSettings,
    *,
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Decide anew between a model and the champion, and let the better one serve; exit code 1 if the champion stays."""
    place.registry.find(reference)  # tells of a home that is none before the lock makes its folder
    with alone(place.root / _LOCK):
        challenger = place.registry.find(reference)
        champion = place.registry.champion(challenger.model)
        if champion is not None and champion.version == challenger.version:
            publish_champion(place.registry, challenger.model, place.bundles, store=settings.publish_to)
            _show(challenger, champion, Decision(True, (f"{challenger.name} is the champion already",)), as_json)
            return
        decision = _decide(place, challenger, champion, test_set, settings, seed)
        if not dry_run:
            place.registry.note_decision(challenger, decision.reason)
        if decision.promote and not dry_run:
            now, store = datetime.now(UTC), settings.publish_to
            promote(place.registry, challenger, place.bundles, now=now, reason=decision.brief, store=store)
    _show(challenger, champion, decision, as_json)
    if not decision.promote:
        sys.exit(1)


def _decide(
    place: Place,
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    test_set: str | None,
    settings: PromotionSettings,
    seed: int,
) -> Decision:
    version, truth = read_test_set(place, test_set, challenger)
    bundle = bundle_of(place, challenger)
    evidence = gather(
        champion.name if champion else None,
        challenger,
        bundle,
        truth,
        versions=place.versions,
        store=place.store,
        drawn_on=read_prelabelled(open_ledgers(place.ledger)),
        ledger_url=f"sqlite:///{place.ledger.absolute()}" if place.ledger.is_file() else None,
        settings=settings,
    )

    def evaluate(registered: RegisteredVersion) -> Evaluation:
        served = bundle_of(place, registered)
        return predict(place, served, truth, version, resamples=settings.resamples, seed=seed).evaluation()

    return decide(evaluate(champion) if champion else None, evaluate(challenger), settings, evidence, seed=seed)


def _show(challenger: RegisteredVersion, champion: RegisteredVersion | None, decision: Decision, as_json: bool) -> None:
    told = {
        "challenger": challenger.name,
        "champion": champion.name if champion else None,
        "promoted": decision.promote,
        "reasons": list(decision.reasons),
        "notes": list(decision.notes),
    }
    if as_json:
        write_json({**told, "comparison": asdict(decision.comparison) if decision.comparison else None})
        return
    if decision.comparison and champion:
        print_comparison(decision.comparison, champion.name, challenger.name)
    show({"promoted": "yes" if decision.promote else "no"}, as_json=False, notes=[*decision.reasons, *decision.notes])


def roll_back_model(place: Place, name: str, settings: PromotionSettings, *, reason: str, as_json: bool) -> None:
    """Let the champion before this one take over again."""
    place.registry.find(f"{name}@champion")  # likewise
    with alone(place.root / _LOCK):
        left = place.registry.find(f"{name}@champion")
        now, store = datetime.now(UTC), settings.publish_to
        back = roll_back(place.registry, name, place.bundles, now=now, reason=reason, store=store)
    show({"champion": back.name, "before": left.name, "bundle": back.bundle}, as_json=as_json)
