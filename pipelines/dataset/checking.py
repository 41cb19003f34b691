"""The commands that look for what is wrong or twice: validate, dedupe."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from datasets.coco import View
from datasets.duplicates.pairs import find_pairs
from datasets.duplicates.reading import read_described
from datasets.validation.repair import repair_dataset
from datasets.validation.report import render, to_dict
from datasets.validation.validate import validate_dataset
from pipelines.duplicates import Descriptors, find_duplicates
from pipelines.output import show, write_json
from pipelines.progress import Progress
from pipelines.shelf import Shelf


def validate(path: Path, *, repair: Path | None, strict: bool, pixels: bool, near: bool, as_json: bool) -> int:
    """Check a COCO dataset, or write a repaired copy; the exit code tells whether errors are left."""
    with Progress(Console(stderr=True)).step(f"{'repair' if repair else 'check'} {path}") as step:

        def advance(done: int, total: int) -> None:
            step.advance(to=done, of=total)

        if repair:
            report = repair_dataset(path, repair, pixels=pixels, on_progress=advance)
        else:
            pairs = _near_pairs if near and pixels else None
            report = validate_dataset(path, pixels=pixels, near_pairs=pairs, on_progress=advance)
    if as_json:
        write_json(to_dict(report))
    else:
        Console().print(render(report), soft_wrap=True)
    return report.exit_code(strict=strict)


def _near_pairs(paths: Sequence[Path]) -> Sequence[tuple[int, int]]:
    described = read_described(paths)
    place = {path: number for number, path in enumerate(paths)}
    found = [place[path] for path in described.paths]
    return [(found[pair.one], found[pair.other]) for pair in find_pairs(described.descriptors)]


def dedupe(shelf: Shelf, references: Sequence[str], *, as_json: bool) -> None:
    """Tell exact copies, near-duplicates and the families that must stay together."""
    datasets = [shelf.read(reference) for reference in references]
    images = {image.sha256: image for dataset in datasets for image in dataset.images}
    names: dict[str, set[str]] = {sha256: set() for sha256 in images}
    for dataset in datasets:
        for image in dataset.images:
            names[image.sha256] |= {f"{_folder(view)}{view.file_name}" for view in image.views} or {image.file_name}
    files = {sha256: image.file_name for sha256, image in images.items()}
    found = find_duplicates(files, shelf.store, Descriptors(shelf.descriptors), Progress(Console(stderr=True)))
    told = {
        "images": len(images),
        "exact_copies": sum(len(listed) - 1 for listed in names.values()),
        "pairs": dict(Counter(pair.kind for _, _, pair in found.pairs)),
        "families": dict(sorted(Counter(map(len, found.families)).items())),
        "unread": dict(found.unread),
    }
    if not as_json:
        show({**told, "families": _sizes(found.families)}, as_json=False)
        return
    listed = [
        {"one": one, "other": other, "kind": pair.kind, "score": round(pair.score, 4)}
        for one, other, pair in found.pairs
    ]
    exact = {sha256: sorted(held) for sha256, held in names.items() if len(held) > 1}
    members = [[sorted(names[sha256])[0] for sha256 in family] for family in found.families if len(family) > 1]
    write_json({**told, "copies": exact, "near": listed, "members": members})


def _folder(view: View) -> str:
    """Where a source's files lie: several annotation files may speak of the same ones."""
    return f"{view.source.partition('/')[0]}/" if view.source else ""


def _sizes(together: Iterable[Sequence[str]]) -> str:
    counts = sorted(Counter(map(len, together)).items())
    return ", ".join(f"{count} of {size}" for size, count in counts)
