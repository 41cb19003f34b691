"""MOT Challenge sequences, read by datumaro: gt/gt.txt beside img1/. https://motchallenge.net/instructions

Without a labels.txt beside gt.txt, datumaro gives the challenge's own twelve classes. Regions that the ground truth
says to ignore become crowd regions. Coordinates stay as they are written, though the challenge counts pixels from 1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from datasets.importing.datumaro_items import convert_object, label_names, told
from datasets.importing.foreign import ForeignImage, ForeignObject, ForeignSource
from datasets.importing.places import relative

_UNNAMED = "object"


def mot_files(source: Path) -> list[Path]:
    """The gt.txt that `source` is, or those of the sequences below it."""
    if source.is_file():
        return [source] if source.name == "gt.txt" else []
    return sorted(path for pattern in ("gt/gt.txt", "*/gt/gt.txt", "*/*/gt/gt.txt") for path in source.glob(pattern))


def read_mot_source(path: Path, *, root: Path, name: str) -> ForeignSource:
    """One sequence. Raises BadDataset when it is broken."""
    from datumaro.plugins.data_formats.mot import MotSeqBase

    sequence = path.parent.parent
    with told(path, "MOT"):
        reader = MotSeqBase(str(path))
        names = label_names(reader)
        images = tuple(_image(item, names, root) for item in reader)
    used = {found.name for image in images for found in image.objects}
    place = "" if sequence == root or not sequence.is_relative_to(root) else f"/{relative(sequence, root)}"
    family = f"{name}{place}"  # its frames show the same things
    return ForeignSource(
        name=f"{name}{place}",
        names=tuple(dict.fromkeys((*names, *sorted(used)))),
        images=tuple(replace(image, family=family) for image in images),
    )


def _image(item: Any, names: list[str], root: Path) -> ForeignImage:
    path = Path(item.media.path) if item.media is not None else None
    known = path is not None and path.is_file()
    size = item.media.size if item.media is not None and item.media.has_size else None
    return ForeignImage(
        file_name=relative(path, root) if path is not None and path.is_relative_to(root) else f"frame {item.id}",
        path=path if known else None,
        declared_size=(size[1], size[0]) if size else None,
        objects=tuple(_objects(item, names)),
    )


def _objects(item: Any, names: list[str]) -> Iterator[ForeignObject]:
    for number, found in enumerate(item.annotations):
        ignored = found.attributes.pop("ignored", False)
        made = convert_object(found, names, f"{item.id}#{number}", missing=_UNNAMED)
        if made is not None:
            yield replace(made, iscrowd=bool(ignored))
