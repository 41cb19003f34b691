"""Which pictures are drawn, and which of these come on the grid."""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec

from datasets.files import write_bytes
from pipelines.predict.drawing import draw_seen
from pipelines.predict.places import Source
from pipelines.predict.reading import Picture, file_name
from pipelines.predict.records import Seen
from pipelines.predict.results import Options, Results
from pipelines.predict.summary import STATUS_COLOURS
from training.assessability import find_hindrance

T = TypeVar("T")


class Drawer:
    """Draws the pictures that are samples: all, or some spread evenly over the sources; of a video as many at most."""

    def __init__(self, folder: Path, sources: Sequence[Source], class_names: Sequence[str], options: Options) -> None:
        self._folder, self._class_names, self._limits = folder, class_names, options.limits
        most = options.max_samples
        self._sources = set(sources if most is None else spread(sources, most))
        self._last_frame = None if most is None else most * options.every

    def draw(self, picture: Picture, seen: Seen) -> Seen:
        """What was seen, with its file's name if it is drawn."""
        frame = picture.key[1] or 0
        if picture.source not in self._sources or (self._last_frame is not None and frame >= self._last_frame):
            return seen
        name = file_name(picture.source, picture.key)
        remark = find_hindrance(seen.visibility, self._limits)
        write_bytes(self._folder / name, draw_seen(picture.pixels, seen, self._class_names, remark=remark))
        return msgspec.structs.replace(seen, drawn=name)


def choose_tiles(individual: Path, results: Results, *, most: int) -> Iterator[tuple[Path, str, str]]:
    """Some drawn pictures, of each status in turn, with what is told of the car."""
    verdicts = {verdict.car: verdict for verdict in results.verdicts or ()}
    kinds: dict[str, list[tuple[Path, str, str]]] = {}
    for source, seen in results.sources:
        if not seen.drawn:
            continue
        verdict = verdicts.get(source.car)
        status = verdict.status if verdict else "not assessable" if _hindered(seen, results) else "fine"
        text = f"{verdict.status}: {verdict.reason}" if verdict else Path(source.name).name
        kinds.setdefault(status, []).append((individual / seen.drawn, text, STATUS_COLOURS[status]))
    chosen = [spread(tiles, most) for tiles in kinds.values()]
    in_turn = [tile for tile in chain.from_iterable(zip_longest(*chosen)) if tile]
    yield from sorted(in_turn[:most], key=lambda tile: list(STATUS_COLOURS.values()).index(tile[2]))


def _hindered(seen: Seen, results: Results) -> bool:
    return find_hindrance(seen.visibility, results.limits) is not None


def spread(several: Sequence[T], number: int) -> list[T]:
    """That many of them, at most, as evenly apart as can be."""
    step = max(1.0, len(several) / max(number, 1))
    return [several[int(place * step)] for place in range(min(number, len(several)))]
