"""How FiftyOne's App shows a new dataset: what reviewers decide by comes first, each kind of label in its colour."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets.curating.documents import OUTLINES, PRELABELLED_TAGS, PRELABELS, TAGS, TRUTH, tags_of

_GROUPS: Mapping[str, Sequence[str]] = {
    "tags": ("tags", "_label_tags"),
    "labels": (
        TRUTH, TAGS, OUTLINES, "champion", tags_of("champion"), "challenger", tags_of("challenger"), PRELABELS,
        PRELABELLED_TAGS,
    ),
    "the reviewers' own": ("quality", "notes"),
    "worth a look": (
        "corrections", "disagreement", "hardness", "mistakenness", "possible_missing", "possible_spurious",
        "uniqueness", "conflicts", "leak", "near", "lookalikes", "quarantined", "failed_probes", "rare_classes",
    ),
    "where it is from": (
        "family", "split", "sources", "license", "author", "page_url", "url", "retrieved_at", "sha256",
    ),
}  # fmt: skip
_COLORS: Mapping[str, str] = {
    **dict.fromkeys((TRUTH, TAGS, OUTLINES), "#2ca02c"),
    **dict.fromkeys(("champion", tags_of("champion")), "#1f77b4"),
    **dict.fromkeys(("challenger", tags_of("challenger")), "#ff7f0e"),
    **dict.fromkeys((PRELABELS, PRELABELLED_TAGS), "#9467bd"),
}


def arrange(fo: Any, dataset: Any) -> None:
    """Give a dataset, which has its fields, groups of them and colours; reviewers may change both in the App."""
    schema = dataset.get_field_schema()
    groups = [fo.SidebarGroupDocument(name=name, paths=list(paths)) for name, paths in _GROUPS.items()]
    grouped = {path for paths in _GROUPS.values() for path in paths}
    metadata = [f"metadata.{name}" for name in ("width", "height", "num_channels", "size_bytes", "mime_type")]
    rest = [name for name in schema if name not in grouped and name != "metadata"]
    for name, paths in (("metadata", metadata), ("other", rest)):
        groups.append(fo.SidebarGroupDocument(name=name, paths=paths, expanded=False))
    colors = [{"path": path, "fieldColor": color} for path, color in _COLORS.items()]
    dataset.app_config.sidebar_groups = groups
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="field", fields=colors)
    dataset.save()
