"""What a track shows between two key frames, as CVAT moves it."""

from msgspec.structs import replace

from cvat.embedded.labeled import KeyFrame
from cvat.interpolation import angle_between, points_between


def between(left: KeyFrame, right: KeyFrame, frame: int) -> KeyFrame:
    """What is to be seen on a frame between two key frames: `left`, on its way to `right`."""
    share = (frame - left.frame) / (right.frame - left.frame)
    points = points_between(left.type, left.points, right.points, share)
    return replace(
        left, id=None, frame=frame, points=points, rotation=angle_between(left.rotation, right.rotation, share)
    )
