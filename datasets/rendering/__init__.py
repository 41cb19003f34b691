"""Labelled cars drawn from a seed, so that the demo needs neither network nor data."""

from datasets.rendering.render import RenderedFrame, render_car
from datasets.rendering.write import write_rendered_cars

__all__ = ["RenderedFrame", "render_car", "write_rendered_cars"]
