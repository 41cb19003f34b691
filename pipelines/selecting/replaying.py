"""Replay labelling: round by round a strategy chooses, the truth answers, a model learns; each round is one file.

<folder>/settings.json                what decides every round of it
<folder>/rounds/<seed>/start.json     the first images and what is learnt of them, the same for all strategies
<folder>/rounds/<seed>/<strategy>-<n>.json
<folder>/models/…                     what the seed under way has trained
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from datasets.coco import Dataset
from datasets.errors import BadDataset
from datasets.files import read_json, write_json
from datasets.selecting.choosing import choosable, choose
from datasets.selecting.families import select
from datasets.selecting.pool import Answers, Labelled, Pool
from datasets.selecting.settings import SelectionSettings, StrategyName
from datasets.selecting.value import Curve
from datasets.taxonomy import Settings
from pipelines.selecting.candidates import count_labels
from pipelines.selecting.learners import Learned, Learner

_START = "start"
_NEEDS_NOTHING: tuple[StrategyName, ...] = ("random", "families")


class Round(Settings):
    """What a round gave: the images it added, how many are labelled with them, and the quality of what learnt them."""

    chosen: tuple[str, ...]
    labelled: int
    quality: float
    by_class: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What is replayed: the images to learn from, how many at first and per round, and how they are chosen."""

    train: Dataset
    seed_images: int
    budget: int
    selection: SelectionSettings


@dataclass
class Replay:
    """One seed under one strategy, as far as it went."""

    folder: Path
    plan: Plan
    learner: Learner
    strategy: StrategyName
    seed: int
    rounds: list[Round] = field(default_factory=list)

    @property
    def curve(self) -> Curve:
        return [(one.labelled, one.quality) for one in self.rounds]

    def play(self, rounds: int, *, clock: Callable[[], float]) -> Iterator[Round]:
        """The start and up to `rounds` rounds, each as it is finished; those with a file are read.

        Rounds end when the images do. Raises BadDataset for a file that was changed.
        """
        for number in range(len(self.rounds), rounds + 1):
            finished = self._read(number)
            if finished is None:
                started = clock()
                chosen = self._choose(number)
                if not chosen:
                    return
                finished = self._learn(chosen, number)
                finished = finished.model_copy(update={"seconds": round(clock() - started, 2)})
                write_json(self._path(number), finished.model_dump(mode="json"))
            self.rounds.append(finished)
            yield finished

    def _choose(self, number: int) -> Sequence[str]:
        images = self.plan.train.images
        if not number:
            chosen = select(images, taken=(), budget=self.plan.seed_images, seed=self.seed)
            return [image.sha256 for image in chosen]
        waiting = [image for image in images if image.sha256 not in set(self._labelled(number))]
        families = [image.family for image in waiting]
        budget = min(self.plan.budget, choosable(families, per_family=self.plan.selection.per_family))
        if not budget:
            return ()
        pool = Pool([image.sha256 for image in waiting], families, class_names=self.learner.class_names)
        settings = self.plan.selection.model_copy(update={"strategy": self._strategy(number)})
        pool, known = self._evidence(pool, number)
        selection = choose(pool, known, budget=budget, settings=settings, seed=self.seed * 1000 + number)
        return [choice.sha256 for choice in selection.choices]

    def _evidence(self, pool: Pool, number: int) -> tuple[Pool, Labelled]:
        """The pool as the model of the round before sees it, beside the model of the round before that one."""
        labelled = self._labelled(number)
        known = count_labels(self.plan.train.only(labelled))
        if self.strategy in _NEEDS_NOTHING:
            return pool, known
        model = self._model(number)
        champion, embeddings = model.look(pool.keys)
        challenger = self._model(number - 1).look(pool.keys)[0] if number > 1 else Answers()
        seen = Pool(
            pool.keys,
            pool.families,
            class_names=pool.class_names,
            champion=champion,
            challenger=challenger,
            embeddings=embeddings,
        )
        return seen, Labelled(known.counts, known.families, model.embed(labelled))

    def _strategy(self, number: int) -> StrategyName:
        """The strategy, but chance where it wants two models and there is one."""
        return "random" if self.strategy == "disagreement" and number == 1 else self.strategy

    def _labelled(self, number: int) -> list[str]:
        """What is labelled before a round."""
        return [sha256 for one in self.rounds[:number] for sha256 in one.chosen]

    def _model(self, number: int) -> Learned:
        """What learnt from all that was labelled before a round."""
        return self.learner.learn(self._labelled(number), seed=self.seed)

    def _learn(self, chosen: Sequence[str], number: int) -> Round:
        labelled = [*self._labelled(number), *chosen]
        scores = self.learner.learn(labelled, seed=self.seed).score()
        return Round(
            chosen=tuple(chosen), labelled=len(labelled), quality=scores.quality, by_class=scores.by_class, seconds=0
        )

    def _read(self, number: int) -> Round | None:
        path = self._path(number)
        if not path.exists():
            return None
        try:
            return Round.model_validate(read_json(path))
        except ValidationError as error:
            raise BadDataset(f"{path} is no round: {error.error_count()} errors; delete it to play it anew") from None

    def _path(self, number: int) -> Path:
        name = f"{self.strategy}-{number}" if number else _START
        folder = self.folder / "rounds" / str(self.seed)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.json"
