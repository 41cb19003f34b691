"""Near-duplicates on real photographs, beside imagehash's pHash and imagededup's dHash.

    python -m benchmarks.near_duplicates --photos DIR [--known FILE] [--json] [--seed 0] [--repeat 3] [--growth 100000]

Each photograph is edited in six ways, and each method has to find the edits among all photographs and edits. Thresholds
are chosen on one half of the photographs (the greatest recall at a precision of 0.99) and reported on the other. What
Carloop is reported with are the package's constants; the range that the first half would have allowed stands beside.

Truth: one image is taken of each group with the same bytes or the same name before Roboflow's ".rf.". `--known` says
what people saw: a JSON object of "copies" (groups of names that are one photograph: one name is kept) and "scenes"
(groups of different photographs of one scene: pairing those counts neither as right nor as wrong, and the precision
that takes it as wrong stands beside). A name is the first folder under DIR and the file's stem. Images/s are per second
of processor time, decoding included; a peer's are for hashing alone, without its search.
"""

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageEnhance, ImageOps
from rich.console import Console
from rich.table import Table

from benchmarks.near_duplicates_growth import measure_growth
from datasets.duplicates.descriptor import describe_image
from datasets.duplicates.pairs import SCORE, find_pairs
from datasets.errors import BadInput, CarloopError, Unavailable
from datasets.files import digest, read_json

EDITS = ("jpeg 60", "resized 75 %", "cropped 5-10 %", "sides cropped 5-10 %", "mirrored", "brightness ±20 %")
PRECISION, RECALL = 0.99, 0.95
_LENIENT = 0.8  # Carloop's pairs below are not looked at
_FEWEST = 20  # photographs
_BITS = 14  # the greatest Hamming distance of 64 that is looked at

Found = NDArray[np.float64]  # (F, 3): one, other, score; greater is more alike


@dataclass(frozen=True, slots=True)
class Photograph:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Images:
    """Photographs and their edits: image k is variant k // len(names) of photograph k % len(names), the first as is."""

    names: tuple[str, ...]
    contents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One method's figures on the second half; rates are (lowest, median, highest) images per processor second."""

    method: str
    threshold: float
    recall: dict[str, float]
    precision: float
    precision_with_scenes: float
    false_pairs: int
    rates: tuple[float, float, float]


@click.command()
@click.option("--photos", type=click.Path(path_type=Path), required=True, help="A folder of JPEG photographs.")
@click.option("--known", type=click.Path(path_type=Path), help="What people saw: copies and scenes, as JSON.")
@click.option("--seed", default=0, show_default=True, help="Decides the halves and the edits.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Timed runs of each method.")
@click.option("--most", type=click.IntRange(min=_FEWEST), help="Use no more photographs than these.")
@click.option("--growth", type=click.IntRange(min=1000), help="Also time the search up to that many images.")
@click.option("--peers/--no-peers", default=True, help="Whether to run imagehash and imagededup too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    photos: Path, known: Path | None, seed: int, repeat: int, most: int | None, growth: int | None, peers: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Recall by edit, precision and images per second of near-duplicate search, beside its peers."""
    console = Console(stderr=True)
    try:
        aliases, scenes = read_known(known)
        photographs = read_photographs(photos, aliases=aliases)[:most]
        methods: dict[str, Callable[[Sequence[bytes]], tuple[Found, float]]] = {"carloop": run_carloop}
        if peers:
            methods |= {"imagehash pHash": hashing(_phash()), "imagededup dHash": hashing(_dhash())}
        first, second = halves(photographs, seed=seed)
        console.print(f"{len(photographs)} photographs; {len(second.contents)} images in the half reported on")
        results = [compare(name, run, first, second, scenes, repeat, console) for name, run in methods.items()]
        curve = measure_growth(photographs, growth, seed=seed) if growth else None
    except CarloopError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"reports": [asdict(report) for report in results], "growth": curve}, indent=2))
    else:
        print_reports(results, curve)


def read_known(path: Path | None) -> tuple[dict[str, str], set[frozenset[str]]]:
    """The name to use for each of a photograph's names, and the pairs that are of one scene. Raises BadInput."""
    known = read_json(path) if path else {"copies": [], "scenes": []}
    if not isinstance(known, dict) or set(known) != {"copies", "scenes"}:
        raise BadInput(f"{path} has to be an object of copies and scenes, each a list of groups of names")
    aliases = {name: group[0] for group in known["copies"] for name in group}
    groups = [{aliases.get(name, name) for name in group} for group in known["scenes"]]
    return aliases, {frozenset(pair) for group in groups for pair in combinations(sorted(group), 2)}


