"""Export a dataset to a folder in a format that others read: whole or not at all, and with what was lost told."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from datasets.coco import Dataset, Image
from datasets.errors import BadDataset
from datasets.exporting.coco import write_coco_export
from datasets.exporting.cvat import write_cvat_export
from datasets.exporting.folders import write_folders_export
from datasets.exporting.images import ends_oddly, is_turned, place_image, require_stored
from datasets.exporting.losses import losses_of, told_turned
from datasets.exporting.masks import write_masks_export
from datasets.exporting.mot import write_mot_export
from datasets.exporting.selection import Place, Selection, select
from datasets.exporting.settings import Exported, ExportFormat, ExportSettings, Loss, OnImage, Written
from datasets.exporting.voc import write_voc_export
from datasets.exporting.yolo import write_yolo_export
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, sync, told_when_full, write_json
from datasets.store import ImageStore

KIND = "carloop export"
LAYOUT = 2  # to be raised with any change to what is written, so that earlier exports are made anew
WRITERS: Mapping[ExportFormat, Callable[[Selection, Path, Place], Written]] = {
    "coco": write_coco_export,
    "yolo": write_yolo_export,
    "voc": write_voc_export,
    "cvat": write_cvat_export,
    "mot": write_mot_export,
    "masks": write_masks_export,
    "folders": write_folders_export,
}


def export_dataset(
    dataset: Dataset,
    store: ImageStore,
    out: Path,
    *,
    format: ExportFormat,
    settings: ExportSettings,
    progress: OnImage | None = None,
) -> Exported:
    """Write the dataset to the folder `out`, which appears in one step; its `manifest.json` says what is in it.

    The same export again changes nothing; another one takes an earlier export's place. Files in `out` may be hard links
    to the store's: replace them, never write into them. `progress` is told images done, and all.

    Raises:
        UnknownCategory: settings name a class that the project lacks.
        BadDataset: nothing to export, an unknown format, images that the store lacks, or an `out` with other things.
        Unavailable: the disk is full.
    """
    if format not in WRITERS:
        raise BadDataset(f"{format!r} is no export format; choose one of {', '.join(WRITERS)}")
    selection, left_out = select(dataset, settings, format)
    key, out = _key(selection, format, left_out), out.resolve()
    earlier = _read_earlier(out)
    if earlier and earlier["digest"] == key:
        return _exported(earlier)
    require_stored(selection.dataset.images, store)
    _remove_leftovers(out)
    placer = Placer(store, selection, format, progress)
    with told_when_full(out.parent), _told_unwritable(out), new_folder(_aside(out) if earlier else out) as folder:
        result = _write(placer, selection, folder, format, left_out)
        write_json(folder / MANIFEST, _manifest(key, format, settings, result, folder))
    if earlier:
        _swap(_aside(out), out)
    return result


def _write(
    placer: "Placer", selection: Selection, folder: Path, format: ExportFormat, left_out: Sequence[Loss]
) -> Exported:
    written = WRITERS[format](selection, folder, lambda image, name: placer.place(image, folder / name))
    placer.finish()
    losses = (*left_out, *losses_of(selection, format), *told_turned(placer.turned, format), *written.losses)
    return Exported(placer.images, written.annotations, losses)


@contextmanager
def _told_unwritable(out: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise BadDataset(
            f"{out} cannot be written: {error.strerror} ({error.filename}); name another folder"
        ) from error


class Placer:
    """Puts photographs into an export, and counts them."""

    def __init__(self, store: ImageStore, selection: Selection, format: ExportFormat, progress: OnImage | None) -> None:
        self.store, self.format, self.progress = store, format, progress
        self.copy, self.total = selection.settings.copy_images, len(selection.dataset.images)
        self.images = self.turned = 0

    def place(self, image: Image, target: Path) -> None:
        source = self.store.path(image.file_name)
        rewritten = self.format in ("yolo", "folders") and ends_oddly(source)
        place_image(source, target, copy=self.copy or rewritten)
        self.images += 1
        self.turned += is_turned(source)
        if self.progress:
            self.progress(self.images, self.total)

    def finish(self) -> None:
        """Images that the format left out are done too."""
        if self.progress and self.images < self.total:
            self.progress(self.total, self.total)


def _key(selection: Selection, format: ExportFormat, left_out: Sequence[Loss]) -> str:
    """The digest of everything that decides an export's content."""
    encoder, content, part = msgspec.json.Encoder(order="deterministic"), hashlib.sha256(), selection.dataset
    for entry in (*part.images, *part.annotations):
        content.update(encoder.encode(entry))
    taxonomy = [[category.name, category.kind] for category in part.taxonomy.categories]
    asked = {"format": format, "settings": selection.settings.model_dump(mode="json"), "taxonomy": taxonomy}
    return digest({**asked, "content": content.hexdigest(), "left out": list(map(str, left_out)), "layout": LAYOUT})


def _manifest(
    key: str, format: ExportFormat, settings: ExportSettings, result: Exported, folder: Path
) -> dict[str, Any]:
    return {
        "kind": KIND,
        "digest": key,
        "format": format,
        "settings": settings.model_dump(mode="json"),
        "entries": sorted(path.name for path in folder.iterdir()),
        **asdict(result),
    }


def _exported(manifest: Mapping[str, Any]) -> Exported:
    losses = tuple(Loss(**loss) for loss in manifest["losses"])
    return Exported(manifest["images"], manifest["annotations"], losses)


def _read_earlier(out: Path) -> dict[str, Any] | None:
    """The manifest of an earlier export at `out`; None where there is nothing.

    Raises:
        BadDataset: there is something else, or something beside an earlier export.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not out.is_dir():
        raise BadDataset(f"{out} is a file; name a new folder to export to")
    manifest = read_json(out / MANIFEST) if is_complete(out) else None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise BadDataset(f"{out} holds files that are no complete export; name a new folder, or empty this one")
    others = {path.name for path in out.iterdir()} - {*manifest["entries"], MANIFEST}
    if others:
        raise BadDataset(f"{out} holds an export and {min(others)!r} beside it; move that away, or name a new folder")
    return manifest


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.new")


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def _remove_leftovers(out: Path) -> None:
    """Of an export that was killed."""
    for folder in (_aside(out), _old(out)):
        shutil.rmtree(folder, ignore_errors=True)


def _swap(new: Path, out: Path) -> None:
    """Put `new` in the place of `out`. Killed between, `out` is whole or absent."""
    out.rename(_old(out))
    new.rename(out)
    sync(out.parent)
    shutil.rmtree(_old(out), ignore_errors=True)
