"""Saved views: what reviewers open first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datasets.curating.documents import TAGS
from datasets.taxonomy import Taxonomy

DIRTY = "dirty"


@dataclass(frozen=True)
class SavedView:
    """A view's name, what it is for, and how it is made of a dataset, given FiftyOne's `ViewField`."""

    name: str
    description: str
    make: Callable[[Any, Any], Any]


def _any(path: Any) -> Any:
    return path.length() > 0


VIEWS = (
    SavedView(
        "corrected most",
        "Images whose pre-labels people corrected, those with the most corrections first",
        lambda dataset, field: dataset.match(field("corrections") > 0).sort_by("corrections", reverse=True),
    ),
    SavedView(
        "models disagree",
        "Champion and challenger see different things, the greatest difference first",
        lambda dataset, field: dataset.match(field("disagreement") > 0).sort_by("disagreement", reverse=True),
    ),
    SavedView(
        "likely label mistakes",
        "The champion is sure of something else than the label (FiftyOne's mistakenness), the likeliest first",
        lambda dataset, field: dataset.match(
            (field("mistakenness") > 0.5) | (field("possible_missing") > 0) | (field("possible_spurious") > 0)
        ).sort_by([("mistakenness", -1), ("possible_missing", -1), ("possible_spurious", -1)]),
    ),
    SavedView(
        "near-duplicates",
        "Images that show the same photograph as another, or whose embeddings are as close, by family",
        lambda dataset, field: dataset.match(_any(field("near")) | _any(field("lookalikes"))).sort_by("family"),
    ),
    SavedView(
        "leaks",
        "Images with something of theirs on the other side of the split",
        lambda dataset, field: dataset.match(field("leak") != None).sort_by("family"),  # noqa: E711
    ),
    SavedView(
        "conflicts between sources",
        "Images about which sources disagree",
        lambda dataset, field: dataset.match(_any(field("conflicts"))).sort_by(
            field("conflicts").length(), reverse=True
        ),
    ),
    SavedView(
        "rare classes",
        "Images with classes that few images show",
        lambda dataset, field: dataset.match(_any(field("rare_classes"))).sort_by(
            field("rare_classes").length(), reverse=True
        ),
    ),
    SavedView(
        "hard dirty cars",
        "Dirty cars that the champion is least sure of, or that were corrected most",
        lambda dataset, field: dataset.match(field(f"{TAGS}.classifications.label").contains(DIRTY)).sort_by(
            [("hardness", -1), ("corrections", -1)]
        ),
    ),
    SavedView(
        "quarantined",
        "Images that could not be predicted on",
        lambda dataset, field: dataset.match(field("quarantined") != None).sort_by("quarantined"),  # noqa: E711
    ),
    SavedView(
        "probes failed",
        "Images where a planted error was let stand",
        lambda dataset, field: dataset.match(_any(field("failed_probes"))),
    ),
)


def save_views(fo: Any, dataset: Any, taxonomy: Taxonomy) -> None:
    """Save every view that the classes allow, unless it is there as it should be."""
    there = set(dataset.list_saved_views())
    for view in VIEWS:
        if view.name not in there and (view.name != "hard dirty cars" or taxonomy.has(DIRTY)):
            dataset.save_view(view.name, view.make(dataset, fo.ViewField), description=view.description)


def view_counts(dataset: Any) -> Mapping[str, int]:
    """How many images, or patches, each saved view shows."""
    return {name: len(dataset.load_saved_view(name)) for name in dataset.list_saved_views()}
