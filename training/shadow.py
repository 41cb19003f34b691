"""A challenger at work beside the champion: on a share of new frames its pre-labels are shown in the champion's place.

Who shows which frame is decided by the frame's hash, so that reruns agree and nobody chooses. Which of the two people
corrected less is asked of the ledger's outcomes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from datasets.ledger import Outcomes
from datasets.split import unit_hash
from training.evaluation.matching import Floats
from training.evaluation.resampling import Estimate, estimate, share_above

FEWEST_FRAMES = 20
_SALT = 0x5AD0


@dataclass(frozen=True)
class ShadowVerdict:
    """Corrections a frame of each, and on how many frames; `fewer` is how many fewer the challenger needs.

    `certainty` is the share of resamples, in [0, 1], in which it needs fewer.
    """

    champion_frames: int
    challenger_frames: int
    champion: float | None
    challenger: float | None
    fewer: Estimate
    certainty: float
    is_better: bool
    told: str


def assign(sha256s: Iterable[str], share: float) -> set[str]:
    """Those of the frames that the challenger shows; more with a greater share, and then the same ones too."""
    return {sha256 for sha256 in sha256s if unit_hash(sha256, seed=_SALT) < share}


def judge_shadow(
    outcomes: Outcomes,
    champion: str,
    challenger: str,
    *,
    frames: dict[str, str],
    confidence: float,
    resamples: int = 1000,
    seed: int = 0,
) -> ShadowVerdict:
    """Compare what people had to correct on the frames of each model; models are name@version.

    `frames` says by SHA-256 which of the two was shown there: a frame on which a model found nothing has no pre-label
    that could tell. An object that was moved, re-classed, deleted or added is one correction.
    """
    ours = _corrections(outcomes, [sha256 for sha256, model in frames.items() if model == champion])
    theirs = _corrections(outcomes, [sha256 for sha256, model in frames.items() if model == challenger])
    if min(len(ours), len(theirs)) < FEWEST_FRAMES:
        return _undecided(champion, challenger, ours, theirs)
    generator = np.random.default_rng(seed)
    fewer = _resampled(ours, resamples, generator) - _resampled(theirs, resamples, generator)
    certainty = share_above(fewer, 0.0)
    told = (
        f"people corrected {theirs.mean():.2f} objects a frame of {challenger} and {ours.mean():.2f} of {champion}: "
        f"fewer with {certainty:.1%} certainty where {confidence:.0%} is asked for"
    )
    return ShadowVerdict(
        len(ours),
        len(theirs),
        float(ours.mean()),
        float(theirs.mean()),
        estimate(fewer),
        certainty,
        certainty >= confidence,
        told,
    )


def shown_models(outcomes: Outcomes, champion: str, challenger: str) -> dict[str, str]:
    """Which of the two was shown on a frame, by SHA-256, as far as pre-labels tell; where both were, neither counts."""
    shown: dict[str, set[str]] = {}
    for sha256, model in zip(outcomes.sha256, outcomes.model, strict=True):
        if model in (champion, challenger):
            shown.setdefault(str(sha256), set()).add(str(model))
    return {sha256: models.pop() for sha256, models in shown.items() if len(models) == 1}


def _corrections(outcomes: Outcomes, sha256s: list[str]) -> Floats:
    """(F,): how many corrections each frame took."""
    places = {sha256: place for place, sha256 in enumerate(sha256s)}
    counts = np.zeros(len(sha256s))
    for sha256, verdict in zip(outcomes.sha256, outcomes.verdict, strict=True):
        if verdict != "accepted" and (place := places.get(str(sha256))) is not None:
            counts[place] += 1
    return counts


def _resampled(counts: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    """(1 + resamples,): the mean, as it is and of frames drawn anew."""
    drawn = generator.integers(0, len(counts), (resamples, len(counts)))
    means: Floats = np.concatenate([[counts.mean()], counts[drawn].mean(1)])
    return means


def _undecided(champion: str, challenger: str, ours: Floats, theirs: Floats) -> ShadowVerdict:
    told = (
        f"people have seen {len(theirs)} frames of {challenger} and {len(ours)} of {champion}; "
        f"{FEWEST_FRAMES} of each are needed to tell which they correct less"
    )
    means = [float(one.mean()) if len(one) else None for one in (ours, theirs)]
    return ShadowVerdict(len(ours), len(theirs), means[0], means[1], Estimate(None, None, None), 0.0, False, told)
