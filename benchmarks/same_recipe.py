"""How often a model takes over that is no better: pairs of classifiers of one recipe and data, with other seeds.

    python -m benchmarks.same_recipe [--pairs 30] [--train-cars 80] [--test-cars 80] [--epochs 30] [--json]

Each model is a small convolutional network, trained from scratch on the same rendered cars to tell clean from dirty;
only the seed differs. The decision is the one that `carloop model promote` makes. Told are the share of pairs in which
the second was promoted, with its interval; how much the seed alone moves the metric, which is what `seed_spread` in the
project file ought to be; the share with none, with the default and with that; and whether a model that is better by
construction (trained on all the cars for the whole time, against one on a quarter of them for a quarter of it) is
promoted.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from datasets.coco import Dataset, Image, Tag, make_dataset
from datasets.taxonomy import Category, Taxonomy
from training.evaluation.classification import ClassifierEvaluation
from training.evaluation.matching import Floats, Ints
from training.promotion import decide
from training.settings import PromotionSettings

SIDE = 48
TAXONOMY = Taxonomy(categories=(Category(name="clean", kind="tag"), Category(name="dirty", kind="tag")))
_BATCH, _THREADS, _BETTER_PAIRS = 16, 1, 5


@dataclass(frozen=True)
class Pictures:
    """N pictures, (N, 3, SIDE, SIDE) in [0, 1]; `dirty` is (N,) of 0 and 1, `families` their cars' names."""

    pixels: Floats
    dirty: Ints
    families: Sequence[str]


