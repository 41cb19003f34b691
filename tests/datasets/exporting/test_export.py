"""Exports as folders: whole or absent, never over other people's files, the store's bytes unchanged."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from datasets.coco import Dataset, Image, Provenance, make_dataset
from datasets.errors import BadDataset, UnknownCategory
from datasets.exporting.export import WRITERS, export_dataset
from datasets.exporting.names import export_name
from datasets.exporting.settings import ExportFormat, ExportSettings
from datasets.store import ImageStore
from datasets.taxonomy import Category, Taxonomy

from .conftest import Export, jpeg, losses

KILLED = """
import os, signal, sys
from pathlib import Path
import msgspec
from datasets.coco import Dataset, Image, make_dataset
from datasets.exporting.export import export_dataset
from datasets.exporting.settings import ExportSettings
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY

store, images = ImageStore(Path(sys.argv[1])), msgspec.json.decode(sys.argv[2], type=list[Image])
dataset = make_dataset(DEFAULT_TAXONOMY, images, ())
def kill(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
export_dataset(dataset, store, Path(sys.argv[3]), format="coco", settings=ExportSettings(), progress=kill)
"""


def state(folder: Path) -> dict[str, Any]:
    """Every file, with its content, inode and time."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_ino, p.stat().st_mtime_ns) for p in files}


@pytest.mark.parametrize("form", WRITERS)
def test_the_same_export_again_does_nothing_and_says_the_same(
    form: ExportFormat, everything: Dataset, export: Export
) -> None:
    folder, told = export(everything, form)
    before = state(folder)
    assert export(everything, form) == (folder, told)
    assert state(folder) == before


@pytest.mark.parametrize("form", WRITERS)
def test_two_exports_of_the_same_are_the_same_byte_for_byte(
    form: ExportFormat, everything: Dataset, export: Export, tmp_path: Path
) -> None:
    one, other = export(everything, form)[0], export(everything, form, tmp_path / "again")[0]
    assert {name: found[0] for name, found in state(one).items()} == {n: found[0] for n, found in state(other).items()}


def test_another_export_takes_the_place_of_an_earlier_one(everything: Dataset, export: Export) -> None:
    folder, _ = export(everything, "coco")
    _, told = export(everything, "yolo", folder)
    assert not (folder / "annotations.json").exists()
    assert json.loads((folder / "manifest.json").read_text())["images"] == told.images
    assert {path.name for path in folder.parent.iterdir()} == {folder.name}


def test_a_folder_of_other_things_is_refused_and_left_alone(
    everything: Dataset, export: Export, tmp_path: Path
) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter 1.tex").write_text("It was")
    with pytest.raises(BadDataset, match="holds files that are no complete export; name a new folder"):
        export(everything, "coco", folder)
    assert [path.name for path in folder.iterdir()] == ["chapter 1.tex"]


def test_an_export_with_something_put_beside_it_is_not_replaced(everything: Dataset, export: Export) -> None:
    folder, _ = export(everything, "coco")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BadDataset, match=r"'notes.txt' beside it"):
        export(everything, "yolo", folder)


def test_an_incomplete_folder_or_a_file_is_refused(everything: Dataset, export: Export, tmp_path: Path) -> None:
    folder, _ = export(everything, "coco")
    (folder / "manifest.json").unlink()
    with pytest.raises(BadDataset, match="no complete export"):
        export(everything, "coco")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadDataset, match="is a file"):
        export(everything, "coco", tmp_path / "file")
    with pytest.raises(BadDataset, match=r"cannot be written: .*; name another folder"):
        export(everything, "coco", tmp_path / "file" / "below")


