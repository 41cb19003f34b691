"""Tracks from a shape on each frame, as some formats tell them."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from cvat.embedded.labeled import KeyFrame
from cvat.embedded.tracks import Sight, by_frame


def key_frames(seen: Iterable[Sight], *, end: int) -> list[KeyFrame]:
    """The key frames that give a track back which was seen like this, on frames before `end`.

    They are those told, those where it appears, and one outside behind each run of frames where it is seen.
    """
    return by_frame(_needed(sorted(seen, key=lambda sight: sight.shape.frame), end))


def _needed(seen: Sequence[Sight], end: int) -> Iterator[KeyFrame]:
    before: KeyFrame | None = None
    for sight in seen:
        shape, was_visible = sight.shape, before is not None and not before.outside
        ended = before is not None and was_visible and before.frame + 1 < shape.frame
        if ended and before is not None:
            yield _ended(before)
        if was_visible == shape.outside or (not shape.outside and (ended or sight.is_key)):
            yield shape
        before = shape
    if before is not None and not before.outside and before.frame + 1 < end:
        yield _ended(before)


def _ended(shape: KeyFrame) -> KeyFrame:
    return replace(shape, frame=shape.frame + 1, outside=True)
