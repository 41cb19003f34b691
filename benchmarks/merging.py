"""How fast two large COCO files become one version, beside other ways to merge them and the floor: orjson.

    python -m benchmarks.merging [--images 50000] [--per-image 10] [--shared 10000] [--repeat 3] [--data DIR] [--json]
    python -m benchmarks.merging --growth

The files are made from a seed (`benchmarks.merging_data`); the peers are in `benchmarks.merging_peer`. Each run is a
process of its own, the peers in turns; a ratio is of two runs in one turn. Two peers run only when they are asked for:
datumaro-intersect, the only one that joins objects as Carloop does, in many minutes; and orjson-uncollected, the floor
without Python's collector of cycles.
"""

import importlib.util
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.merging_data import Size, folder_of, paths_in
from benchmarks.merging_peer import MODULES, PEERS
from benchmarks.turns import Figures, measure_in_turns, ratio, run_child, summarise

TARGETS = {"times_orjson": 1.5, "peak_gib": 1.3, "datumaro_times_carloop": 15.0, "growth": 1.3}
_ALL = "orjson,json,globox,pycocotools,datumaro"
_GROWTH = (Size(images=5000, per_image=10, shared=1000), Size(images=100_000, per_image=10, shared=20_000))


@click.command()
@click.option("--images", type=click.IntRange(min=1), default=50_000, show_default=True, help="In each file.")
@click.option("--per-image", type=click.IntRange(min=1), default=10, show_default=True, help="Annotations.")
@click.option("--shared", type=click.IntRange(min=0), default=10_000, show_default=True, help="Images in both files.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the files.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder to keep the files in; else they are temporary.")
@click.option("--peers", default=_ALL, show_default=True, help=f"Beside Carloop, of {', '.join(PEERS)}.")
@click.option("--growth", is_flag=True, help="Carloop alone, with 100,000 and 2,000,000 annotations in all.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    images: int,
    per_image: int,
    shared: int,
    repeat: int,
    seed: int,
    data: Path | None,
    peers: str,
    growth: bool,
    as_json: bool,
) -> None:
    """Time the merge of two large COCO files beside its peers."""
    if shared > images:
        raise click.UsageError(f"--shared is {shared} and --images {images}; share at most all of them")
    wanted = list(dict.fromkeys(["carloop", *filter(None, peers.split(","))]))
    if unknown := set(wanted) - PEERS.keys():
        raise click.UsageError(f"--peers has {', '.join(sorted(unknown))}; choose from {', '.join(PEERS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        if growth:
            result = measure_growth(folder, _GROWTH, repeat=repeat)
            shown = growth_table(result)
        else:
            result = measure_peers(folder, Size(images, per_image, shared, seed), installed(wanted), repeat=repeat)
            shown = table(result)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(shown)


def installed(peers: Iterable[str]) -> list[str]:
    """Those peers whose library is here; the others are told."""
    missing = {peer for peer in peers if peer in MODULES and not importlib.util.find_spec(MODULES[peer])}
    if missing:
        click.echo(f"not installed, so not measured: {', '.join(sorted(missing))}", err=True)
    return [peer for peer in peers if peer not in missing]


def measure_peers(folder: Path, size: Size, peers: Sequence[str], *, repeat: int) -> dict[str, Any]:
    """All figures of these peers: each by its name, with its ratios to orjson and to Carloop."""
    first, second = _made(folder, size)
    jobs = {peer: partial(_merge, peer, first, second, folder) for peer in peers}
    runs = measure_in_turns(jobs, repeat=repeat)
    return {
        "images": 2 * size.images,
        "annotations": size.annotations,
        "shared_images": size.shared,
        "bytes": first.stat().st_size + second.stat().st_size,
        "repeat": repeat,
        "peers": {peer: _figures(peer, runs) for peer in runs},
        "targets": TARGETS,
    }


def _made(folder: Path, size: Size) -> tuple[Path, Path]:
    made = folder_of(folder, size)
    paths = paths_in(made)
    if not all(path.exists() for path in paths):
        run_child("benchmarks.merging_data", [str(made), *size.arguments])
    return paths


def _merge(peer: str, first: Path, second: Path, out: Path) -> Figures:
    with tempfile.TemporaryDirectory(dir=out) as folder:
        return run_child("benchmarks.merging_peer", [peer, str(first), str(second), folder])


def _figures(peer: str, runs: Mapping[str, list[Figures]]) -> Figures:
    held = ("bytes", "images", "annotations", "digest", "conflicts")
    digests = {run.get("digest") for run in runs[peer]}
    if len(digests) > 1:
        raise RuntimeError(f"the same files gave different digests: {', '.join(map(str, digests))}")
    return {
        **summarise(runs[peer]),
        **{key: runs[peer][0][key] for key in held if key in runs[peer][0]},
        "times_orjson": ratio(runs[peer], runs["orjson"]) if "orjson" in runs else None,
        "times_carloop": ratio(runs[peer], runs["carloop"]),
    }


def table(result: Mapping[str, Any]) -> Table:
    """What each peer took and holds, then the targets."""
    title = (
        f"{result['annotations']} annotations and {result['images']} images in two files of together "
        f"{result['bytes'] / 1e6:.0f} MB; {result['shared_images']} images are in both; {result['repeat']} runs"
    )
    columns = ("seconds (range)", "CPU s", "× orjson", "× Carloop", "GiB", "images", "annotations")
    shown = Table("peer", *columns, title=title, caption="; ".join(verdicts(result)))
    for peer, figures in result["peers"].items():
        shown.add_row(
            peer,
            f"{figures['seconds']:.2f} ({figures['fastest']:.2f}–{figures['slowest']:.2f})",
            f"{figures['cpu_seconds']:.2f}",
            f"{figures['times_orjson']['median']:.2f}" if figures["times_orjson"] else "",
            f"{figures['times_carloop']['median']:.2f}",
            f"{figures['peak_gib']:.2f}",
            str(figures["images"]),
            str(figures["annotations"]),
        )
    return shown


def verdicts(result: Mapping[str, Any]) -> list[str]:
    """Each target beside what was measured."""
    ours, told = result["peers"]["carloop"], []
    if ours["times_orjson"]:
        told.append(f"{ours['times_orjson']['median']:.2f} times orjson, target at most {TARGETS['times_orjson']}")
    told.append(f"{ours['peak_gib']:.2f} GiB, target at most {TARGETS['peak_gib']}")
    for peer in ("datumaro", "datumaro-intersect"):
        if peer in result["peers"]:
            times = result["peers"][peer]["times_carloop"]["median"]
            told.append(f"{peer} {times:.1f} times Carloop, target at least {TARGETS['datumaro_times_carloop']:g}")
    return told


def measure_growth(folder: Path, sizes: Sequence[Size], *, repeat: int) -> dict[str, Any]:
    """Carloop's microseconds for an annotation at each size, and the last size's to the first's."""
    jobs = {str(size.annotations): partial(_merge, "carloop", *_made(folder, size), folder) for size in sizes}
    runs = measure_in_turns(jobs, repeat=repeat)
    rows = [{"annotations": size.annotations, **_cost(runs[str(size.annotations)], size)} for size in sizes]
    return {
        "rows": rows,
        "ratio": rows[-1]["microseconds"] / rows[0]["microseconds"],
        "cpu_ratio": rows[-1]["cpu_microseconds"] / rows[0]["cpu_microseconds"],
        "target": TARGETS["growth"],
    }


def _cost(runs: Sequence[Figures], size: Size) -> Figures:
    figures = summarise(runs)
    return {
        **figures,
        "microseconds": figures["seconds"] / size.annotations * 1e6,
        "cpu_microseconds": figures["cpu_seconds"] / size.annotations * 1e6,
    }


def growth_table(result: Mapping[str, Any]) -> Table:
    caption = f"ratio {result['ratio']:.2f} ({result['cpu_ratio']:.2f} by CPU), target at most {result['target']}"
    columns = ("annotations", "seconds (range)", "CPU s", "µs an annotation", "CPU µs", "peak GiB")
    shown = Table(*columns, title="Carloop's merge as it grows", caption=caption)
    for row in result["rows"]:
        shown.add_row(
            str(row["annotations"]),
            f"{row['seconds']:.2f} ({row['fastest']:.2f}–{row['slowest']:.2f})",
            f"{row['cpu_seconds']:.2f}",
            f"{row['microseconds']:.2f}",
            f"{row['cpu_microseconds']:.2f}",
            f"{row['peak_gib']:.2f}",
        )
    return shown


if __name__ == "__main__":
    main()