def read_photographs(folder: Path, *, aliases: Mapping[str, str]) -> list[Photograph]:
    """One image of each photograph in a folder, shuffled by name. Raises BadInput when they are too few."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; give --photos one with JPEG photographs")
    chosen: dict[str, Photograph] = {}
    seen: set[str] = set()
    for path in sorted(folder.rglob("*.[jJ][pP]*[gG]")):
        name = f"{path.relative_to(folder).parts[0]}/{path.name.split('.rf.')[0].removesuffix(path.suffix)}"
        name, content = aliases.get(name, name), path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if name not in chosen and sha256 not in seen:
            chosen[name] = Photograph(name, content)
        seen.add(sha256)
    if len(chosen) < _FEWEST:
        raise BadInput(f"{folder} has {len(chosen)} different JPEG photographs; {_FEWEST} or more are needed")
    return [chosen[name] for name in sorted(chosen, key=digest)]


def halves(photographs: Sequence[Photograph], *, seed: int) -> tuple[Images, Images]:
    """The photographs in two halves by chance, each with all its edits."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(photographs))
    middle = len(order) // 2
    return (
        edited([photographs[number] for number in order[:middle]], random),
        edited([photographs[number] for number in order[middle:]], random),
    )


def edited(photographs: Sequence[Photograph], random: np.random.Generator) -> Images:
    rows = [(photograph.content, *edits(photograph.content, random)) for photograph in photographs]
    contents = tuple(content for column in zip(*rows, strict=True) for content in column)
    return Images(tuple(photograph.name for photograph in photographs), contents)


