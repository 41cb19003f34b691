"""What `carloop simulate` does: replay a labelled set under strategies and seeds, and draw what labels bring."""

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from datasets.coco import Annotation, Dataset, Image, Tag, make_dataset, with_negatives
from datasets.errors import BadInput
from datasets.files import digest, write_bytes, write_json
from datasets.importing.truth import TruthFolder, TruthImage, read_truth
from datasets.selecting.settings import StrategyName
from datasets.selecting.value import Curve, first_stop, mean_curve, next_round, reached
from datasets.split import split_of
from datasets.store import probe
from datasets.taxonomy import Settings
from pipelines.errors import BadProject, RunBusy
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.selecting.detector_learner import DetectorLearner
from pipelines.selecting.drawing import draw_curves
from pipelines.selecting.handmade import Embed, featurise, handmade
from pipelines.selecting.learners import FrozenLearner, Learner
from pipelines.selecting.replaying import Plan, Replay
from pipelines.selecting.value_page import draw_value_page
from training.bundle import Bundle, read_bundle

LearnerName = Literal["frozen", "detector"]
BASELINE: StrategyName = "random"
_KEY_LENGTH = 12


class SimulationSettings(Settings):
    """What is replayed; every round depends on all of it."""

    learner: LearnerName = "frozen"
    seed_images: int = Field(20, gt=0, description="images labelled at first, of as many families as can be")
    budget: int = Field(20, gt=0, description="images labelled per round")
    features: str | None = Field(None, description="digest of the bundle that embeds pictures for the frozen learner")


@dataclass(frozen=True)
class Simulation:
    """One truth folder under one set of settings, and where its rounds lie."""

    folder: Path
    project: Project
    settings: SimulationSettings
    truth: Path
    train: Dataset
    test: Dataset

    @property
    def plan(self) -> Plan:
        return Plan(self.train, self.settings.seed_images, self.settings.budget, self.project.selection)


@dataclass(frozen=True)
class Wanted:
    """How much of it: strategies, the first so many seeds, rounds after the start."""

    strategies: Sequence[StrategyName]
    seeds: int
    rounds: int

    @property
    def replays(self) -> list[tuple[int, StrategyName]]:
        return [(seed, strategy) for seed in range(self.seeds) for strategy in self.strategies]


def simulate(
    project: Project,
    truth: Path,
    home: Path,
    settings: SimulationSettings,
    wanted: Wanted,
    progress: Progress,
    *,
    features: Path | None = None,
) -> dict[str, Any]:
    """Replay, write `value.json`, `value.png` and `value.html`, and give what to tell.

    Killed anywhere, the same call goes on after the last finished round; more seeds, rounds or strategies go on with
    what there is.

    Raises:
        CarloopError: in one sentence, whatever a person can mend.
    """
    bundle = read_bundle(features.parent, features.name) if features else None
    settings = settings.model_copy(update={"features": bundle.digest if bundle else None})
    with progress.step(f"read {truth}"):
        photographs = read_truth(truth, project.taxonomy, project.truth)
        simulation = open_simulation(project, truth, photographs, home, settings)
    _check(simulation, wanted)
    with _alone(simulation.folder):
        write_json(simulation.folder / "settings.json", _decisive(project, settings, photographs))
        learner = make_learner(simulation, bundle, progress)
        curves = _play(simulation, learner, wanted, progress)
        told = summarise(curves, simulation, learner.metric, wanted)
        _write(simulation.folder, told)
    return told


def open_simulation(
    project: Project, truth: Path, photographs: TruthFolder, home: Path, settings: SimulationSettings
) -> Simulation:
    """The simulation that these inputs name. Raises BadProject where all families fall on one side of the split."""
    images = [_image(image, truth, project) for image in photographs.images]
    sides = {side: [image.sha256 for image in images if image.split == side] for side in ("train", "test")}
    if not all(sides.values()):
        raise BadProject(
            f"all {len(images)} images of {truth} fall on one side of the split; add photographs or change split: "
            "test_fraction:"
        )
    annotations = [
        Annotation(image.sha256, category_id, bbox_xywh)
        for image in photographs.images
        for category_id, bbox_xywh in image.boxes
    ]
    whole = with_negatives(make_dataset(project.taxonomy, images, annotations), photographs.annotated_ids)
    key = digest(_decisive(project, settings, photographs))[:_KEY_LENGTH]
    folder = home / "simulations" / f"{project.name}-{key}"
    return Simulation(folder, project, settings, truth, whole.only(sides["train"]), whole.only(sides["test"]))


def _image(image: TruthImage, truth: Path, project: Project) -> Image:
    facts = probe(image.path.read_bytes())
    return Image(
        image.sha256,
        str(image.path.relative_to(truth)),
        facts.width,
        facts.height,
        family=image.family,
        split=split_of(image.family, seed=project.seed, settings=project.split),
        tags=tuple(Tag(tag_id) for tag_id in image.tag_ids),
    )


