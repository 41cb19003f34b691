"""What was seen in one picture or frame. Boxes are xyxy: pixels of the upright picture, origin top left."""

from collections.abc import Mapping

import msgspec

from training.assessability import Visibility


class Found(msgspec.Struct, frozen=True):
    """One object; `score` in [0, 1]. `sure` when the score exceeds its class's threshold."""

    class_name: str
    bbox_xyxy: tuple[float, float, float, float]
    score: float
    sure: bool


class Seen(msgspec.Struct, frozen=True):
    """All of one picture, told by its file's SHA-256 and, in a video, the frame's number from 0 on.

    `objects` are a detector's, best first; `scores` a classifier's, by class, which sum to 1. `drawn` is its file
    below `individual/`, where it has one.
    """

    sha256: str
    frame: int | None
    width: int
    height: int
    objects: tuple[Found, ...]
    scores: Mapping[str, float]
    visibility: Visibility
    drawn: str | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        return self.sha256, self.frame

    @property
    def sure(self) -> list[Found]:
        """The objects that count."""
        return [found for found in self.objects if found.sure]

    @property
    def best_class(self) -> str | None:
        """The class that a classifier thinks likeliest; None without one."""
        return max(self.scores, key=lambda name: self.scores[name], default=None)
