"""Whether a challenger takes the champion's place, and how: the alias first, then the pointer that serving reads."""

from dataclasses import dataclass
from pathlib import Path

from training.bundle import publish
from training.errors import NotPublishable
from training.evaluate import ClassifierScores, DetectorScores
from training.registry import RegisteredVersion, Registry
from training.settings import PromotionSettings

Scores = DetectorScores | ClassifierScores


@dataclass(frozen=True)
class Decision:
    """`reason` is a sentence for people, with both values."""

    promote: bool
    reason: str


def decide(champion: Scores | None, challenger: Scores, settings: PromotionSettings) -> Decision:
    """Compare two models by their primary metric, both scored on the same test set; None is no champion yet."""
    name, found = primary_metric(challenger)
    if found is None:
        return Decision(False, f"the test set has no labels to compute {name} from; accept some test frames first")
    if champion is None:
        return Decision(True, f"there is no champion yet; the challenger's {name} is {found:.4f}")
    _, best = primary_metric(champion)
    if best is None:
        return Decision(False, f"the champion has no {name}, the challenger {found:.4f}; score both on one test set")
    comparison = f"{name} {found:.4f} against the champion's {best:.4f}"
    gain = found - best
    if gain > 0 and gain >= settings.min_gain:
        return Decision(True, f"the challenger is better: {comparison} ({gain:+.4f})")
    return Decision(
        False, f"the champion stays: {comparison} ({gain:+.4f}, more than 0 and at least {settings.min_gain:g} needed)"
    )


def primary_metric(scores: Scores) -> tuple[str, float | None]:
    """The one number that decides, with its name."""
    if isinstance(scores, DetectorScores):
        return "mAP50-95", scores.map50_95
    return "macro F1", scores.macro_f1


def promote(registry: Registry, challenger: RegisteredVersion, bundles: Path) -> None:
    """Make a described version the champion, then let it be served. Raises NotPublishable without a bundle."""
    if challenger.bundle is None:
        raise NotPublishable(f"{challenger.name} has no bundle; write one and describe the version with it first")
    registry.set_alias("champion", challenger)
    publish_champion(registry, challenger.model, bundles)


def publish_champion(registry: Registry, model: str, bundles: Path) -> None:
    """Point serving at the champion; completes a promotion that was killed half-way, and else changes nothing."""
    champion = registry.champion(model)
    if champion is not None and champion.bundle is not None:
        publish(bundles, model, champion.bundle)
