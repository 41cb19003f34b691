"""Where imported annotations go: the frames and labels of a task, by the names that a file has for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cvat.embedded.errors import RefusedImport
from cvat.embedded.labeled import AttributeValue
from cvat.embedded.specs import AttributeSpec, LabelSpec


@dataclass(frozen=True, slots=True)
class TargetFrame:
    """A frame: its number in the task, its place in the source, its name, its size in pixels."""

    index: int
    number: int
    name: str
    width: int
    height: int


class Target:
    """A task to import into. With a `subset`, files are read for the frames of this subset alone."""

    def __init__(
        self,
        frames: Sequence[TargetFrame],
        labels: Mapping[int, LabelSpec],
        *,
        is_video: bool = False,
        subset: str | None = None,
    ) -> None:
        self.subset = subset
        self._is_video = is_video
        self.frames = frames
        self._labels = {label.name: label for label in labels.values()}
        self._by_index = {frame.index: frame for frame in frames}
        self._by_number = {frame.number: frame for frame in frames}
        self._by_name = {name: frame for frame in reversed(frames) for name in (stem(frame.name), frame.name)}

    @property
    def end(self) -> int:
        """The number of the frame after the last one."""
        return max(self._by_index, default=-1) + 1

    def frame_named(self, name: str, *, number: int | None = None, root: str = "") -> TargetFrame:
        """The frame of an image, by its name or the name below `root`, or by its place in the source.

        Raises:
            RefusedImport: there is none.
        """
        for candidate in (name, stem(name)):
            for path in (candidate, str(PurePosixPath(root, candidate))):
                if path in self._by_name:
                    return self._by_name[path]
        if number is None:
            number = number_in(name) if self._is_video else _number(stem(name))
        if number not in self._by_number:
            raise RefusedImport(f"Could not match item id: {name!r} with any task frame")
        return self._by_number[number]

    def frame_at(self, number: int) -> TargetFrame:
        """The frame at a place in the source. Raises RefusedImport."""
        if number not in self._by_number:
            raise RefusedImport(f"Unknown frame {number}")
        return self._by_number[number]

    def root_of(self, names: Iterable[str]) -> str:
        """The folder of the task that a file's names begin below, told by the one that is deepest; often none."""
        deepest = max((PurePosixPath(stem(name)).parts for name in names), key=len, default=())
        for frame in self.frames if deepest else ():
            parts = PurePosixPath(stem(frame.name)).parts
            if parts[-len(deepest) :] == deepest:
                return str(PurePosixPath(*parts[: -len(deepest)])) if len(parts) > len(deepest) else ""
        return ""

    def label(self, name: str, *, parent: LabelSpec | None = None) -> LabelSpec:
        """A label, or the part of a skeleton. Raises RefusedImport where there is none of this name."""
        found = self._labels.get(name) if parent is None else parent.part_named(name)
        if found is None:
            where = f"in {parent.name!r}" if parent else "for this task"
            raise RefusedImport(f"Label {name!r} is not registered {where}; add it and import again")
        return found


def attribute_values(
    label: LabelSpec, values: Mapping[str, object], *, mutable: bool | None = None
) -> list[AttributeValue]:
    """The values of a label's attributes; with `mutable` of those alone that can change along a track, or cannot.

    Raises:
        RefusedImport: a checkbox is neither true nor false.
    """
    wanted = [spec for spec in label.attributes.values() if mutable is None or spec.mutable == mutable]
    return [AttributeValue(spec.id, _text(values[spec.name], spec, label)) for spec in wanted if spec.name in values]


def _text(value: object, spec: AttributeSpec, label: LabelSpec) -> str:
    if spec.input_type == "checkbox":
        text = str(value).lower()
        if text not in ("true", "false"):
            raise RefusedImport(f"{label.name!r}: attribute {spec.name!r} is true or false, not {value!r}")
        return text
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def stem(name: str) -> str:
    """A name without its ending, with folders."""
    return str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


def number_in(name: str) -> int | None:
    """The number of a frame by its name: `frame_000007` and `7` are number 7."""
    return _number(PurePosixPath(stem(name)).name.removeprefix("frame_"))


def _number(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None