def edits(content: bytes, random: np.random.Generator) -> Iterator[bytes]:
    """The EDITS of a photograph, as JPEG files of quality 90 where nothing else is said."""
    picture = PillowImage.open(io.BytesIO(content)).convert("RGB")
    width, height = picture.size
    lost, first = random.uniform(0.05, 0.1, 2), random.uniform(0, 1, 2)
    left, top = lost * first
    right, bottom = lost * (1 - first)
    sides = random.uniform(0.05, 0.1, 4)
    yield _jpeg(picture, quality=60)
    yield _jpeg(picture.resize((width * 3 // 4, height * 3 // 4), PillowImage.Resampling.LANCZOS))
    yield _jpeg(_cropped(picture, left, top, right, bottom))
    yield _jpeg(_cropped(picture, *sides))
    yield _jpeg(ImageOps.mirror(picture))
    yield _jpeg(ImageEnhance.Brightness(picture).enhance(float(random.choice([0.8, 1.2]))))


def _cropped(picture: PillowImage.Image, left: float, top: float, right: float, bottom: float) -> PillowImage.Image:
    width, height = picture.size
    return picture.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def _jpeg(picture: PillowImage.Image, *, quality: int = 90) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


def run_carloop(contents: Sequence[bytes], *, score: float = _LENIENT) -> tuple[Found, float]:
    """Pairs, and the processor seconds that describing and searching took."""
    started = time.process_time()
    pairs = find_pairs(np.array([describe_image(content) for content in contents]), score=score)
    seconds = time.process_time() - started
    return np.array([(pair.one, pair.other, pair.score) for pair in pairs]).reshape(-1, 3), seconds


def hashing(hash_of: Callable[[PillowImage.Image], int]) -> Callable[[Sequence[bytes]], tuple[Found, float]]:
    """A method that compares 64-bit hashes: its pairs, scored by minus their distance, and the seconds to hash."""

    def run(contents: Sequence[bytes]) -> tuple[Found, float]:
        started = time.process_time()
        hashes = np.array([hash_of(PillowImage.open(io.BytesIO(content))) for content in contents], np.uint64)
        seconds = time.process_time() - started
        rows = []
        for one, value in enumerate(hashes):
            distances = np.bitwise_count(hashes[one + 1 :] ^ value)
            others = np.flatnonzero(distances <= _BITS)
            rows.append(np.stack([np.full(len(others), one), others + one + 1, -distances[others].astype(float)], 1))
        return np.concatenate(rows), seconds

    return run


def _phash() -> Callable[[PillowImage.Image], int]:
    try:
        import imagehash
    except ImportError:
        raise Unavailable("imagehash is not installed; pip install imagehash, or run with --no-peers") from None
    return lambda picture: int(str(imagehash.phash(picture)), 16)


def _dhash() -> Callable[[PillowImage.Image], int]:
    try:
        from imagededup.methods import DHash
    except ImportError:
        raise Unavailable("imagededup is not installed; pip install imagededup, or run with --no-peers") from None
    hasher = DHash(verbose=False)
    return lambda picture: int(hasher.encode_image(image_array=np.asarray(picture.convert("RGB"))), 16)


def compare(
    name: str,
    run: Callable[[Sequence[bytes]], tuple[Found, float]],
    first: Images,
    second: Images,
    scenes: set[frozenset[str]],
    repeat: int,
    console: Console,
) -> Report:
    """Choose the threshold on the first half, and report on the second."""
    chosen = choose(run(first.contents)[0], first, scenes)
    if name == "carloop":
        console.print(f"first half: a score from {chosen[0]:.4f} (precision) to {chosen[1]:.4f} (recall) will do")
        runs = [run_carloop(second.contents, score=SCORE) for _ in range(repeat)]
        threshold = SCORE
    else:
        threshold = chosen[0]
        runs = [run(second.contents) for _ in range(repeat)]
    found = runs[0][0]
    found = found[found[:, 2] >= threshold]
    right, scene = judge(found, second, scenes)
    wrong = int((~right & ~scene).sum())
    rates = sorted(len(second.contents) / seconds for _, seconds in runs)
    return Report(
        name,
        threshold,
        recall_by_edit(found, second),
        float(right.sum() / max(right.sum() + wrong, 1)),
        float(right.mean()) if len(found) else 1.0,
        wrong,
        (rates[0], float(np.median(rates)), rates[-1]),
    )


def choose(found: Found, images: Images, scenes: set[frozenset[str]]) -> tuple[float, float]:
    """The lowest threshold with a precision of PRECISION, and the highest with a recall of RECALL for every edit."""
    found = found[np.argsort(-found[:, 2], kind="stable")]
    right, scene = judge(found, images, scenes)
    precision = np.cumsum(right) / np.maximum(np.cumsum(~scene), 1)
    last_of_score = np.append(found[1:, 2] != found[:-1, 2], True)
    enough = np.flatnonzero((precision >= PRECISION) & last_of_score)
    lowest = float(found[enough[-1], 2]) if len(enough) else 0.0
    ladder = np.unique(found[:, 2])[::-1]
    highest = next(
        (float(s) for s in ladder if min(recall_by_edit(found[found[:, 2] >= s], images).values()) >= RECALL),
        float("nan"),
    )
    return lowest, highest


def judge(found: Found, images: Images, scenes: set[frozenset[str]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are of one photograph, and which of one scene."""
    one, other = (found[:, column].astype(int) % len(images.names) for column in (0, 1))
    together = (frozenset((images.names[a], images.names[b])) for a, b in zip(one, other, strict=True))
    return one == other, np.array([pair in scenes for pair in together], bool)


def recall_by_edit(found: Found, images: Images) -> dict[str, float]:
    """The share of photographs that were paired with each of their edits."""
    count = len(images.names)
    one, other = found[:, 0].astype(int), found[:, 1].astype(int)
    own = (one < count) & (other % count == one)
    hits = np.bincount(other[own] // count, minlength=len(EDITS) + 1)
    return {edit: float(hits[number] / count) for number, edit in enumerate(EDITS, start=1)}


def print_reports(reports: Sequence[Report], curve: dict[str, Any] | None) -> None:
    table = Table(title="Near-duplicates: recall by edit, precision and speed on the second half")
    for heading in ("", "threshold", *EDITS, "precision", "with scenes", "images/s (lowest - highest)", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")
    for report in reports:
        low, middle, high = report.rates
        ratio = (
            f"{reports[0].rates[1] / middle:.2f} ({reports[0].rates[0] / high:.2f} - {reports[0].rates[2] / low:.2f})"
        )
        table.add_row(
            report.method,
            f"{report.threshold:g}",
            *(f"{report.recall[edit]:.3f}" for edit in EDITS),
            f"{report.precision:.4f}",
            f"{report.precision_with_scenes:.4f}",
            f"{middle:.0f} ({low:.0f} - {high:.0f})",
            ratio,
        )
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table)
    if curve:
        growth = Table(title=f"Search and verification by number of images: seconds grow as n^{curve['exponent']:.2f}")
        for heading in ("images", "processor seconds", "ms an image", "recall of planted edits"):
            growth.add_column(heading, justify="right")
        for row in curve["rows"]:
            growth.add_row(
                f"{row['images']:,}",
                f"{row['seconds']:.1f}",
                f"{row['seconds'] / row['images'] * 1000:.2f}",
                f"{row['recall']:.4f}",
            )
        console.print(growth)


if __name__ == "__main__":
    main()
