"""Import, merge and split: what comes in is found again, and no order or repetition changes anything."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from datasets.versions import read_conflicts
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import (
    FRONT,
    INSIDE,
    MIRRORED_REAR,
    PHOTOGRAPHS,
    REAR,
    SIDE,
    SMALL_SIDE,
    Run,
    RunJson,
    content_of,
    jpeg,
    many,
    picture,
    sha256,
    sides,
    state,
    write_coco,
)


def test_an_import_is_found_by_the_name_of_its_folder(folders: Path, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("import", folders / "one", at=tmp_path / "new")
    assert (told["name"], told["format"], told["images"], told["annotations"]) == ("one", "coco", 3, 2)
    assert run_json("list", at=tmp_path / "new")[0]["digest"] == told["version"]


def test_importing_again_changes_nothing(folders: Path, home: Path, run: Run) -> None:
    before = state(home)
    run("import", folders / "one")
    run("import", folders / "two")
    assert state(home) == before


def test_a_dot_in_a_folders_name_is_part_of_it(folders: Path, run_json: RunJson, tmp_path: Path) -> None:
    for name in ("cars.v1", "cars.v2"):
        shutil.copytree(folders / "one", tmp_path / name)
        assert run_json("import", tmp_path / name)["name"] == name


@pytest.mark.parametrize(
    ("folder", "name"), [("my cars (2)", "my-cars-2"), ("facade", "dataset-facade"), ("Ölspur", "Ölspur")]
)
def test_a_folder_s_name_is_made_to_fit(
    folder: str, name: str, folders: Path, run_json: RunJson, tmp_path: Path
) -> None:
    shutil.copytree(folders / "one", tmp_path / folder)
    assert run_json("import", tmp_path / folder)["name"] == name
    assert run_json("stats", name)["images"] == 3


def test_a_yolo_folder_is_recognised_and_imported(run_json: RunJson, run: Run, tmp_path: Path) -> None:
    root = tmp_path / "yolo"
    for part, content in (("images/train", PHOTOGRAPHS[FRONT]), ("labels/train", b"1 0.5 0.5 0.25 0.25\n")):
        (root / part).mkdir(parents=True)
        (root / part / f"front.{'jpg' if part.startswith('images') else 'txt'}").write_bytes(content)
    (root / "data.yaml").write_text("train: images/train\nnames: [dent, damaged door]\n")
    told = run_json("import", root, "--name", "drawn", "--license", "CC0-1.0", "--author", "Ann Lee")
    assert (told["name"], told["format"], told["annotations"]) == ("drawn", "yolo", 1)
    assert run_json("stats", "drawn")["images"] == 1
    (row,) = run_json("licenses", "drawn")["rows"]
    assert (row["license"], row["author"], row["images"]) == ("CC0-1.0", "Ann Lee", 1)
    assert "format" in run("import", root)


def test_unknown_classes_are_left_out_or_kept_on_request(run_json: RunJson, tmp_path: Path) -> None:
    odd = write_coco(tmp_path / "odd", {"a.jpg": PHOTOGRAPHS[0]}, [("a.jpg", "dunt", [1, 2, 30, 40])], classes=["dunt"])
    dropped, kept = (run_json("import", odd, "--unknown", what) for what in ("drop", "keep"))
    assert (dropped["annotations"], dropped["unknown"]) == (0, {"dunt": 1})
    assert (kept["annotations"], kept["unknown"]) == (1, {"dunt": 1})


@pytest.mark.parametrize(
    "order",
    [["two", "one"], ["one", "one", "two", "two"], ["all", "one"], ["two", "all"], ["all"]],
    ids=" ".join,
)
def test_merging_in_any_order_and_as_often_as_one_likes_gives_one_version(order: list[str], run_json: RunJson) -> None:
    digest = {row["name"]: row["digest"] for row in run_json("list")}
    told = run_json("merge", *order)
    assert told["version"] == digest["all"]
    assert sorted(told["parents"]) == sorted({digest[name] for name in order})


def test_a_merge_tells_conflicts_and_keeps_them_beside_the_version(home: Path, run: Run, run_json: RunJson) -> None:
    told = run_json("merge", "one", "two", "--name", "again")
    assert told["conflicts"]["class"] == 1
    (conflict,) = [one for one in read_conflicts(Shelf(home).find("again")) if one.kind == "class"]
    assert (conflict.sha256, conflict.categories) == (sha256(PHOTOGRAPHS[FRONT]), ("damaged door", "dent"))
    assert json.loads((Shelf(home).find("again") / "manifest.json").read_text())["conflicts"] == sum(
        told["conflicts"].values()
    )
    assert "conflicts" in run("merge", "one", "two")


def test_a_smaller_copy_hands_its_annotations_to_the_larger_one(home: Path) -> None:
    content = content_of(home, "all")
    (image,) = [image for image in content.images if image.copies]
    assert (image.sha256, image.copies[0].sha256) == (sha256(PHOTOGRAPHS[SIDE]), sha256(SMALL_SIDE))
    boxes = sorted(json.loads(bytes(a.bbox)) for a in content.annotations if a.image_id == image.id)
    assert boxes == [[20, 20, 60, 40], [100, 60, 40, 20]]


def test_a_mirrored_copy_stays_an_image_and_shares_a_family(home: Path) -> None:
    families = {image.sha256: image.family for image in content_of(home, "all").images}
    assert families[sha256(PHOTOGRAPHS[REAR])] == families[sha256(MIRRORED_REAR)]
    assert len(set(families.values())) == 4


def test_without_pixels_only_equal_bytes_are_one_image(run_json: RunJson) -> None:
    told = run_json("merge", "one", "two", "--no-pixels")
    assert (told["images"], told["copies"], told["families"]) == (6, 0, 6)


def test_the_split_of_a_superset_keeps_every_old_image_on_its_side(
    home: Path, run: Run, run_json: RunJson, tmp_path: Path
) -> None:
    run("import", many(tmp_path / "old", range(100, 112)))
    run("import", many(tmp_path / "more", range(106, 124)))
    first = run_json("split", "old", "--test-fraction", "0.4")
    before = sides(home, "old")
    assert (first["name"], set(before.values())) == ("old", {"train", "test"})
    assert first["images"] == first["new_families"] == dict(Counter(before.values()))
    run("merge", "more", "old", "--name", "grown")
    second = run_json("split", "grown", "--test-fraction", "0.4", "--seed", "5")
    assert before.items() <= sides(home, "grown").items()
    assert (second["images"]["train"] + second["images"]["test"], sum(second["new_families"].values())) == (24, 12)
    assert second["leaks"] == {"families": 0, "near_duplicates": 0}
    assert run_json("split", "grown", "--seed", "9")["version"] == second["version"]
    assert "leaks" in run("split", "grown")


@pytest.mark.parametrize("first", ["small", "both"])
def test_a_picture_is_on_one_side_in_whatever_size_it_comes(
    first: str, home: Path, run: Run, run_json: RunJson, tmp_path: Path
) -> None:
    large = write_coco(tmp_path / "large", {f"{n}.jpg": jpeg(picture(n, width=320, height=240)) for n in range(6)})
    run("import", many(tmp_path / "small", range(6)))
    run("import", large)
    run("merge", "small", "large", "--name", "both")
    assert run_json("merge", "small", "large")["copies"] == 6
    for seed, name in enumerate([first, *{"small", "both"} - {first}], start=3):
        run("split", name, "--test-fraction", "0.5", "--seed", seed)
    small = sides(home, "small")
    assert set(small.values()) == {"train", "test"}
    assert {image.copies[0].sha256: image.split for image in content_of(home, "both").images} == small


def test_leaks_are_told(home: Path, run: Run, run_json: RunJson, tmp_path: Path) -> None:
    photographs = {"car1_a.jpg": PHOTOGRAPHS[REAR], "car1_b.jpg": MIRRORED_REAR, "car2.jpg": PHOTOGRAPHS[INSIDE]}
    cars = write_coco(tmp_path / "cars", photographs)
    known = {sha256(PHOTOGRAPHS[REAR]): "train", sha256(MIRRORED_REAR): "test"}
    (home / "datasets/splits.json").write_text(json.dumps(known))
    run("import", cars, "--family", "^car.")
    run("merge", "cars", "--name", "cars")
    told = run_json("split", "cars")
    assert told["leaks"] == {"families": 1, "near_duplicates": 1}
    assert told["tied_families"] == ["cars/car1"]
    assert known.items() <= sides(home, "cars").items()


def test_a_split_changes_nothing_but_sides(home: Path, run: Run, run_json: RunJson, tmp_path: Path) -> None:
    for name, x in (("left", 10), ("right", 18)):
        run("import", write_coco(tmp_path / name, {"a.jpg": PHOTOGRAPHS[0]}, [("a.jpg", "dent", [x, 10, 40, 30])]))
    assert run_json("merge", "left", "right", "--iou", "0.5", "--name", "joined")["merged_annotations"] == 1
    for name in ("joined", "all"):
        folder, before = Shelf(home).find(name), content_of(home, name)
        run("split", name)
        assert content_of(home, name).annotations == before.annotations
        assert read_conflicts(Shelf(home).find(name)) == read_conflicts(folder)
    assert run_json("merge", "all")["version"] == Shelf(home).names()["all"]


def test_a_split_names_its_version_as_it_was_called_unless_that_is_no_name(home: Path, run_json: RunJson) -> None:
    digest = run_json("list")[0]["digest"]
    for reference in (digest[:8], home / "datasets/versions" / digest):
        told = run_json("split", reference)
        assert "name" not in told
        assert set(Shelf(home).names()) == {"all", "one", "two"}
    assert run_json("split", digest[:8], "--name", "sided")["name"] == "sided"
