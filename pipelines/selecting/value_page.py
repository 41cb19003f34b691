"""The label-value curve on a page, with its numbers; it needs nothing beside it."""

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined


def draw_value_page(told: Mapping[str, Any], curves: bytes) -> bytes:
    """The page for what a simulation tells and its curves as PNG."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["quality"] = spell_quality
    environment.filters["share"] = spell_share
    template = files("pipelines.selecting").joinpath("value.html.j2").read_text(encoding="utf-8")
    picture = f"data:image/png;base64,{base64.b64encode(curves).decode()}"
    labelled = sorted({point["labelled"] for found in told["strategies"].values() for point in found["points"]})
    return environment.from_string(template).render(told=told, picture=picture, labelled=labelled).encode()


def spell_quality(estimate: Mapping[str, Any]) -> str:
    """A mean with its interval: 0.512 [0.490, 0.534]."""
    if estimate["low"] is None:
        return f"{estimate['mean']:.3f}"
    return f"{estimate['mean']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def spell_share(reached: Mapping[str, Any] | None) -> str:
    """How soon a strategy had what random ended with, and of which seeds that cannot be told."""
    if reached is None:
        return "–"
    seeds, untold = len(reached["by_seed"]), len(reached["untold"])
    if untold == seeds:
        return "not to be told; random choice ended no better than it began"
    told = _spell_reached(reached, seeds, seeds - untold)
    return f"{told}; in {untold} of {seeds} seeds random choice ended no better than it began" if untold else told


def _spell_reached(reached: Mapping[str, Any], seeds: int, told_of: int) -> str:
    if reached["share"] is None:
        return f"not reached in any of {told_of} seeds"
    missed = told_of - reached["share"]["of"]
    share = {key: value if value is None else 100 * value for key, value in reached["share"].items()}
    told = f"{share['mean']:.0f} %"
    if share["low"] is not None:
        told += f" [{share['low']:.0f}, {share['high']:.0f}]"
    return f"{told} where it was reached, but not in {missed} of {seeds} seeds" if missed else told


def spell_strategy(name: str, found: Mapping[str, Any]) -> str:
    """A strategy's end, and how soon it had what random ended with."""
    last, reached = found["points"][-1], found["labels_for_the_quality_of_random"]
    told = f"{name}: {spell_quality(last['quality'])} with {last['labelled']} images"
    return (
        told
        if reached is None
        else f"{told}; random's final quality with this part of its images: {spell_share(reached)}"
    )
