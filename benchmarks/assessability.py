"""Where the default limits of what can be judged stand: pictures as they are, and the same ones spoilt.

Tells by folder the share of pictures that each limit refuses: as they are (too many would be a bother), and made dark,
overexposed, blurred (too few would be blind). Pictures are brought to 640 pixels before they are spoilt.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from datasets.importing.places import IMAGE_SUFFIXES
from training.assessability import Limits, Visibility, find_hindrance, measure_visibility
from training.errors import UndecodableImage
from training.predicting.pictures import Pixels, decode_ahead

_SIDE = 640


def _light(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: (pixels.astype(np.float32) * factor).clip(0, 255).astype(np.uint8)


def _blur(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


SPOILT: Mapping[str, Callable[[Pixels], Pixels]] = {
    "as they are": lambda pixels: pixels,
    "light x 0.1": _light(0.1),
    "light x 0.2": _light(0.2),
    "light x 3": _light(3),
    "blur 1.5 px": _blur(1.5),
    "blur 3 px": _blur(3),
    "blur 6 px": _blur(6),
}


@click.command()
@click.argument("folders", type=click.Path(path_type=Path, exists=True, file_okay=False), nargs=-1, required=True)
@click.option("--most", type=click.IntRange(min=1), default=200, show_default=True, help="Pictures of each folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(folders: Sequence[Path], most: int, as_json: bool) -> None:
    """Measure what the default limits refuse of the pictures in FOLDERS."""
    result = {str(folder): measure(folder, most) for folder in folders}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(table(result))


def measure(folder: Path, most: int) -> dict[str, Any]:
    """By how pictures were spoilt: the share of each hindrance, and the least, median and most of each measure."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    chosen = paths[:: max(1, len(paths) // most)][:most]
    seen: dict[str, list[Visibility]] = {name: [] for name in SPOILT}
    for _, decoded in decode_ahead((path, path.read_bytes()) for path in chosen):
        if not isinstance(decoded, UndecodableImage):
            for name, spoil in SPOILT.items():
                seen[name].append(measure_visibility(spoil(_scaled(decoded))))
    return {name: _told(several) for name, several in seen.items()}


def _scaled(pixels: Pixels) -> Pixels:
    gain = _SIDE / max(pixels.shape[:2])
    how = cv2.INTER_AREA if gain < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, None, fx=gain, fy=gain, interpolation=how), np.uint8)


def _told(several: Sequence[Visibility]) -> dict[str, Any]:
    counts = Counter(hindrance for each in several if (hindrance := find_hindrance(each, Limits())))
    spreads = {
        name: [
            round(float(np.percentile([getattr(each, name) for each in several], share)), 4) for share in (0, 50, 100)
        ]
        for name in ("light", "glare", "sharpness")
    }
    refused = {name: round(count / len(several), 4) for name, count in sorted(counts.items())}
    return {"images": len(several), "refused": refused, **spreads}


def table(result: Mapping[str, Mapping[str, Any]]) -> Table:
    """A line for each folder and way of spoiling."""
    shown = Table(title=f"refused by {Limits()}")
    for heading in ("folder", "pictures", "images", "too dark", "too much glare", "blurred"):
        shown.add_column(heading, justify="left" if heading in ("folder", "pictures") else "right")
    for folder, by_name in result.items():
        for name, told in by_name.items():
            shares = [f"{told['refused'].get(kind, 0):.1%}" for kind in ("too dark", "too much glare", "blurred")]
            shown.add_row(Path(folder).name, name, str(told["images"]), *shares)
    return shown


if __name__ == "__main__":
    main()
