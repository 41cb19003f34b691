"""How much of what models draw people leave as it is: by class, score, model and annotator."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.comparison import VERDICTS, Verdict
from datasets.ledger.records import Outcomes
from datasets.ledger.report.intervals import Share, share

BINS = 10


@dataclass(frozen=True)
class Group:
    """Objects of one name by fate. `accepted` is the share of pre-labels; `moved_iou` the median of the moved ones."""

    name: str
    verdicts: Mapping[Verdict, int]
    accepted: Share | None
    moved_iou: float | None

    @property
    def prelabels(self) -> int:
        return sum(count for verdict, count in self.verdicts.items() if verdict != "added")


@dataclass(frozen=True)
class Reclassing:
    """How often one class was changed to another."""

    before: str
    after: str
    count: int


def by_class(outcomes: Outcomes) -> tuple[Group, ...]:
    """By the model's class, and where people added what it had missed by theirs; the commonest first."""
    tags = set(outcomes.before_category[outcomes.kind == "tag"]) | set(outcomes.after_category[outcomes.kind == "tag"])
    names = np.where(outcomes.verdict == "added", outcomes.after_category, outcomes.before_category)
    shown = {name: f"{name} (tag)" if name in tags else name for name in set(names)}
    return _groups([shown[name] for name in names], outcomes)


def by_score(outcomes: Outcomes) -> tuple[Group, ...]:
    """Pre-labels that have a score in ten bins, the lowest first; an empty one is left out."""
    scored = outcomes.where(~np.isnan(outcomes.score) & (outcomes.verdict != "added"))
    bins = np.clip(np.floor(scored.score * BINS + 1e-9), 0, BINS - 1).astype(int)
    names = [f"{low / BINS:.1f}–{(low + 1) / BINS:.1f}" for low in bins.tolist()]
    return tuple(sorted(_groups(names, scored), key=lambda group: group.name))


def by_model(outcomes: Outcomes) -> tuple[Group, ...]:
    """By model version (`name@version`)."""
    drawn = outcomes.where(outcomes.verdict != "added")
    return _groups([name or "no model named" for name in drawn.model], drawn)


def by_annotator(outcomes: Outcomes, assignees: Mapping[int, str | None]) -> tuple[Group, ...]:
    """By whom the job was assigned to when it was pulled."""
    return _groups([assignees[job_id] or "nobody named" for job_id in outcomes.job_id.tolist()], outcomes)


def reclassings(outcomes: Outcomes) -> tuple[Reclassing, ...]:
    """What classes were changed to, the commonest first."""
    changed = outcomes.where(outcomes.verdict == "reclassed")
    counts = Counter(zip(changed.before_category, changed.after_category, strict=True))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Reclassing(before, after, count) for (before, after), count in ordered)


def of_prelabelled_jobs(outcomes: Outcomes, prelabelled: Collection[int]) -> Outcomes:
    """All pre-labels, and what was added where there were some: elsewhere everything is drawn, and nothing missed."""
    jobs = np.isin(outcomes.job_id, np.array(sorted(prelabelled), np.int64))
    return outcomes.where(jobs | (outcomes.verdict != "added"))


def group(name: str, verdicts: Iterable[str], ious: Sequence[float]) -> Group:
    """One group of objects; `ious` are those of the moved ones."""
    counts = Counter(verdicts)
    drawn = sum(count for verdict, count in counts.items() if verdict != "added")
    known = [iou for iou in ious if not np.isnan(iou)]
    median = float(np.median(known)) if known else None
    return Group(name, {v: counts[v] for v in VERDICTS}, share(counts["accepted"], drawn), median)


def _groups(names: Sequence[str], outcomes: Outcomes) -> tuple[Group, ...]:
    """Objects by name, those of which there are most pre-labels first."""
    if not names:
        return ()
    found, group_of = np.unique(np.array(names, object), return_inverse=True)
    members = [outcomes.where(group_of == number) for number in range(len(found))]
    groups = [
        group(name, one.verdict, one.iou[one.verdict == "moved"].tolist())
        for name, one in zip(found, members, strict=True)
    ]
    return tuple(sorted(groups, key=lambda one: (-one.prelabels, one.name)))
