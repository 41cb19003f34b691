"""A foreign dataset's classes in the project's terms.

A class is looked up as `source:name` first, with the source's whole name and then the folders above it, and as plain
`name` last. So an alias `car-scratch:0` counts for that dataset alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from datasets.errors import BadDataset, UnknownCategory
from datasets.importing.foreign import ForeignSource, ImportSettings
from datasets.taxonomy import Category, Kind, Taxonomy


@dataclass(frozen=True)
class Names:
    """The taxonomy in use, the category of each (source, class name), None for one left out, and the unknown ones."""

    taxonomy: Taxonomy
    category_ids: Mapping[tuple[str, str], int | None]
    unknown: Mapping[str, int]


def resolve_names(sources: Sequence[ForeignSource], taxonomy: Taxonomy, settings: ImportSettings) -> Names:
    """Find every class of the sources in the taxonomy; `settings.unknown` says what to do about one that is not there.

    A class that a source declares and never uses may be unknown.

    Raises:
        UnknownCategory: classes in use are unknown; all are told with counts and what to paste into the project file.
        BadDataset: a class for whole images is used for boxes, or the other way round.
    """
    boxes, tags = _count_boxes(sources), _count_tags(sources)
    used = boxes + tags
    unknown = Counter[str]()
    for (source, name), count in used.items():
        if name not in settings.drop and find_name(source, name, taxonomy) is None:
            unknown[name] += count
    kinds: dict[str, Kind] = {}
    kinds.update((name, "tag") for _, name in tags)
    kinds.update((name, "rectangle") for _, name in boxes)
    if unknown and settings.unknown == "error":
        raise UnknownCategory(_unknown_told(sources, unknown, kinds))
    if unknown and settings.unknown == "keep":
        new = tuple(Category(name=name, kind=kinds[name]) for name in sorted(unknown))
        taxonomy = Taxonomy(categories=(*taxonomy.categories, *new))
    every = {(source.name, name) for source in sources for name in source.names} | set(used)
    category_ids = {
        (source, name): None if name in settings.drop else find_name(source, name, taxonomy) for source, name in every
    }
    names = Names(taxonomy, category_ids, dict(sorted(unknown.items())))
    _check_kinds(names, boxes, "rectangle")
    _check_kinds(names, tags, "tag")
    return names


def find_name(source: str, name: str, taxonomy: Taxonomy) -> int | None:
    """The category of a source's class: by an alias of the source, of a folder above it, or of all."""
    for key in _keys(source, name):
        if taxonomy.has(key):
            return taxonomy.category_id(key)
    return None


def _keys(source: str, name: str) -> Iterator[str]:
    while source:
        yield f"{source}:{name}"
        source = source.rpartition("/")[0]
    yield name


def _count_boxes(sources: Sequence[ForeignSource]) -> Counter[tuple[str, str]]:
    return Counter((source.name, o.name) for source in sources for image in source.images for o in image.objects)


def _count_tags(sources: Sequence[ForeignSource]) -> Counter[tuple[str, str]]:
    return Counter((source.name, tag.name) for source in sources for image in source.images for tag in image.tags)


def _check_kinds(names: Names, used: Counter[tuple[str, str]], kind: Kind) -> None:
    right = {None, *names.taxonomy.ids(kind)}
    wrong = sorted({name for (source, name) in used if names.category_ids[source, name] not in right})
    if wrong:
        raise BadDataset(
            f"a box needs a class of kind 'rectangle' and an image one of kind 'tag'; the project has it the other way "
            f"round for {wrong}; change their kind: or drop them"
        )


def _unknown_told(sources: Sequence[ForeignSource], unknown: Mapping[str, int], kinds: Mapping[str, Kind]) -> str:
    listed = ", ".join(f"{name!r} ({count} objects)" for name, count in sorted(unknown.items()))
    place = sources[0].name.partition("/")[0]
    lines = "\n".join(f"  - {_flow({'name': name} | _kind(kinds[name]))}" for name in sorted(unknown))
    alias = _flow([f"{place}:{min(unknown)}"])
    return (
        f"{place}: {listed} not in the project; leave them out (--unknown drop), give each as one of a category's "
        f"aliases: (as in aliases: {alias} for this source alone), or add them under categories: in the project file:"
        f"\n{lines}"
    )


def _kind(kind: Kind) -> dict[str, str]:
    return {} if kind == "rectangle" else {"kind": kind}


def _flow(value: object) -> str:
    """A value as YAML on one line; characters that cannot be seen are escaped."""
    plain = "\\" not in repr(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=plain, sort_keys=False)
    return text.strip()
