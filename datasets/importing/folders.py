"""Folders of images that are named after classes: `clean/`, `dirty/`, with `train/`, `val/`, `test/` above or not."""

from pathlib import Path

from datasets.importing.foreign import ForeignImage, ForeignSource, ForeignTag
from datasets.importing.places import list_images, relative

SPLITS = ("train", "training", "valid", "val", "validation", "test", "testing")
NO_CLASSES = ("images", "img", "imgs", "jpegimages", "data", "labels", "annotations", "masks")


def class_folders(root: Path) -> dict[str, list[Path]]:
    """Class folders by the split's folder above them, or by `""`; empty when `root` is laid out otherwise."""
    below = _folders(root)
    if below and all(folder.name.lower() in SPLITS for folder in below):
        found = {split.name: _folders(split) for split in below}
    else:
        found = {"": below}
    folders = [folder for of_split in found.values() for folder in of_split]
    if any(folder.name.lower() in NO_CLASSES or not list_images(folder) for folder in folders):
        return {}
    return {split: of_split for split, of_split in found.items() if of_split}


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def read_folder_sources(root: Path, *, name: str) -> list[ForeignSource]:
    """One source a split: each image has the class that its folder is named after, and none of the other folders'."""
    found = class_folders(root)
    names = tuple(sorted({folder.name for folders in found.values() for folder in folders}))
    return [
        ForeignSource(
            name=f"{name}/{split}" if split else name,
            names=names,
            images=tuple(
                ForeignImage(file_name=relative(path, root), path=path, tags=(ForeignTag(folder.name),))
                for folder in folders
                for path in list_images(folder)
            ),
        )
        for split, folders in found.items()
    ]
