"""Importing as a whole: formats found out, images stored once, errors in a sentence, and real photographs."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from datasets.importing import FORMATS, Imported, ImportSettings, import_dataset
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

REAL_DATA = "CARLOOP_REAL_DATA"
ROOT = Path(__file__).parents[3]


def coco(*names: str, folder: str = "") -> dict[str, Any]:
    return {
        "images": [{"id": number, "file_name": f"{folder}{name}"} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "dent"}],
        "annotations": [{"id": 5, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }


COCO = coco("a.jpg")


def test_what_was_looked_for_is_told_when_no_format_fits(write: Any, refusal: Callable[..., str]) -> None:
    told = refusal(write({"notes.txt": "hello", "a.jpg": 1}))
    assert "cars is in no format that is known here; looked for coco: a .json with images" in told
    assert all(f"{form}: " in told for form in FORMATS)


def test_two_formats_at_once_are_told(write: Any, load: Any, refusal: Callable[..., str]) -> None:
    files = {"annotations.json": coco("images/a.jpg"), "data.yaml": "train: images\nnames: [dent]", "images/a.jpg": 1}
    root = write(files)
    assert "cars could be coco or yolo; say which with --format" in refusal(root)
    assert load(root, format="coco").format == "coco"


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_that_is_not_there_is_told(form: str, write: Any, refusal: Callable[..., str]) -> None:
    assert f"that is {form}: looked for" in refusal(write({"notes.txt": "hello"}), format=form)


def test_a_missing_folder_is_told(refusal: Callable[..., str], tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "none")
        == f"{tmp_path}/none is not there; give a folder with a dataset, or its annotation file"
    )


@pytest.mark.parametrize(
    ("files", "link"),
    [
        ({"annotations.json": COCO}, "a.jpg"),
        ({"annotations.json": COCO}, "images"),
        ({"clean/b.jpg": 1, "dirty/c.jpg": 2}, "dirty/a.jpg"),
        ({"data.yaml": "train: images\nnames: [dent]", "images/b.jpg": 1}, "images/a.jpg"),
        ({"gt/gt.txt": "1,7,1,2,9,9,1,1,1", "gt/labels.txt": "dent", "img1/000002.jpg": 1}, "img1/000001.jpg"),
    ],
)
def test_an_image_that_a_link_leads_out_of_the_folder_to_is_refused(
    files: dict[str, Any], link: str, write: Any, refusal: Callable[..., str], photograph: Any, tmp_path: Path
) -> None:
    outside = tmp_path / "cars elsewhere"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(photograph(9))
    root: Path = write(files)
    target = outside if link == "images" else outside / "a.jpg"
    (root / link).symlink_to(target)
    assert refusal(root) == f"{root / link} leads out of the folder, to {target}; copy what is there into {root}"


def test_links_within_the_folder_and_to_the_folder_are_followed(write: Any, load: Any, tmp_path: Path) -> None:
    root: Path = write({"annotations.json": COCO, "whole/b.jpg": 1})
    (root / "a.jpg").symlink_to("whole/b.jpg")
    (tmp_path / "latest").symlink_to(root)
    assert len(load(tmp_path / "latest").datasets[0].images) == 1


def test_a_dataset_without_images_is_told(write: Any, refusal: Callable[..., str]) -> None:
    empty = {"images": [], "categories": [], "annotations": []}
    assert "has no images in it that are read as coco" in refusal(write({"annotations.json": empty}))


@pytest.mark.parametrize(
    "text", [json.dumps(COCO).replace("a.jpg", "\xff"), '{"images": [', '{"images": NaN}', "\xff", ""]
)
def test_broken_json_is_told_with_its_byte(text: str, write: Any, refusal: Callable[..., str]) -> None:
    assert "bad.json is not valid JSON at byte" in refusal(write({"bad.json": text.encode("latin-1")}))


def test_one_broken_file_of_three_is_not_passed_over(write: Any, refusal: Callable[..., str]) -> None:
    files: dict[str, Any] = {f"{split}/_annotations.coco.json": coco("a.jpg") for split in ("train", "test")}
    root = write(files | {"valid/_annotations.coco.json": '{"images": [{"id"', "train/a.jpg": 1, "test/a.jpg": 2})
    assert "valid/_annotations.coco.json is not valid JSON" in refusal(root)


def test_absent_images_are_counted_before_anything_is_stored(
    write: Any, refusal: Callable[..., str], store: ImageStore
) -> None:
    root = write({"annotations.json": coco("a.jpg", "b.jpg", "c.jpg"), "b.jpg": 1})
    assert "names 2 of 3 images that are absent, 'a.jpg' of cars first; put whole ones there, or" in refusal(root)
    assert not store.root.exists()


def test_undecodable_images_are_counted(write: Any, refusal: Callable[..., str]) -> None:
    root = write({"annotations.json": coco("a.jpg", "b.jpg"), "a.jpg": "no image", "b.jpg": 1})
    assert "1 of 2 images that are undecodable, 'a.jpg' of cars first (no image that is JPEG" in refusal(root)


def test_bad_images_can_be_skipped_and_are_listed(write: Any, load: Any) -> None:
    root = write({"annotations.json": coco("a.jpg", "b.jpg", "c.jpg"), "a.jpg": b"", "b.jpg": 1})
    imported = load(root, skip_bad_images=True)
    assert [bad.file_name for bad in imported.bad_images] == ["a.jpg", "c.jpg"]
    assert [image.views[0].file_name for image in imported.datasets[0].images] == ["b.jpg"]
    assert imported.notes[-1].startswith("2 images are absent or undecodable and were left out")


def test_an_image_is_a_family_of_its_own_unless_told(write: Any, load: Any) -> None:
    content = coco("7_front.jpg", "7_rear.jpg", "8.jpg")
    content["images"][2]["family"] = "car 12"
    root = write({"annotations.json": content, "7_front.jpg": 1, "7_rear.jpg": 2, "8.jpg": 3})
    (dataset,) = load(root).datasets
    assert all(image.family in (image.sha256[:16], "car 12") for image in dataset.images)
    (dataset,) = load(root, family=r"^(\d+)_").datasets
    assert sorted(image.family for image in dataset.images) == ["car 12", "cars/7", "cars/7"]
    assert {image.views[0].family for image in dataset.images} == {"cars/7", "car 12"}


def test_one_file_under_two_sources_is_stored_once(write: Any, load: Any, store: ImageStore) -> None:
    root = write(
        {"one/annotations.json": coco("a.jpg"), "one/a.jpg": 1, "two/annotations.json": coco("a.jpg"), "two/a.jpg": 1}
    )
    one, two = load(root).datasets
    assert one.images[0].sha256 == two.images[0].sha256
    assert len(list(store.root.glob("images/*/*.jpg"))) == 1


def test_the_licence_given_outranks_the_file_s_and_nothing_is_invented(write: Any, load: Any) -> None:
    root = write({"annotations.json": coco("a.jpg"), "a.jpg": 1})
    assert load(root).datasets[0].images[0].source.license is None
    assert load(root, license="MIT").datasets[0].images[0].source.license == "MIT"


def test_importing_again_comes_to_the_same(write: Any, load: Any, store: ImageStore) -> None:
    root = write({"annotations.json": coco("a.jpg", "b.jpg"), "a.jpg": 1, "b.jpg": 2})
    first = load(root)
    times = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.jpg")}
    assert load(root) == first
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.jpg")} == times


def test_progress_goes_from_one_to_all(write: Any, store: ImageStore, taxonomy: Taxonomy) -> None:
    root = write({"annotations.json": coco("a.jpg", "b.jpg"), "a.jpg": 1, "b.jpg": 2})
    told: list[tuple[int, int]] = []
    import_dataset(root, taxonomy=taxonomy, store=store, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_killed_import_leaves_whole_images_and_can_be_run_again(
    write: Any, load: Any, store: ImageStore, taxonomy: Taxonomy
) -> None:
    names = [f"{number}.jpg" for number in range(20)]
    root = write({"annotations.json": coco(*names)} | {name: number for number, name in enumerate(names)})
    script = (
        "import os, sys; from pathlib import Path; from datasets import write_behind;"
        "from datasets.importing import import_dataset; from datasets.store import ImageStore;"
        "from datasets.taxonomy import Taxonomy; write_behind.FILES = 7;"
        "import_dataset(Path(sys.argv[1]), store=ImageStore(Path(sys.argv[2])),"
        "taxonomy=Taxonomy.model_validate_json(sys.argv[3]),"
        "progress=lambda done, _: done < 12 or os.kill(os.getpid(), 9))"
    )
    command = [sys.executable, "-c", script, str(root), str(store.root), taxonomy.model_dump_json()]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    there = list(store.root.glob("images/*/*"))
    assert len(there) == 7
    assert all(store.write_image(path.read_bytes()).sha256 == path.stem for path in there)
    assert len(load(root).datasets[0].images) == 20
    assert len(list(store.root.glob("images/*/*"))) == 20
    assert list((store.root / ".incoming").iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"format": "csv"}, {"family": "("}, {"unknown": "maybe"}, {"licence": "MIT"}, {"name": ""}]
)
def test_settings_that_are_none_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ImportSettings.model_validate(wrong)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Imported]:
    if REAL_DATA not in os.environ:
        pytest.skip(f"{REAL_DATA} names no folder with real photographs")
    categories = yaml.safe_load((ROOT / "examples" / "three-sources.yaml").read_text())["categories"]
    taxonomy = Taxonomy.model_validate({"categories": categories})
    store = ImageStore(tmp_path_factory.mktemp("real"))
    return lambda name: import_dataset(Path(os.environ[REAL_DATA]) / name, taxonomy=taxonomy, store=store)


def counted(imported: Imported) -> dict[str, int]:
    names = imported.taxonomy.name
    return dict(Counter(names(a.category_id) for dataset in imported.datasets for a in dataset.annotations))


def test_real_damaged_parts_come_in_whole(real: Callable[[str], Imported]) -> None:
    imported = real("damaged-parts")
    (dataset,) = imported.datasets
    assert (imported.format, len(dataset.images), len(dataset.annotations)) == ("coco", 630, 1292)
    assert {image.source.license for image in dataset.images} == {"CC BY 4.0"}
    assert imported.counts == {"clipped": 4}


def test_real_scratches_of_three_names_are_one_class(real: Callable[[str], Imported]) -> None:
    imported = real("car-scratch")
    sizes = {d.images[0].views[0].source: (len(d.images), len(d.annotations)) for d in imported.datasets}
    assert sizes == {"car-scratch/test": (67, 110), "car-scratch/train": (1119, 1795), "car-scratch/valid": (35, 60)}
    assert counted(imported) == {"scratch": 1965}
    origins = Counter(a.origins[0].name for dataset in imported.datasets for a in dataset.annotations)
    assert origins == {"0": 1611, "car-scratch": 276, "Scratch": 78}
    assert len({image.sha256 for dataset in imported.datasets for image in dataset.images}) == 1221


def test_real_via_photographs_have_two_sources_each(real: Callable[[str], Imported]) -> None:
    imported = real("car-damage-via")
    assert imported.format == "via"
    assert len({image.sha256 for dataset in imported.datasets for image in dataset.images}) == 69
    assert counted(imported) == {"damage": 164, "headlamp": 76, "door": 42, "hood": 31, "bumper": 66}
    assert imported.counts == {"clipped": 2, "copies": 1}
    assert json.dumps(imported.notes).count("says the same as") == 2
