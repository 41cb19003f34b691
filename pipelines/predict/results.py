"""What a prediction is made with, and all that it saw."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from datasets.errors import BadInput
from pipelines.predict.places import Source
from pipelines.predict.records import Seen
from pipelines.predict.verdicts import DIRTY, STATUSES, Verdict, judge_all
from training.assessability import Limits, find_hindrance
from training.bundle import Bundle


@dataclass(frozen=True)
class Options:
    """How to predict; `max_samples` of None draws every picture, `threshold` of None is each class's own."""

    threshold: float | None
    max_samples: int | None
    batch: int
    every: int
    limits: Limits


@dataclass(frozen=True)
class Models:
    """At most one detector and one classifier."""

    bundles: tuple[Bundle, ...]

    def __post_init__(self) -> None:
        tasks = [bundle.spec.task for bundle in self.bundles]
        if len(set(tasks)) < len(tasks):
            told = " and ".join(bundle.name for bundle in self.bundles)
            raise BadInput(f"{told} have the same task; give one detector, one classifier, or one of each")

    @property
    def names(self) -> dict[str, str]:
        return {bundle.spec.task: bundle.name for bundle in self.bundles}

    @property
    def detected(self) -> tuple[str, ...]:
        """The classes that a detector tells apart; none without one."""
        return next((bundle.spec.class_names for bundle in self.bundles if bundle.spec.task == "detector"), ())

    @property
    def tell_status(self) -> bool:
        """Whether damage and dirt are both looked for."""
        classified = [bundle.spec.class_names for bundle in self.bundles if bundle.spec.task == "classifier"]
        return bool(self.detected) and any(DIRTY in names for names in classified)


@dataclass(frozen=True)
class Results:
    """All that was seen of all sources that could be read."""

    sources: Sequence[tuple[Source, Seen]]
    skipped: dict[str, str]
    models: Models
    limits: Limits

    @cached_property
    def verdicts(self) -> list[Verdict] | None:
        """A verdict a car; None where the models don't tell enough."""
        if not self.models.tell_status:
            return None
        cars: dict[str, list[Seen]] = {}
        for source, seen in self.sources:
            cars.setdefault(source.car, []).append(seen)
        return judge_all(cars, self.limits)

    def counts(self) -> dict[str, Any]:
        """What a person wants to know first."""
        seen = [each for _, each in self.sources]
        objects = Counter(found.class_name for each in seen for found in each.sure)
        hindrances = Counter(filter(None, (find_hindrance(each.visibility, self.limits) for each in seen)))
        statuses = Counter(verdict.status for verdict in self.verdicts or ())
        return {
            "pictures": len(seen),
            "objects": {name: objects[name] for name in self.models.detected if objects[name]},
            "classes": dict(sorted(Counter(each.best_class for each in seen if each.best_class).items())),
            "hindered": dict(sorted(hindrances.items())),
            "cars": {status: statuses[status] for status in STATUSES if statuses[status]},
        }
