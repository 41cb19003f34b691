"""Class folders: `<class>/<image>`, or `<split>/<class>/<image>` where there are splits. A class is a tag.

What Ultralytics' classifiers and Torchvision's ImageFolder read. An image without a tag, or with several, is in none.
"""

from collections import Counter
from pathlib import Path

from datasets.errors import BadDataset
from datasets.exporting.names import export_name, file_safe, split_name
from datasets.exporting.selection import Place, Selection
from datasets.exporting.settings import Written, counted

_TOLD = {
    "untagged": ("images have no tag", "left out"),
    "several": ("images have several tags", "left out: a folder is one class"),
}


def write_folders_export(selection: Selection, folder: Path, place: Place) -> Written:
    """Fill a folder. Raises BadDataset when no image has exactly one tag."""
    names = file_safe(selection.dataset.taxonomy.name(tag_id) for tag_id in selection.tag_ids)
    told: Counter[str] = Counter()
    for image in selection.dataset.images:
        tag_ids = {tag.category_id for tag in image.tags}
        if len(tag_ids) != 1:
            told["several" if tag_ids else "untagged"] += 1
            continue
        class_folder = names[selection.dataset.taxonomy.name(tag_ids.pop())]
        root = f"{split_name(image)}/" if selection.has_splits else ""
        place(image, f"{root}{class_folder}/{export_name(image)}")
    if told.total() == len(selection.dataset.images):
        raise BadDataset(f"none of {told.total()} images has exactly one tag, and class folders need that; tag some")
    _make_empty_classes(selection, folder, list(names.values()))
    return Written(0, counted(told, _TOLD))


def _make_empty_classes(selection: Selection, folder: Path, names: list[str]) -> None:
    """A folder for each class in every split: trainers number classes by the folders that they find."""
    roots = {split_name(image) for image in selection.dataset.images} if selection.has_splits else {"."}
    for root in roots:
        for name in names:
            (folder / root / name).mkdir(parents=True, exist_ok=True)
