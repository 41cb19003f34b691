"""Which COCO files a path stands for, and where their images lie."""

from pathlib import Path

from datasets.errors import BadDataset
from datasets.validation.names import is_unsafe

ANNOTATION_FILES = ("annotations.json", "_annotations.coco.json")
SPLITS = ("train", "valid", "val", "validation", "test")
REPAIRS = "repairs.json"


def dataset_files(path: Path) -> list[Path]:
    """The COCO files of a dataset: the file itself, that of a folder, or those of its split folders (Roboflow).

    Raises:
        BadDataset: nothing is there, or no COCO file is, or which one is meant cannot be told.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BadDataset(f"{path} is neither a file nor a folder; give a COCO file or a folder that holds one")
    folders = [path, *(path / name for name in SPLITS)]
    found = [folder / name for folder in folders for name in ANNOTATION_FILES if (folder / name).is_file()]
    found = found or sorted(place for place in path.glob("*.json") if place.name not in ("manifest.json", REPAIRS))
    if not found or (len(found) > 1 and found[0].name not in ANNOTATION_FILES):
        names = ", ".join(place.name for place in found) or "no .json file"
        raise BadDataset(
            f"{path} needs {' or '.join(ANNOTATION_FILES)}, itself or in {', '.join(SPLITS)}; found {names}; "
            "name the file that is meant"
        )
    return found


def read_content(path: Path) -> bytes:
    """A file's bytes. Raises BadDataset when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from None


def image_places(folder: Path, file_name: str) -> tuple[Path, ...]:
    """Where an image may lie: beside the COCO file or under images/; nowhere if the name leads out of the folder."""
    if is_unsafe(file_name) or not file_name.strip():
        return ()
    name = file_name.replace("\\", "/")
    return folder / name, folder / "images" / name
