"""A challenger at work beside the champion: on a share of new frames its pre-labels are shown in the champion's place.

Who shows which frame is decided by the hash of its family and of what it is shown in, so that reruns agree, nobody
chooses, and the photographs of one car have one model's. Which of the two people corrected less is asked of the
ledger's outcomes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.ledger import Outcomes
from datasets.split import unit_hash
from training.evaluation.matching import Floats, Ints
from training.evaluation.resampling import Estimate, estimate, resampled_weights, share_above
from training.evaluation.subject import RESAMPLES
from training.settings import PromotionSettings

FEWEST_FRAMES, FEWEST_FAMILIES = 20, 10
_SALT = 0x5AD0


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """An image of a job that people accepted, and the models (name@version) whose pre-labels they were shown there."""

    job_id: int
    sha256: str
    family: str
    models: frozenset[str]


@dataclass(frozen=True)
class ShadowVerdict:
    """Corrections a frame of each, and on how many frames; `fewer` is how many fewer the challenger needs.

    `certainty` is the share of resamples, in [0, 1], in which it needs fewer; families are resampled. `is_enough` says
    whether people saw enough frames of both to tell.
    """

    champion_frames: int
    challenger_frames: int
    champion: Estimate
    challenger: Estimate
    fewer: Estimate
    certainty: float
    is_better: bool
    is_enough: bool
    told: str


def assign(families: Iterable[str], share: float, *, run: str = "") -> set[str]:
    """Those of the families that the challenger shows; more with a greater share, and then the same ones too.

    `run` is what they are shown in: in another one others are drawn.
    """
    return {family for family in families if unit_hash(f"{run}{family}", seed=_SALT) < share}


def judge_shadow(
    outcomes: Outcomes,
    champion: str,
    challenger: str,
    *,
    frames: Iterable[ShownFrame],
    confidence: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ShadowVerdict:
    """Compare what people had to correct on the frames of each model; models are name@version.

    `frames` are those that were shown either, also where it found nothing. An object that was moved, re-classed,
    deleted or added is one correction: of a classifier's frames tags count, of a detector's all else.
    """
    mine = [frame for frame in frames if len(frame.models & {champion, challenger}) == 1]
    counts = _corrections(_of_their_kind(outcomes, champion, challenger), mine)
    theirs = np.array([challenger in frame.models for frame in mine], bool)
    weights = _weights(mine, resamples=resamples, seed=seed)
    ours, new = (_means(counts, weights, chosen) for chosen in (~theirs, theirs))
    known = int((~theirs).sum()), int(theirs.sum()), estimate(ours), estimate(new)
    if few := _too_few(mine, champion, challenger):
        return ShadowVerdict(*known, Estimate(None, None, None), 0.0, False, False, few)
    certainty = share_above(ours - new, 0.0)
    told = (
        f"people corrected {new[0]:.2f} objects a frame of {challenger} and {ours[0]:.2f} of {champion}: "
        f"fewer with {certainty:.1%} certainty where {confidence:.0%} is asked for"
    )
    return ShadowVerdict(*known, estimate(ours - new), certainty, certainty >= confidence, True, told)


def shadow_refusals(verdict: ShadowVerdict | None, settings: PromotionSettings) -> list[str]:
    """Why what people corrected does not let a challenger take over; nothing where it does, or is not asked for."""
    if not settings.shadow_required or (verdict is not None and verdict.is_better):
        return []
    if verdict is None or not verdict.challenger_frames:
        remedy = "" if settings.shadow_share else "; set training: promotion: shadow_share: above 0"
        return [f"it has not pre-annotated frames beside the champion, which is asked for{remedy}"]
    return [verdict.told]


def _of_their_kind(outcomes: Outcomes, champion: str, challenger: str) -> Outcomes:
    """The fates that the two decide: beside a detector a classifier may be at work, whose tags are not its doing."""
    drawn = set(outcomes.kind[(outcomes.model == champion) | (outcomes.model == challenger)].tolist())
    return outcomes.where((outcomes.kind == "tag") == (drawn == {"tag"}))


def _corrections(outcomes: Outcomes, frames: Sequence[ShownFrame]) -> Floats:
    """(F,): how many corrections each frame took."""
    corrected = outcomes.where(outcomes.verdict != "accepted")
    counts = Counter(zip(corrected.job_id.tolist(), corrected.sha256.tolist(), strict=True))
    return np.array([counts[frame.job_id, frame.sha256] for frame in frames], float)


def _means(counts: Floats, weights: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """(1 + resamples,): the mean of the chosen frames; NaN where none of them was drawn."""
    drawn = weights[:, chosen].sum(1)
    means: Floats = np.divide(
        weights[:, chosen] @ counts[chosen], drawn, out=np.full(len(drawn), np.nan), where=drawn > 0
    )
    return means


def _weights(frames: Sequence[ShownFrame], *, resamples: int, seed: int) -> Floats:
    """(1 + resamples, F): how often each frame counts, families being drawn."""
    if not frames:
        return np.ones((1 + resamples, 0))
    families: Ints = np.unique([frame.family for frame in frames], return_inverse=True)[1].astype(np.int64)
    return resampled_weights(families, resamples=resamples, seed=seed)


def _too_few(frames: Sequence[ShownFrame], champion: str, challenger: str) -> str:
    """Why nothing can be told yet; "" when it can."""
    of = {model: [frame for frame in frames if model in frame.models] for model in (challenger, champion)}
    families = {model: len({frame.family for frame in found}) for model, found in of.items()}
    missing = [
        f"{most - count} {what} of {model}'s"
        for model in of
        for count, most, what in ((len(of[model]), FEWEST_FRAMES, "frames"), (families[model], FEWEST_FAMILIES, "cars"))
        if count < most
    ]
    if not missing:
        return ""
    seen = " and ".join(f"{len(of[model])} frames of {families[model]} cars with {model}'s" for model in of)
    needed = f"{FEWEST_FRAMES} of each are needed, of {FEWEST_FAMILIES} cars, to tell which they correct less"
    return f"people have accepted {seen} pre-labels; {needed}: {', '.join(missing)} are missing"
