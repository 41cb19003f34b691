"""Where the names of boxes are written, so that they hide each other as little as may be. Pixels of the image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datasets.coco import BboxXywh

_LETTER_WIDTH = 0.7  # of the letters' height, on average, in a wide bold sans-serif


@dataclass(frozen=True)
class Label:
    """A name's place: its left end on the base line; `letters` is their height."""

    text: str
    x: float
    y: float
    letters: float

    @property
    def width(self) -> float:
        return self.letters * _LETTER_WIDTH * len(self.text)

    def hides(self, other: "Label") -> bool:
        apart_in_x = self.x >= other.x + other.width or other.x >= self.x + self.width
        return not apart_in_x and abs(self.y - other.y) < self.letters


def letters_of(width: int, height: int) -> float:
    """How high letters are on an image of that size: the same on all thumbnails."""
    return max(width, height) / 24


def place_labels(named: Sequence[tuple[str, BboxXywh]], *, width: int, height: int) -> list[Label]:
    """A place for each name, at its box: above it, inside, below; the first where it hides none before it."""
    placed: list[Label] = []
    for text, bbox_xywh in named:
        places = list(_places(text, bbox_xywh, width, height))
        free = (label for label in places if not any(label.hides(other) for other in placed))
        placed.append(next(free, places[0]))
    return placed


def _places(text: str, bbox_xywh: BboxXywh, width: int, height: int) -> Iterator[Label]:
    letters = letters_of(width, height)
    left, top, box_width, box_height = bbox_xywh
    room = width - letters * (_LETTER_WIDTH * len(text) + 0.2)
    bottom = top + box_height
    wanted = (top - letters / 4, top + letters, bottom - letters / 4, bottom + letters, bottom + 2 * letters)
    ys = [y for y in wanted if letters <= y <= height - letters / 4]
    for y in ys or [letters]:
        for x in (left, left + box_width - letters * _LETTER_WIDTH * len(text)):
            yield Label(text, max(letters / 5, min(x, room)), y, letters)
