"""A model's version as the registry tells it, and as it lies in MLflow's tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Event = Literal["promoted", "rolled back"]

KEY = "carloop.key"
DATASET = "carloop.dataset"
PARENT = "carloop.parent"
BUNDLE = "carloop.bundle"
METRIC = "carloop.metric."
INTERVAL = "carloop.interval."
TEST_SET = "carloop.test_set"
PARITY = "carloop.parity."
DECISION = "carloop.decision"
JUDGED = "carloop.judged"
_AGREES, _DIFFERS = "agrees: ", "differs: "


@dataclass(frozen=True)
class RegisteredVersion:
    """One trained model. `bundle` and `metrics` are there once it is described; `parent` is a version's number.

    `intervals` are (low, high) of metrics on `test_set`; `parity` says by exported format whether it agrees with the
    trained model, and how far, `decision` why it was promoted or not, `judged_by` the key of the round that judged it
    after people had seen it. A version that is not described has none of them.
    """

    model: str
    version: str
    key: str
    dataset: str
    parent: str | None
    weights: Path
    bundle: str | None
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    test_set: str | None = None
    parity: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    decision: str | None = None
    judged_by: str | None = None

    @property
    def name(self) -> str:
        return f"{self.model}@{self.version}"


@dataclass(frozen=True)
class Turn:
    """A version became champion: `at` is ISO 8601, `reason` in words, `by` the key of the round that decided."""

    at: str
    event: Event
    version: str
    reason: str = ""
    by: str = ""


def registered_of(found: "ModelVersion") -> RegisteredVersion:
    tags = found.tags
    return RegisteredVersion(
        model=found.name,
        version=str(found.version),
        key=tags[KEY],
        dataset=tags[DATASET],
        parent=tags.get(PARENT),
        weights=Path(found.source) / "weights.safetensors",
        bundle=tags.get(BUNDLE),
        metrics={name: float(value) for name, value in _under(tags, METRIC).items()},
        intervals={name: _pair(value) for name, value in _under(tags, INTERVAL).items()},
        test_set=tags.get(TEST_SET),
        parity={name: _parity(told) for name, told in _under(tags, PARITY).items()},
        decision=tags.get(DECISION),
        judged_by=tags.get(JUDGED),
    )


def turns_before(turns: Sequence[Turn], key: str) -> list[Turn]:
    """Those before the last ones, as far as the round of `key` noted these."""
    left = list(turns)
    while left and left[-1].by == key:
        left.pop()
    return left


def _under(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name[len(prefix) :]: tags[name] for name in sorted(tags) if name.startswith(prefix)}


def _pair(text: str) -> tuple[float, float]:
    low, high = map(float, text.split())
    return low, high


def parity_text(agrees: bool, told: str) -> str:
    """The value of a parity's tag."""
    return f"{_AGREES if agrees else _DIFFERS}{told}"


def _parity(told: str) -> tuple[bool, str]:
    return told.startswith(_AGREES), told.partition(": ")[2]