def _decisive(project: Project, settings: SimulationSettings, photographs: TruthFolder) -> dict[str, Any]:
    """What every round depends on. How one strategy is called and when to stop decides nothing."""
    images = sorted([i.sha256, i.family, i.boxes, i.tag_ids] for i in photographs.images)
    selection = project.selection.model_dump(mode="json", exclude={"strategy", "stop"})
    training = project.training.detector.model_dump(mode="json") if settings.learner == "detector" else None
    return {
        "truth": digest([images, sorted(photographs.annotated_ids)]),
        "categories": [category.model_dump(mode="json") for category in project.categories],
        "split": {"seed": project.seed, **project.split.model_dump(mode="json")},
        "selection": selection,
        "detector": training,
        **settings.model_dump(mode="json"),
    }


def _check(simulation: Simulation, wanted: Wanted) -> None:
    if not wanted.strategies:
        raise BadInput("no strategy to simulate; name one or more with --strategies")
    images, least = len(simulation.train.images), simulation.settings.seed_images + simulation.settings.budget
    if least > images:
        raise BadInput(
            f"{simulation.settings.seed_images} images at first and {simulation.settings.budget} a round are {least}, "
            f"and {simulation.truth} has {images} to learn from; ask for fewer"
        )


def make_learner(simulation: Simulation, bundle: Bundle | None, progress: Progress) -> Learner:
    """The learner that the settings name; features are made once and kept."""
    train, test = simulation.train, simulation.test
    if simulation.settings.learner == "detector":
        settings, models = simulation.project.training.detector, simulation.folder / "models"
        least_score = simulation.project.selection.least_score
        return DetectorLearner(train, test, simulation.truth, models, settings, least_score)
    images = [*train.images, *test.images]
    with progress.step(f"features of {len(images)} images", total=len(images)) as step:
        features = featurise(images, simulation.truth, _embed(bundle), advance=step.advance)
    return FrozenLearner({image.sha256: row for image, row in zip(images, features, strict=True)}, train, test)


def _embed(bundle: Bundle | None) -> Embed:
    if bundle is None:
        return handmade
    from pipelines.selecting.features import Embedder

    return Embedder(bundle).embed


def _play(
    simulation: Simulation, learner: Learner, wanted: Wanted, progress: Progress
) -> dict[StrategyName, dict[int, Curve]]:
    """Each strategy's curves by seed."""
    curves: dict[StrategyName, dict[int, Curve]] = {strategy: {} for strategy in wanted.strategies}
    total = len(wanted.replays) * (wanted.rounds + 1)
    with progress.step(f"replay {total} rounds", total=total) as step:
        pace = _Pace(total)
        for seed, strategy in wanted.replays:
            replay = Replay(simulation.folder, simulation.plan, learner, strategy, seed)
            for number, finished in enumerate(replay.play(wanted.rounds, clock=time.monotonic)):
                left = pace.advance()
                step.advance(note=left)
                progress.say(
                    f"    seed {seed} {strategy} round {number}: {finished.labelled} images, "
                    f"{learner.metric} {finished.quality:.3f}{left}"
                )
            curves[strategy][seed] = replay.curve
            if strategy == wanted.strategies[-1]:
                learner.forget(seed=seed)
    return curves


class _Pace:
    """How long the rounds that are left may take, by those that were not there already."""

    def __init__(self, total: int) -> None:
        self._left, self._done, self._last, self._spent = total, 0, time.monotonic(), 0.0

    def advance(self) -> str:
        took, self._last = time.monotonic() - self._last, time.monotonic()
        self._left -= 1
        if took > _QUICK_SECONDS:
            self._done, self._spent = self._done + 1, self._spent + took
        if not self._done or not self._left:
            return ""
        return f", about {self._left * self._spent / self._done / 60:.0f} min left"


_QUICK_SECONDS = 0.5  # a round that was read from its file


def summarise(
    curves: Mapping[StrategyName, Mapping[int, Curve]], simulation: Simulation, metric: str, wanted: Wanted
) -> dict[str, Any]:
    """The curves with intervals, each strategy against random, and what the stop rule says."""
    stop, budget = simulation.project.selection.stop, simulation.settings.budget
    told: dict[str, Any] = {
        "metric": metric,
        "learner": simulation.settings.learner,
        "seeds": wanted.seeds,
        "train_images": len(simulation.train.images),
        "test_images": len(simulation.test.images),
        "folder": str(simulation.folder),
        "stop_rule": stop.model_dump(),
        "strategies": {},
    }
    for strategy, by_seed in curves.items():
        points = mean_curve([*by_seed.values()])
        means = [(point.labelled, point.quality.mean) for point in points]
        following = next_round(means, budget=budget, settings=stop)
        told["strategies"][strategy] = {
            "points": [asdict(point) for point in points],
            "by_seed": {str(seed): [list(point) for point in curve] for seed, curve in by_seed.items()},
            "labels_for_the_quality_of_random": (
                asdict(reached(by_seed, curves[BASELINE])) if BASELINE in curves and strategy != BASELINE else None
            ),
            "next_round": following and {**asdict(following), "stop": following.stop},
            "would_have_stopped_at": first_stop(means, budget=budget, settings=stop),
        }
    return told


def _write(folder: Path, told: Mapping[str, Any]) -> None:
    drawn = draw_curves(told)
    write_bytes(folder / "value.png", drawn)
    write_bytes(folder / "value.html", draw_value_page(told, drawn))
    write_json(folder / "value.json", told)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """This process's folder until the block ends. Raises RunBusy."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunBusy(f"another process is simulating in {folder}; wait for it to end, or end it") from None
        yield
