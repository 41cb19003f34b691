"""YOLO as Ultralytics has it: a data.yaml, folders of images, and a .txt of fractions for each image.

https://docs.ultralytics.com/datasets/ (detect, segment, obb, pose). Read here, line by line, because the libraries for
it lose too much: datumaro takes boxes alone and drops images without a .txt, and a whole image for one odd line; it
does not follow data.yaml's folders. labelformat drops them too, and where it reads segments it ends at the first image
without a .txt, or at the first odd line.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from datasets.coco import Polygons
from datasets.errors import BadDataset
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource
from datasets.importing.places import IMAGE_SUFFIXES, find_image, list_images, read_text, relative

SPLITS = ("train", "val", "valid", "test", "minival")


def find_yolo_files(source: Path) -> list[Path]:
    """The data.yaml that `source` is, or that lies in it."""
    if source.is_file():
        return [source] if source.suffix.lower() in (".yaml", ".yml") and _is_yolo(source) else []
    return [path for path in sorted([*source.glob("*.yaml"), *source.glob("*.yml")]) if _is_yolo(path)]


def _is_yolo(path: Path) -> bool:
    text = read_text(path)
    return "names:" in text and any(f"{split}:" in text for split in SPLITS)


def read_yolo_sources(paths: Sequence[Path], *, root: Path, name: str) -> list[ForeignSource]:
    """One source a split. An image without a .txt has no objects: it is a background image, by Ultralytics' definition.
    A split without any .txt says nothing.

    Raises:
        BadDataset: the YAML is broken or has no class names, or a split's folder is not below `root`.
    """
    return [source for path in paths for source in _read_splits(path, root, name)]


def _read_splits(path: Path, root: Path, name: str) -> Iterator[ForeignSource]:
    content = _read_yaml(path)
    names = _class_names(content, path)
    pose = "kpt_shape" in content
    for split in SPLITS:
        if not content.get(split):
            continue
        given = content[split] if isinstance(content[split], list) else [content[split]]
        files = dict(found for place in given for found in _images_at(str(place), content, path))
        images = tuple(_read_image(file_name, found, names, root, pose=pose) for file_name, found in files.items())
        bare = sum(not _labels_of(root / file_name, root).is_file() for file_name in files)
        if bare == len(images):
            note = f"none of {len(images)} images has a .txt: nothing is known of them"
            yield ForeignSource(f"{name}/{split}", (), images, (note,))
        else:
            note = f"{bare} of {len(images)} images have no .txt and are taken as photographs without objects"
            yield ForeignSource(f"{name}/{split}", tuple(names.values()), images, (note,) if bare else ())


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise BadDataset(f"{path} is not valid YAML: {' '.join(str(error).split())}; mend the file") from None
    if not isinstance(content, dict):
        raise BadDataset(f"{path} is no data.yaml: it needs names: and train:; mend the file")
    return content


def _class_names(content: Mapping[str, Any], path: Path) -> dict[int, str]:
    names = content.get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    raise BadDataset(f"{path}: names: has to be a list, or a mapping of numbers to names; mend the file")


def _images_at(place: str, content: Mapping[str, Any], path: Path) -> list[tuple[str, Path | None]]:
    """Names and files of a split's images: those in a folder, or those that a .txt lists, None where one is absent."""
    root, found = path.parent, _find_below(place, content, path)
    if found.is_dir():
        return [(relative(image, root), image) for image in list_images(found)]
    lines = (line.strip() for line in read_text(found).splitlines())
    names = [name for name in lines if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    files = {name: find_image(name, [found.parent, root], told_in=found) for name in names}
    return [(relative(file, root) if file else name, file) for name, file in files.items()]


def _find_below(place: str, content: Mapping[str, Any], path: Path) -> Path:
    """A place that data.yaml names. Its `path:` is where its author had the folder; here it counts only below ours.

    Roboflow writes `../train/images` for a folder beside data.yaml.
    """
    root = path.parent.resolve()
    bare = place.removeprefix("../")
    for candidate in (root / str(content.get("path") or "") / place, root / place, root / bare):
        if candidate.exists() and candidate.resolve().is_relative_to(root):
            return path.parent / candidate.resolve().relative_to(root)
    raise BadDataset(f"{path} names {place!r}, which is not there below {path.parent}; put it there or mend the file")


def _labels_of(image: Path, root: Path) -> Path:
    """Ultralytics' rule: the last `images` among the folders becomes `labels`."""
    parts = list(image.relative_to(root).parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return root.joinpath(*parts).with_suffix(".txt")


def _read_image(file_name: str, path: Path | None, names: Mapping[int, str], root: Path, *, pose: bool) -> ForeignImage:
    labels = _labels_of(root / file_name, root)
    lines = read_text(labels).splitlines() if labels.is_file() else []
    objects, lost = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            name, found = _parse_line(line.split(), names, f"{file_name}#{number}", pose=pose)
            if found is None:
                lost.append(name)
            else:
                objects.append(found)
    return ForeignImage(file_name, path, objects=tuple(objects), lost=tuple(lost), normalized=True)


def _parse_line(
    fields: Sequence[str], names: Mapping[int, str], annotation_id: str, *, pose: bool
) -> tuple[str | None, ForeignObject | None]:
    """`class cx cy w h [score]`, or `class x1 y1 x2 y2 x3 y3 …`; (class name, None) for a line that is neither."""
    try:
        values = [float(field) for field in fields]
        name = names[int(values[0])]
    except (KeyError, ValueError, OverflowError):
        return None, None
    numbers = values[1:]
    if not all(map(math.isfinite, numbers)):
        return name, None
    if len(numbers) in (4, 5) or (pose and len(numbers) > 4):
        across, down, width, height = numbers[:4]
        bbox_xywh = (across - width / 2, down - height / 2, width, height)
        score = numbers[4] if len(numbers) == 5 else None
        return name, ForeignObject(annotation_id, name, bbox_xywh, score=score)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        polygons: Polygons = (tuple(numbers),)
        return name, ForeignObject(annotation_id, name, segmentation=polygons)
    return name, None
