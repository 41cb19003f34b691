"""How often a model takes over that is no better: pairs of classifiers of one recipe and data, with other seeds.

    python -m benchmarks.same_recipe [--pairs 30] [--spread-models 10] [--better-pairs 10] [--home DIR] [--json]

Each model is a small convolutional network, trained from scratch on the same rendered cars to tell clean from dirty;
only the seed differs. How much the seed alone moves the metric is measured on models of their own, as `carloop model
spread` does. The decision is the one that `carloop model promote` makes: without `seed_spread`, with the default, and
with the measured one. Told are the shares of pairs in which the second was promoted, with their intervals. Models that
are better by construction, for they learnt from eight times as many cars in as many steps, have to be promoted.

It goes on where it was when it is run again. Exit code 1 if, with the measured spread, models that are alike are
promoted more often than the confidence allows, or one that is better is not.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.same_recipe_models import SIDE, Pictures, Training, answers, for_testing, read_pictures, render
from datasets.coco import Dataset, Image, Tag, make_dataset
from datasets.taxonomy import Category, Taxonomy
from pipelines.progress import Progress
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.matching import Floats
from training.evaluation.seeds import SeedSpread, measure_spread
from training.promotion import decide
from training.settings import PromotionSettings

TAXONOMY = Taxonomy(categories=(Category(name="clean", kind="tag"), Category(name="dirty", kind="tag")))
FEWER = 8
"""How many times fewer cars the models learnt from that have to be beaten."""

Pair = tuple[ClassifierEvaluation, ClassifierEvaluation]


@dataclass(frozen=True)
class Plan:
    """Whose seeds are whose: none is in two of these."""

    spread: Sequence[Training]
    first: Sequence[Training]
    second: Sequence[Training]
    weaker: Sequence[Training]

    @property
    def all(self) -> list[Training]:
        return [*self.spread, *self.first, *self.second, *self.weaker]


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), default=30, show_default=True)
@click.option("--spread-models", type=click.IntRange(min=3), default=10, show_default=True, help="To measure by.")
@click.option("--better-pairs", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--train-cars", type=click.IntRange(min=FEWER), default=120, show_default=True)
@click.option("--test-cars", type=click.IntRange(min=4), default=250, show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=15, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the cars.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Models trained at a time.")
@click.option("--home", type=click.Path(path_type=Path), default=Path(".carloop/same-recipe"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    pairs: int,
    spread_models: int,
    better_pairs: int,
    train_cars: int,
    test_cars: int,
    epochs: int,
    seed: int,
    jobs: int,
    home: Path,
    as_json: bool,
) -> None:
    """Promote among models that are alike, and some that are better."""
    progress, kept = Progress(Console(stderr=True)), home / f"cars-{seed}-{train_cars + test_cars}-{SIDE}.npz"
    plan = make_plan(
        Training(train_cars, epochs, 0, train_cars, test_cars, seed),
        pairs=pairs,
        spread_models=spread_models,
        better_pairs=min(better_pairs, pairs),
    )
    with progress.step(f"render {train_cars + test_cars} cars"):
        render(kept, cars=train_cars + test_cars, seed=seed)
    with progress.step(f"train {len(plan.all)} models", total=len(plan.all)) as step:
        dirt = answers(home, kept, plan.all, jobs=jobs, on_model=step.advance)
    with progress.step(f"play {2 * pairs} models"):
        result = play(plan, dirt, for_testing(read_pictures(kept), plan.first[0]))
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))
    sys.exit(0 if is_kept(result) else 1)


def make_plan(recipe: Training, *, pairs: int, spread_models: int, better_pairs: int) -> Plan:
    """Seeds from 0 on for the pairs, then for the spread, then for the weaker models."""

    def with_seeds(
        first: int, count: int, cars: int = recipe.train_cars, epochs: int = recipe.epochs
    ) -> list[Training]:
        common = {**asdict(recipe), "train_cars": cars, "epochs": epochs}
        return [Training(**{**common, "seed": first + number}) for number in range(count)]

    return Plan(
        spread=with_seeds(2 * pairs, spread_models),
        first=with_seeds(0, pairs),
        second=with_seeds(pairs, pairs),
        weaker=with_seeds(
            2 * pairs + spread_models, better_pairs, max(1, recipe.train_cars // FEWER), FEWER * recipe.epochs
        ),
    )


def play(plan: Plan, dirt: Mapping[Training, Floats], test: Pictures) -> dict[str, Any]:
    """Measure the spread on its models, then let the second of each pair try to take over."""
    truth = truth_of(test)
    found = {training: evaluation(truth, dirt[training]) for training in plan.all}
    spread = measure_spread([found[training] for training in plan.spread])
    alike = [(found[first], found[second]) for first, second in zip(plan.first, plan.second, strict=True)]
    better = [(found[weak], found[strong]) for weak, strong in zip(plan.weaker, plan.first, strict=False)]
    settings = {
        "none": PromotionSettings(seed_spread=0),
        "default": PromotionSettings(),
        "measured": PromotionSettings(seed_spread=spread.spread),
    }
    return {
        "train_cars": plan.first[0].train_cars,
        "epochs": plan.first[0].epochs,
        "test_cars": len(set(test.cars.tolist())),
        "test_photographs": len(test.dirty),
        "macro_f1": _range([one for pair in alike for one in pair]),
        "macro_f1_of_weaker": _range([weak for weak, _ in better]),
        "seed_spread": _told(spread),
        "default_seed_spread": settings["default"].seed_spread,
        "allowed": round(1 - settings["none"].confidence, 6),
        "alike": {name: share(alike, one) for name, one in settings.items()},
        "better": {name: share(better, one) for name, one in settings.items()},
    }


def is_kept(result: Mapping[str, Any]) -> bool:
    """Whether with the measured spread alike ones are promoted seldom enough, and better ones always."""
    alike, better = result["alike"]["measured"], result["better"]["measured"]
    return bool(alike["share"] <= result["allowed"] and better["promoted"] == better["pairs"])


def _told(spread: SeedSpread) -> dict[str, Any]:
    return {"models": len(spread.values), **{name: v for name, v in asdict(spread).items() if name != "values"}}


def _range(models: Sequence[ClassifierEvaluation]) -> dict[str, float]:
    import numpy as np

    scores = [float(model.primary(np.ones((1, len(model.truth.images))))[0]) for model in models]
    return {"mean": statistics.mean(scores), "least": min(scores), "greatest": max(scores)}


def truth_of(pictures: Pictures) -> Dataset:
    """The pictures as a dataset in their order."""
    images = [
        Image(f"{number:064x}", f"{number}.jpg", SIDE, SIDE, family=f"car {car}", tags=(Tag(1 + int(dirty)),))
        for number, (car, dirty) in enumerate(zip(pictures.cars.tolist(), pictures.dirty.tolist(), strict=True))
    ]
    return make_dataset(TAXONOMY, images, ())


def evaluation(truth: Dataset, dirt: Floats) -> ClassifierEvaluation:
    """From the probability of dirt on each picture, (N,)."""
    results = [
        {"image_id": number, "category_id": category_id, "score": score}
        for number, dirty in enumerate(dirt.tolist(), start=1)
        for category_id, score in ((1, 1 - dirty), (2, dirty))
    ]
    return ClassifierEvaluation(truth, results)


def share(pairs: Sequence[Pair], settings: PromotionSettings) -> dict[str, float]:
    """In how many pairs the second takes over, with the Wilson interval of that share."""
    promoted = sum(decide(first, second, settings).promote for first, second in pairs)
    low, high = binomtest(promoted, len(pairs)).proportion_ci(method="wilson")
    return {"pairs": len(pairs), "promoted": promoted, "share": promoted / len(pairs), "low": low, "high": high}


def table(result: Mapping[str, Any]) -> Table:
    """The share of pairs in which the second takes over."""
    found, weaker, spread = (result[key] for key in ("macro_f1", "macro_f1_of_weaker", "seed_spread"))
    title = (
        f"{result['train_cars']} cars to learn from, {result['test_photographs']} photographs of "
        f"{result['test_cars']} to test on, {result['epochs']} epochs"
    )
    caption = (
        f"macro F1 {found['mean']:.4f} ({found['least']:.4f}–{found['greatest']:.4f}), of the weaker "
        f"{weaker['mean']:.4f} ({weaker['least']:.4f}–{weaker['greatest']:.4f}); over {spread['models']} other seeds "
        f"its standard deviation is {spread['observed']:.4f}, {spread['luck']:.4f} of which is luck with these cars: "
        f"seed_spread {spread['spread']:.4f}. Alike, {result['allowed']:.0%} of pairs may be promoted."
    )
    shown = Table("pairs of models", "seed_spread", "promoted", "share (95 % interval)", title=title, caption=caption)
    values = {"none": 0.0, "default": result["default_seed_spread"], "measured": spread["spread"]}
    for kind, name in (("alike", "alike"), ("better", "the second better")):
        for key, value in values.items():
            one = result[kind][key]
            told = f"{one['share']:.1%} ({one['low']:.1%}–{one['high']:.1%})"
            shown.add_row(name, f"{key}: {value:.4f}", f"{one['promoted']} of {one['pairs']}", told)
    return shown


if __name__ == "__main__":
    main()
