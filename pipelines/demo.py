"""`carloop demo`: the loop on rendered cars, with everything embedded."""

from importlib.resources import files
from pathlib import Path

import yaml
from rich.console import Console

from datasets.rendering import write_rendered_cars
from pipelines.play import play
from pipelines.progress import Progress
from pipelines.project import Project, parse_project

CARS = 150
FRAME_SIZE = 224
BUDGET = 110


def demo_project(seed: int) -> Project:
    """The demo's project file, with this seed."""
    content = yaml.safe_load(files("pipelines").joinpath("demo.yaml").read_text(encoding="utf-8"))
    return parse_project({**content, "seed": seed}, where="pipelines/demo.yaml")


def run_demo(home: Path, *, rounds: int, seed: int, fresh: bool, as_json: bool) -> None:
    """Render the cars unless they are there, then play the loop on them."""
    cars = home / "cars" / f"{CARS}-cars-{FRAME_SIZE}px-seed-{seed}"
    cars.parent.mkdir(parents=True, exist_ok=True)
    with Progress(Console(stderr=True)).step(f"render {CARS} cars"):
        write_rendered_cars(cars, cars=CARS, seed=seed, size=FRAME_SIZE)
    play(demo_project(seed), cars, home, rounds=rounds, budget=BUDGET, fresh=fresh, as_json=as_json)
