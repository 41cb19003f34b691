"""Which format a foreign dataset is in, and its reader."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from datasets.errors import BadDataset
from datasets.files import read_json
from datasets.importing.coco_reader import read_coco_source
from datasets.importing.cvat import is_cvat, read_cvat_sources
from datasets.importing.folders import class_folders, read_folder_sources
from datasets.importing.foreign import ForeignSource, Format, ImportSettings
from datasets.importing.masks import mask_folders, read_mask_sources
from datasets.importing.mot import mot_files, read_mot_source
from datasets.importing.places import read_content, without_nan
from datasets.importing.via import read_via_source
from datasets.importing.voc import read_voc_sources, voc_folders
from datasets.importing.yolo import find_yolo_files, read_yolo_sources

LOOKED_FOR: Mapping[Format, str] = {
    "coco": "a .json with images, annotations and categories",
    "via": "a .json whose entries have filename and regions",
    "cvat": "an .xml with <annotations>",
    "yolo": "a data.yaml with names and splits",
    "voc": "a folder of .xml with <annotation>",
    "mot": "a gt/gt.txt",
    "masks": "masks/ beside images/, with dataset_meta.json",
    "folders": "folders of images, named after classes",
}
_NOT_ANNOTATIONS = ("manifest.json", "dataset_meta.json", "package.json")
_DEPTH = 3


def find_format(source: Path) -> Format:
    """The one format that fits a folder, or an annotation file.

    Raises:
        BadDataset: none fits, or more than one.
    """
    fitting = [form for form, fits in _FITS.items() if fits(source)]
    if not fitting and source.is_dir() and class_folders(source):
        return "folders"
    if len(fitting) == 1:
        return fitting[0]
    looked_for = "; ".join(f"{form}: {what}" for form, what in LOOKED_FOR.items())
    if not fitting:
        raise BadDataset(f"{source} is in no format that is known here; looked for {looked_for}")
    raise BadDataset(f"{source} could be {' or '.join(fitting)}; say which with --format (looked for {looked_for})")


def read_sources(source: Path, form: Format, settings: ImportSettings) -> list[ForeignSource]:
    """All sources below a folder, or the one in an annotation file. Raises BadDataset where they can't be read."""
    root = source if source.is_dir() else source.parent
    name = settings.name or root.resolve().name
    found = _READERS[form](source, root, name, settings)
    if not found:
        raise BadDataset(f"{source} has nothing in it that is {form}: looked for {LOOKED_FOR[form]}")
    return _told_apart(found)


def _told_apart(sources: list[ForeignSource]) -> list[ForeignSource]:
    """The sources, with a number after a name that an earlier one has."""
    times = Counter[str]()
    apart = []
    for source in sources:
        times[source.name] += 1
        again = f" ({times[source.name]})" if times[source.name] > 1 else ""
        apart.append(replace(source, name=source.name + again))
    return apart


def _coco(source: Path, root: Path, name: str, _: ImportSettings) -> list[ForeignSource]:
    return [read_coco_source(path, root=root, name=name) for path in _json_files(source, "coco")]


def _via(source: Path, root: Path, name: str, settings: ImportSettings) -> list[ForeignSource]:
    """Exported annotations come before projects, which may say the same."""
    paths = sorted(_json_files(source, "via"), key=lambda path: (path.parent, _is_via_project(path), path.name))
    return [read_via_source(path, root=root, name=name, class_attribute=settings.class_attribute) for path in paths]


_READERS: Mapping[Format, Callable[[Path, Path, str, ImportSettings], list[ForeignSource]]] = {
    "coco": _coco,
    "via": _via,
    "cvat": lambda source, root, name, _: read_cvat_sources(_xml_files(source), root=root, name=name),
    "yolo": lambda source, root, name, _: read_yolo_sources(find_yolo_files(source), root=root, name=name),
    "voc": lambda source, root, name, _: read_voc_sources(root, name=name),
    "mot": lambda source, root, name, _: [read_mot_source(path, root=root, name=name) for path in mot_files(source)],
    "masks": lambda source, root, name, _: read_mask_sources(root, name=name),
    "folders": lambda source, root, name, _: read_folder_sources(root, name=name),
}
_FITS: Mapping[Format, Callable[[Path], bool]] = {
    "coco": lambda source: bool(_json_files(source, "coco")),
    "via": lambda source: bool(_json_files(source, "via")),
    "cvat": lambda source: bool(_xml_files(source)),
    "yolo": lambda source: bool(find_yolo_files(source)),
    "voc": lambda source: bool(voc_folders(source)),
    "mot": lambda source: bool(mot_files(source)),
    "masks": lambda source: bool(mask_folders(source)),
}


def _json_files(source: Path, form: Format) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" and _json_kind(source) == form else []
    found = (path for path in _files(source, ".json") if path.name not in _NOT_ANNOTATIONS)
    return [path for path in found if _json_kind(path) == form]


def _xml_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".xml" and is_cvat(source) else []
    return [path for path in _files(source, ".xml") if is_cvat(path)]


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    """Files of a kind in a folder and the two levels below it, in order; hidden ones are left out."""
    patterns = ["/".join(["*"] * depth) + suffix for depth in range(1, _DEPTH + 1)]
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    yield from sorted(path for path in found if path.is_file() and not _is_hidden(path.relative_to(folder)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class _CocoKeys(msgspec.Struct):
    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw


class _ViaEntry(msgspec.Struct):
    filename: str
    regions: msgspec.Raw


def _json_kind(path: Path) -> Format | None:
    """What a JSON file looks like, told without reading all of it into memory. Raises BadDataset when it is broken."""
    content = read_content(path)
    try:
        return _kind_of(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        kind = _kind_of(without_nan(content, path))
        if kind is None:
            read_json(path)  # tells what is wrong, and where
        return kind


def _kind_of(content: bytes) -> Format | None:
    with suppress(msgspec.ValidationError):
        msgspec.json.decode(content, type=_CocoKeys)
        return "coco"
    with suppress(msgspec.ValidationError):
        entries = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        if "_via_img_metadata" in entries:
            return "via"
        for entry in entries.values():
            msgspec.json.decode(entry, type=_ViaEntry)
            return "via"
    return None


def _is_via_project(path: Path) -> bool:
    return b'"_via_img_metadata"' in read_content(path)