def test_an_empty_folder_is_filled(everything: Dataset, export: Export, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder, _ = export(everything, "coco", tmp_path / "empty")
    assert (folder / "manifest.json").is_file()


def test_an_export_that_is_killed_leaves_nothing_and_the_next_one_is_whole(
    everything: Dataset, photographs: ImageStore, export: Export, tmp_path: Path
) -> None:
    import msgspec

    out = tmp_path / "out"
    said = msgspec.json.encode(everything.images).decode()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(photographs.root), said, str(out)], check=False, capture_output=True
    )
    assert (ended.returncode, out.exists()) == (-9, False)
    export(everything, "coco", out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_fails_leaves_the_earlier_one(
    everything: Dataset, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = export(everything, "coco")
    before = state(folder)

    def fail(*_: object) -> None:
        raise BadDataset("no luck")

    monkeypatch.setitem(WRITERS, "yolo", fail)
    with pytest.raises(BadDataset, match="no luck"):
        export(everything, "yolo", folder)
    assert state(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_images_are_links_to_the_store_or_copies_where_asked_for(
    everything: Dataset, photographs: ImageStore, export: Export, tmp_path: Path
) -> None:
    image = everything.images[0]
    source = photographs.path(image.file_name)
    linked = export(everything, "coco")[0] / "images" / export_name(image)
    copied = export(everything, "coco", tmp_path / "copied", copy_images=True)[0] / "images" / export_name(image)
    assert linked.samefile(source)
    assert not copied.samefile(source)
    assert copied.read_bytes() == source.read_bytes()


def test_images_are_copied_where_the_disk_is_another(
    everything: Dataset, photographs: ImageStore, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(os, "link", refuse)
    folder, told = export(everything, "coco")
    assert told.images == len(list((folder / "images").iterdir()))


def test_a_jpeg_that_ultralytics_would_rewrite_is_copied(
    taxonomy: Taxonomy, add_image: Callable[..., Image], photographs: ImageStore, export: Export
) -> None:
    image = add_image(jpeg(20) + b"a phone's trailer")
    folder, _ = export(make_dataset(taxonomy, [image], ()), "yolo")
    assert not (folder / "images/train" / export_name(image)).samefile(photographs.path(image.file_name))


def test_a_store_that_lacks_images_is_told_before_anything_is_written(everything: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"lacks 6 of 6 images, images/.*first; import them again"):
        export_dataset(
            everything, ImageStore(tmp_path / "none"), tmp_path / "out", format="coco", settings=ExportSettings()
        )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_told_with_the_known_ones(everything: Dataset, export: Export) -> None:
    with pytest.raises(BadDataset, match="'kitti' is no export format; choose one of coco, yolo"):
        export(everything, "kitti")


def test_classes_are_chosen_by_name_or_alias_and_ids_stay(everything: Dataset, export: Export) -> None:
    folder, told = export(everything, "yolo", categories=("dent",))
    rows = [row for path in folder.rglob("labels/*/*.txt") for row in path.read_text().splitlines()]
    assert told.annotations == len(rows) == 4
    assert {row[0] for row in rows} == {"1"}
    assert export(everything, "coco", categories=("door",))[1].annotations == 3


@pytest.mark.parametrize(
    ("form", "settings", "sentence"),
    [
        ("coco", {"categories": ("rust",)}, "'rust' is not in the project"),
        ("yolo", {"categories": ("clean",)}, "yolo holds shapes alone"),
        ("folders", {"categories": ("dent",)}, "class folders are made from tags"),
        ("folders", {"categories": ("clean",), "split": "train"}, "no annotation or tag is of the chosen classes"),
    ],
)
def test_choices_that_match_nothing_are_told(
    form: ExportFormat, settings: Any, sentence: str, everything: Dataset, export: Export
) -> None:
    with pytest.raises((BadDataset, UnknownCategory), match=sentence):
        export(everything, form, **settings)


def test_a_dataset_without_images_is_told(taxonomy: Taxonomy, export: Export) -> None:
    with pytest.raises(BadDataset, match="none of 0 images is left to export"):
        export(make_dataset(taxonomy, (), ()), "coco")


def test_yolo_of_images_that_were_searched_for_nothing_is_refused(everything: Dataset, export: Export) -> None:
    silent = everything.only(image.sha256 for image in everything.images if not image.neg_category_ids)
    with pytest.raises(BadDataset, match="YOLO would read them all as background"):
        export(silent, "yolo")


def test_one_split_is_exported_alone(everything: Dataset, export: Export) -> None:
    assert export(everything, "coco", split="test")[1].images == 3


def test_images_that_leave_classes_unknown_can_be_left_out(everything: Dataset, export: Export) -> None:
    _, told = export(everything, "yolo", complete_only=True)
    assert "images leave classes unknown" not in losses(told)
    assert told.images == 4


def test_deleted_images_are_left_out_and_counted(everything: Dataset, export: Export) -> None:
    for form in WRITERS:
        assert losses(export(everything, form)[1])["deleted images"] == 1


def test_progress_is_told_for_each_image(everything: Dataset, photographs: ImageStore, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    export_dataset(
        everything,
        photographs,
        tmp_path / "out",
        format="cvat",
        settings=ExportSettings(),
        progress=lambda count, total: done.append((count, total)),
    )
    assert done == [(count, 6) for count in range(1, 7)]


@pytest.mark.parametrize(
    ("url", "family", "stem"),
    [
        ("https://a.example/x/Left%20door.jpg?w=9", "car 1", "Left-door"),
        (None, "car 1/2", "car-1-2"),
        (None, "..hidden", "hidden"),
        (None, "車" * 70, "車" * 60),
        (None, "\U00020000" * 70, "\U00020000" * 50),
    ],
)
def test_names_are_readable_and_fit_any_disk(url: str | None, family: str, stem: str) -> None:
    image = Image("ab" * 32, "images/ab/x.jpg", 1, 1, family, source=Provenance(url=url))
    assert export_name(image) == f"{stem}__abababababababab.jpg"
    assert len(export_name(image).encode()) <= 255


def test_names_are_those_of_frames_in_cvat(everything: Dataset) -> None:
    from cvat.frames import frame_name

    assert [export_name(image) for image in everything.images] == [frame_name(image) for image in everything.images]


def test_classes_that_would_share_a_folder_are_told(add_image: Callable[..., Image], export: Export) -> None:
    names = ("as new/clean", "As new:clean")
    taxonomy = Taxonomy(categories=tuple(Category(name=name, kind="tag") for name in names))
    image = replace(add_image(jpeg(1)), tags=(), neg_category_ids=(1,))
    with pytest.raises(BadDataset, match="would share the folder"):
        export(make_dataset(taxonomy, [image], ()), "folders")