@click.command()
@click.option("--pairs", type=click.IntRange(min=2), default=30, show_default=True)
@click.option("--train-cars", type=click.IntRange(min=4), default=80, show_default=True)
@click.option("--test-cars", type=click.IntRange(min=4), default=80, show_default=True)
@click.option("--epochs", type=click.IntRange(min=4), default=30, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the cars.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(pairs: int, train_cars: int, test_cars: int, epochs: int, seed: int, as_json: bool) -> None:
    """Promote among models that are alike, and one that is better."""
    with Console(stderr=True).status("render cars") as status:
        train = render(range(train_cars), seed=seed)
        test = render(range(train_cars, train_cars + test_cars), seed=seed)
        result = measure(train, test, pairs=pairs, epochs=epochs, tell=status.update)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def render(cars: Sequence[int], *, seed: int) -> Pictures:
    """All photographs of these cars."""
    import cv2

    from datasets.rendering.render import render_car

    frames = [frame for car in cars for frame in render_car(car, seed=seed)]
    small = [cv2.resize(frame.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in frames]
    dirty = np.array([frame.cleanliness == "dirty" for frame in frames], np.int64)
    return Pictures(np.stack(small).transpose(0, 3, 1, 2) / 255.0, dirty, [frame.family for frame in frames])


def measure(
    train: Pictures, test: Pictures, *, pairs: int, epochs: int, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Train 2 x `pairs` models alike, and some that are worse, and promote."""
    truth = truth_of(test)
    models = []
    for number in range(2 * pairs):
        tell(f"model {number + 1} of {2 * pairs}")
        models.append(evaluation(truth, fit(train, test, seed=number, epochs=epochs)))
    quarter = Pictures(train.pixels[::4], train.dirty[::4], train.families[::4])
    worse = [
        evaluation(truth, fit(quarter, test, seed=number, epochs=max(1, epochs // 4)))
        for number in range(min(pairs, _BETTER_PAIRS))
    ]
    once = np.ones((1, len(truth.images)))
    scores = [float(model.primary(once)[0]) for model in models]
    spread = statistics.stdev(scores)
    alike = list(zip(models[:pairs], models[pairs:], strict=True))
    plain, spreading = PromotionSettings(seed_spread=0), PromotionSettings(seed_spread=min(spread, 0.99))
    default = PromotionSettings()
    return {
        "train_photographs": len(train.dirty),
        "test_photographs": len(test.dirty),
        "test_cars": len(set(test.families)),
        "epochs": epochs,
        "macro_f1": {"mean": statistics.mean(scores), "least": min(scores), "greatest": max(scores)},
        "seed_spread": spread,
        "allowed": 1 - plain.confidence,
        "alike": _share(alike, plain),
        "alike_by_default": _share(alike, default),
        "alike_with_seed_spread": _share(alike, spreading),
        "better": _share(list(zip(worse, models, strict=False)), plain),
        "better_by_default": _share(list(zip(worse, models, strict=False)), default),
        "better_with_seed_spread": _share(list(zip(worse, models, strict=False)), spreading),
    }


def truth_of(pictures: Pictures) -> Dataset:
    """The pictures as a dataset in their order."""
    images = [
        Image(f"{number:064x}", f"{number}.jpg", SIDE, SIDE, family=family, tags=(Tag(1 + int(dirty)),))
        for number, (family, dirty) in enumerate(zip(pictures.families, pictures.dirty, strict=True))
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


def fit(train: Pictures, test: Pictures, *, seed: int, epochs: int) -> Floats:
    """Train a small network from scratch; the probability of dirt on each picture of the test, (N,)."""
    import torch
    from torch import nn

    torch.set_num_threads(_THREADS)
    torch.manual_seed(seed)
    layers = [
        layer
        for before, after in ((3, 16), (16, 32), (32, 64))
        for layer in (nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU())
    ]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2))
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    pixels, dirty = torch.tensor(train.pixels, dtype=torch.float32), torch.tensor(train.dirty)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(dirty)), _BATCH):
            if len(chosen) > 1:
                optimizer.zero_grad()
                torch.autograd.backward(nn.functional.cross_entropy(network(pixels[chosen]), dirty[chosen]))
                optimizer.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        answers = network(torch.tensor(test.pixels, dtype=torch.float32)).softmax(1)[:, 1]
    dirt: Floats = answers.numpy().astype(np.float64)
    return dirt


def _share(
    pairs: Sequence[tuple[ClassifierEvaluation, ClassifierEvaluation]], settings: PromotionSettings
) -> dict[str, float]:
    """In how many pairs the second takes over, with the Wilson interval of that share."""
    promoted = sum(decide(first, second, settings).promote for first, second in pairs)
    low, high = binomtest(promoted, len(pairs)).proportion_ci(method="wilson")
    return {"pairs": len(pairs), "promoted": promoted, "share": promoted / len(pairs), "low": low, "high": high}


def table(result: dict[str, Any]) -> Table:
    """The share of pairs in which the second takes over."""
    title = (
        f"{result['train_photographs']} photographs to learn from, {result['test_photographs']} of "
        f"{result['test_cars']} cars to test on, {result['epochs']} epochs"
    )
    found = result["macro_f1"]
    caption = (
        f"macro F1 {found['mean']:.3f} ({found['least']:.3f}–{found['greatest']:.3f}), the seed alone moves it by "
        f"{result['seed_spread']:.4f} (standard deviation); models that are alike may be promoted in "
        f"{result['allowed']:.0%} of pairs"
    )
    shown = Table("pairs of models", "promoted", "share (95 % interval)", title=title, caption=caption)
    for key, name in (
        ("alike", "alike, no seed_spread"),
        ("alike_by_default", "alike, the default seed_spread"),
        ("alike_with_seed_spread", "alike, seed_spread as measured"),
        ("better", "the second better, no seed_spread"),
        ("better_by_default", "the second better, the default seed_spread"),
        ("better_with_seed_spread", "the second better, seed_spread as measured"),
    ):
        one = result[key]
        shown.add_row(
            name, f"{one['promoted']} of {one['pairs']}", f"{one['share']:.1%} ({one['low']:.1%}–{one['high']:.1%})"
        )
    return shown


if __name__ == "__main__":
    main()
