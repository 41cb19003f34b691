"""Whether a challenger takes the champion's place, and how: the alias first, then the pointer that serving reads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from training.bundle import publish, read_pointer
from training.bundle_stores import push_published
from training.errors import NoSuchModel, NotPublishable
from training.evaluation.comparison import Comparison, Difference, compare
from training.evaluation.resampling import estimate, resampled_weights
from training.evaluation.subject import Evaluation
from training.registry import RegisteredVersion, Registry, Turn
from training.settings import PromotionSettings
from training.shadow import ShadowVerdict, shadow_refusals


@dataclass(frozen=True)
class FormatParity:
    """Whether an exported format answers what the trained model does; `told` says how far, or how far off, it is."""

    format: str
    agrees: bool
    told: str


@dataclass(frozen=True)
class Evidence:
    """What else than the comparison bears on a promotion.

    `refusals` are why the test set cannot judge this challenger at all; `milliseconds` is what an image takes it.
    """

    refusals: Sequence[str] = ()
    milliseconds: float | None = None
    parity: Sequence[FormatParity] = ()
    shadow: ShadowVerdict | None = None


@dataclass(frozen=True)
class Decision:
    """`reasons` are clauses for people, with both values; `notes` what they ought to know besides."""

    promote: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @property
    def brief(self) -> str:
        """The primary metric before and after, for a list."""
        if self.comparison is None:
            return self.reasons[0]
        found = self.comparison.overall
        return f"{found.name} {found.champion or 0:.4f} → {found.challenger or 0:.4f}"

    @property
    def reason(self) -> str:
        """All in one sentence."""
        told = "; ".join(self.reasons)
        return f"{told} ({'; '.join(self.notes)})" if self.notes else told


def decide(
    champion: Evaluation | None,
    challenger: Evaluation,
    settings: PromotionSettings,
    evidence: Evidence = Evidence(),
    *,
    seed: int = 0,
) -> Decision:
    """Compare two models by their primary metric on the same test set; None is no champion yet.

    Raises:
        NotComparable: they were not evaluated on the same images.
    """
    weights = resampled_weights(challenger.families, resamples=settings.resamples, seed=seed)
    scored = estimate(challenger.primary(weights))
    if scored.value is None:
        metric = challenger.primary_name
        lacking = f"the test set has no labels to compute {metric} from; accept some test frames first"
        return Decision(False, (*evidence.refusals, lacking))
    blocking = [*evidence.refusals, *_objections(settings, evidence)]
    if champion is None:
        interval = f"{scored.value:.4f} ({scored.low or 0:.4f} to {scored.high or 0:.4f})"
        first = f"there is no champion yet; the challenger's {challenger.primary_name} is {interval}"
        return Decision(not blocking, tuple(blocking or [first]))
    comparison = compare(
        champion,
        challenger,
        min_gain=settings.min_gain,
        min_count=settings.min_class_objects,
        spread=settings.seed_spread,
        resamples=settings.resamples,
        seed=seed,
    )
    return _judged(comparison, settings, [*blocking, *shadow_refusals(evidence.shadow, settings)])


def _judged(comparison: Comparison, settings: PromotionSettings, blocking: Sequence[str]) -> Decision:
    worse = [
        *_worse(comparison.classes, comparison.class_metric, settings.class_margin),
        *_worse(comparison.sources, comparison.metric, settings.source_margin, "images of "),
    ]
    overall = _told_overall(comparison, settings)
    better = comparison.certainty >= settings.confidence
    notes = tuple(_notes(comparison, settings))
    if better and not worse and not blocking:
        return Decision(True, (f"the challenger is better: {overall}",), notes, comparison)
    stays = f"the champion stays: {overall}"
    return Decision(False, (*blocking, stays, *worse), notes, comparison)


def _told_overall(comparison: Comparison, settings: PromotionSettings) -> str:
    found = comparison.overall
    if found.champion is None or found.challenger is None:
        return f"{found.name} cannot be computed for both"
    interval = f"{found.gain.low:+.4f} to {found.gain.high:+.4f}" if found.gain.low is not None else "no interval"
    more = f"more than {settings.min_gain:g}" if settings.min_gain else "better"
    return (
        f"{found.name} {found.challenger:.4f} against the champion's {found.champion:.4f} "
        f"({found.gain.value or 0:+.4f}, {interval}), {more} with {comparison.certainty:.1%} certainty "
        f"where {settings.confidence:.0%} is asked for"
    )


def _worse(found: Iterable[Difference], metric: str, margin: float, of: str = "") -> Iterator[str]:
    for one in found:
        if one.gain.value is not None and one.gain.value < -margin:
            yield (
                f"it is worse on {of}{one.name}: {metric} {one.challenger:.4f} against {one.champion:.4f}, "
                f"by more than the {margin:g} that is allowed"
            )


def _notes(comparison: Comparison, settings: PromotionSettings) -> Iterator[str]:
    for kind, found in (("objects", comparison.classes), ("images", comparison.sources)):
        for one in found:
            if one.pooled:
                few = f"{len(one.pooled)} with fewer than {settings.min_class_objects} test {kind} stand together"
                yield f"{few}: {', '.join(one.pooled)}"


def _objections(settings: PromotionSettings, evidence: Evidence) -> Iterator[str]:
    """What speaks against it whatever its scores."""
    budget, took = settings.max_milliseconds, evidence.milliseconds
    if budget is not None and took is None:
        yield f"nobody measured how long an image takes it, and at most {budget:g} ms are allowed"
    elif budget is not None and took is not None and took > budget:
        yield f"an image takes it {took:.1f} ms, and at most {budget:g} ms are allowed"
    for one in evidence.parity:
        if not one.agrees:
            yield f"its {one.format} export does not agree with the trained model: {one.told}"


def promote(
    registry: Registry,
    challenger: RegisteredVersion,
    bundles: Path,
    *,
    now: datetime,
    reason: str = "",
    by: str = "",
    store: str | None = None,
) -> None:
    """Make a described version the champion, then let it be served, from `store` too; `by` is noted with the turn.

    Raises:
        NotPublishable: it has no bundle.
        StoreAway: the store cannot be reached; promoting again completes it.
    """
    if challenger.bundle is None:
        raise NotPublishable(f"{challenger.name} has no bundle; write one and describe the version with it first")
    registry.note_turn(challenger, "promoted", now=now, reason=reason, by=by)
    registry.set_alias("champion", challenger)
    publish_champion(registry, challenger.model, bundles, store=store)


def complete_promotion(registry: Registry, model: str, bundles: Path, *, store: str | None = None) -> None:
    """Let the version serve whose turn was noted last, if whoever noted it was killed before it did.

    Raises:
        StoreAway: the store cannot be reached; completing it again goes on.
    """
    turns, champion = registry.history(model), registry.champion(model)
    former = turns[-2].version if len(turns) > 1 else None
    if turns and (champion.version if champion else None) == former:
        champion = registry.version(model, turns[-1].version)
        registry.set_alias("champion", champion)
    if champion and champion.bundle != read_pointer(bundles, model):
        publish_champion(registry, model, bundles, store=store)


def roll_back(
    registry: Registry, model: str, bundles: Path, *, now: datetime, reason: str = "", store: str | None = None
) -> RegisteredVersion:
    """Let the champion before this one take over again; returns it. What was killed half-way is completed.

    Raises:
        NoSuchModel: there is no champion, or none was before it.
    """
    earlier = registry.find(f"{model}@{_earlier(registry, model)}")
    registry.note_turn(earlier, "rolled back", now=now, reason=reason)
    registry.set_alias("champion", earlier)
    publish_champion(registry, model, bundles, store=store)
    return earlier


def _earlier(registry: Registry, model: str) -> str:
    """The number of the version to go back to."""
    champion, turns = registry.find(f"{model}@champion"), registry.history(model)
    if turns and turns[-1].event == "rolled back" and turns[-1].version != champion.version:
        return turns[-1].version  # noted, and then killed
    standing = _standing(turns)
    if len(standing) > 1:
        return standing[-2]
    if champion.parent:
        return champion.parent
    raise NoSuchModel(f"{champion.name} is the first champion, there is none to go back to; train and promote another")


def _standing(turns: Iterable[Turn]) -> list[str]:
    """The champions that can be gone back to, the present one last."""
    standing: list[str] = []
    for turn in turns:
        if turn.event == "rolled back" and turn.version in standing:
            del standing[standing.index(turn.version) + 1 :]
        else:
            standing.append(turn.version)
    return standing


def was_rolled_back(registry: Registry, version: RegisteredVersion) -> bool:
    """Whether it was champion until a person went back to an earlier one."""
    turns = registry.history(version.model)
    return any(turn.version == version.version for turn in turns) and version.version not in _standing(turns)


def publish_champion(registry: Registry, model: str, bundles: Path, *, store: str | None = None) -> None:
    """Point serving at the champion, in the folder and then in the store, an address that fsspec reaches.

    Completes a promotion that was killed half-way, and else changes nothing. Raises StoreAway.
    """
    champion = registry.champion(model)
    if champion is not None and champion.bundle is not None:
        publish(bundles, model, champion.bundle)
        if store:
            push_published(bundles, model, store)
