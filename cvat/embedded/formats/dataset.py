"""What an export writes: the frames of tasks with what is to be seen on each, and the tracks as they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cvat.embedded.labeled import AttributeValue, Element, Shape, Tag, Track, values_of
from cvat.embedded.specs import LabelSpec

#: The subset of tasks that have none.
DEFAULT_SUBSET = "default"


@dataclass(frozen=True, slots=True)
class Seen:
    """A shape on a frame; one of a track has the number of the track, and may be a key frame of it."""

    shape: Shape
    track: int | None = None
    is_key: bool = True


@dataclass(frozen=True, slots=True)
class DatasetFrame:
    """A frame that is kept. Sizes are upright, in pixels.

    `index` is its number in the task, `number` its place in the source; `name` is CVAT's for it, `file_name` that of
    the image.
    """

    index: int
    number: int
    name: str
    file_name: str
    width: int
    height: int
    subset: str
    tags: Sequence[Tag] = ()
    shapes: Sequence[Seen] = ()

    @property
    def stem(self) -> str:
        """The file name without its ending, with folders."""
        return str(PurePosixPath(self.file_name).with_suffix(""))


@dataclass(frozen=True)
class Part:
    """A task, or one job of it, as an export has it. `numbers` are the places in the source of all its frames, and
    `facts` what CVAT tells about it in its own formats."""

    task_id: int
    subset: str
    numbers: Mapping[int, int]
    frames: Sequence[DatasetFrame]
    shapes: Sequence[Shape]
    tracks: Sequence[Track]
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What is exported and when: a task, a job or a project. Labels, without parts of skeletons, are in their order."""

    kind: str
    facts: Mapping[str, object]
    labels: Mapping[int, LabelSpec]
    parts: Sequence[Part]
    written: str

    @property
    def frames(self) -> Iterator[DatasetFrame]:
        """All frames in order."""
        return (frame for part in self.parts for frame in part.frames)

    def by_subset(self) -> Mapping[str, list[DatasetFrame]]:
        """The frames of each subset, in order."""
        found: dict[str, list[DatasetFrame]] = {part.subset: [] for part in self.parts}
        for frame in self.frames:
            found[frame.subset].append(frame)
        return found


def named_values(label: LabelSpec, attributes: Iterable[AttributeValue]) -> dict[str, str]:
    """The values of attributes by name, in the order of the label."""
    values = values_of(attributes)
    return {spec.name: values[spec.id] for spec in label.attributes.values() if spec.id in values}


def parts_of(label: LabelSpec, shape: Shape) -> Iterator[tuple[LabelSpec, Element]]:
    """The elements of a skeleton with their labels."""
    return ((label.parts[element.label_id], element) for element in shape.elements)
