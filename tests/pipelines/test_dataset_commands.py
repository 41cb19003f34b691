"""The `carloop dataset` commands as a person runs them: what they do, what they refuse, and what a kill leaves."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image as PillowImage

from datasets.versions import read_conflicts, read_content
from pipelines.cli import main
from pipelines.shelf import Shelf

Picture = NDArray[np.uint8]
Told = dict[str, Any]
Run = Callable[..., str]
RunJson = Callable[..., Any]
Object = tuple[str, str, list[float]]

FRONT, SIDE, REAR, INSIDE = range(4)
EXAMPLES = Path(__file__).parents[2] / "examples"


def picture(number: int, *, width: int = 160, height: int = 120) -> Picture:
    """Soft blobs of many sizes; another number is another picture."""
    random = np.random.default_rng(number)
    layers = [
        cv2.resize(random.normal(size=(rows, rows + 3)), (width, height), interpolation=cv2.INTER_CUBIC) / rows**0.4
        for rows in (3, 6, 12, 24, 48)
    ]
    grey = np.sum(layers, axis=0)
    levels = np.clip(120 + 45 * grey / grey.std(), 0, 255).astype(np.uint8)
    return np.stack([levels, levels // 2 + 40, 255 - levels], axis=-1)


def jpeg(pixels: Picture, *, mirrored: bool = False, size: tuple[int, int] | None = None) -> bytes:
    content = io.BytesIO()
    shown = PillowImage.fromarray(np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels))
    (shown.resize(size, PillowImage.Resampling.LANCZOS) if size else shown).save(content, "JPEG", quality=95)
    return content.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_coco(
    folder: Path,
    photographs: Mapping[str, bytes],
    objects: Sequence[Object] = (),
    *,
    classes: Sequence[str] = ("dent", "damaged door"),
    addresses: Mapping[str, str] | None = None,
) -> Path:
    """A COCO folder; objects are (file name, class, xywh)."""
    folder.mkdir(parents=True)
    names = list(photographs)
    for name, content in photographs.items():
        (folder / name).write_bytes(content)
    images = [
        {"id": number, "file_name": name, "license": 1, "coco_url": (addresses or {}).get(name)}
        | dict(zip(("width", "height"), PillowImage.open(io.BytesIO(photographs[name])).size, strict=True))
        for number, name in enumerate(names, start=1)
    ]
    annotations = [
        {"id": number, "image_id": names.index(name) + 1, "category_id": classes.index(found) + 1, "bbox": bbox}
        | {"area": bbox[2] * bbox[3], "iscrowd": 0}
        for number, (name, found, bbox) in enumerate(objects, start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    licenses = [{"id": 1, "name": "CC BY 4.0", "url": ""}]
    content = {"licenses": licenses, "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


PHOTOGRAPHS = {number: jpeg(picture(number)) for number in (FRONT, SIDE, REAR, INSIDE)}
SMALL_SIDE, MIRRORED_REAR = jpeg(picture(SIDE), size=(80, 60)), jpeg(picture(REAR), mirrored=True)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets: `one`, and `two`, which sees another class on one image and has altered copies of two others."""
    root = tmp_path_factory.mktemp("folders")
    write_coco(
        root / "one",
        {"front.jpg": PHOTOGRAPHS[FRONT], "side.jpg": PHOTOGRAPHS[SIDE], "rear.jpg": PHOTOGRAPHS[REAR]},
        [("front.jpg", "dent", [10, 10, 40, 30]), ("side.jpg", "damaged door", [20, 20, 60, 40])],
        addresses={"front.jpg": "https://cars.example/front.jpg"},
    )
    write_coco(
        root / "two",
        {"a.jpg": PHOTOGRAPHS[FRONT], "b.jpg": SMALL_SIDE, "c.jpg": MIRRORED_REAR, "d.jpg": PHOTOGRAPHS[INSIDE]},
        [("a.jpg", "damaged door", [10, 10, 40, 30]), ("b.jpg", "dent", [50, 30, 20, 10])],
    )
    return root


def invoke(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command run in this process; whatever is no known error is raised."""
    result = CliRunner().invoke(main, ["dataset", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="session")
def template(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both datasets and what they were merged into, `all`."""
    home = tmp_path_factory.mktemp("template") / "home"
    for command in (["import", folders / "one"], ["import", folders / "two"], ["merge", "one", "two", "--name", "all"]):
        assert invoke(*command, "--home", home)[0] == 0
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; the command runs in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def run(home: Path) -> Run:
    """A command that has to succeed: what it prints."""

    def succeed(*arguments: object, at: Path = home) -> str:
        code, out, err = invoke(*arguments, *([] if arguments[0] == "validate" else ["--home", at]))
        assert code == 0, err
        return out

    return succeed


@pytest.fixture
def run_json(run: Run) -> RunJson:
    def succeed(*arguments: object, **options: Path) -> Any:
        return json.loads(run(*arguments, "--json", **options))

    return succeed


@pytest.fixture
def refusal(home: Path) -> Callable[..., str]:
    """What refuses a command in one sentence, with everything left as it was."""

    def refuse(*arguments: object, code: int = 1, lines: int = 1) -> str:
        before = state(home)
        found, out, err = invoke(*arguments, *([] if arguments[0] == "validate" else ["--home", home]))
        assert (found, out) == (code, ""), err
        said = [line for line in err.splitlines() if not line.startswith("  ") or line.startswith("  - ")]
        if code == 1:
            assert said[0].startswith("carloop: ")
            assert len(said) == lines
        assert state(home) == before
        return "\n".join(said)

    return refuse


def state(home: Path) -> dict[str, bytes]:
    """All files of a home but the images, which may come in whole before a command is refused, and locks."""
    files = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(home)): path.read_bytes() for path in files if "store" not in path.parts}


def content_of(home: Path, name: str) -> Any:
    return read_content(Shelf(home).find(name))


def sides(home: Path, version: str) -> dict[str, str | None]:
    return {image.sha256: image.split for image in content_of(home, version).images}


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


def test_the_list_tells_names_digests_and_counts(run: Run, run_json: RunJson) -> None:
    rows = {row["name"]: row for row in run_json("list")}
    assert {name: (row["images"], row["annotations"]) for name, row in rows.items()} == {
        "all": (5, 4),
        "one": (3, 2),
        "two": (4, 2),
    }
    assert all(row["digest"][:12] in run("list") for row in rows.values())


def test_a_version_is_found_by_name_digest_beginning_and_folder(home: Path, run_json: RunJson) -> None:
    digest = run_json("list")[0]["digest"]
    found = [run_json("stats", ref) for ref in ("all", digest, digest[:6], home / "datasets/versions" / digest)]
    assert found[0]["images"] == 5
    assert all(one == found[0] for one in found)


def test_validate_ends_with_1_on_errors_and_on_warnings_when_strict(folders: Path, tmp_path: Path) -> None:
    assert invoke("validate", folders / "one")[0] == 0
    faulty = Path(shutil.copytree(folders / "one", tmp_path / "faulty"))
    document = json.loads((faulty / "annotations.json").read_text())
    document["annotations"][0]["area"] = 7
    (faulty / "annotations.json").write_text(json.dumps(document))
    warned = json.loads(invoke("validate", faulty, "--json")[1])
    assert (warned["errors"], warned["warnings"] > 0) == (0, True)
    assert (invoke("validate", faulty)[0], invoke("validate", faulty, "--strict")[0]) == (0, 1)
    document["annotations"][1]["image_id"] = 99
    (faulty / "annotations.json").write_text(json.dumps(document))
    code, out, _ = invoke("validate", faulty, "--json")
    told = json.loads(out)
    assert (code, told["codes"]["dangling-image-id"]["count"]) == (1, 1)
    assert "dangling-image-id" in invoke("validate", faulty)[1]
    assert invoke("validate", faulty, "--no-images", "--json")[0] == 1


def test_what_is_repaired_validates_clean_and_the_original_stays(folders: Path, tmp_path: Path) -> None:
    faulty = Path(shutil.copytree(folders / "one", tmp_path / "faulty"))
    document = json.loads((faulty / "annotations.json").read_text())
    document["annotations"][0] |= {"bbox": [100, 10, 100, 30], "area": 7}
    document["annotations"].append(dict(document["annotations"][1]))
    (faulty / "annotations.json").write_text(json.dumps(document))
    before = (faulty / "annotations.json").read_bytes()
    code, out, err = invoke("validate", faulty, "--repair", faulty / "mended.json", "--json")
    assert (code, len(json.loads(out)["repairs"]) >= 2) == (0, True), err
    clean = json.loads(invoke("validate", faulty / "mended.json", "--strict", "--json")[1])
    assert (clean["errors"], clean["warnings"]) == (0, 0)
    assert (faulty / "annotations.json").read_bytes() == before


def test_validate_finds_near_duplicates_across_splits(tmp_path: Path) -> None:
    write_coco(tmp_path / "set" / "train", {"a.jpg": PHOTOGRAPHS[REAR]})
    write_coco(tmp_path / "set" / "test", {"b.jpg": MIRRORED_REAR, "c.jpg": PHOTOGRAPHS[INSIDE]})
    near, far = (json.loads(invoke("validate", tmp_path / "set", "--json", *o)[1]) for o in ([], ["--no-near"]))
    found = {code for code in near["codes"] if code not in far["codes"]}
    assert len(found) == 1
    assert "near" in found.pop()


def test_dedupe_finds_the_mirrored_and_the_resized_copy(run: Run, run_json: RunJson) -> None:
    told = run_json("dedupe", "one", "two")
    assert (told["images"], told["exact_copies"], told["unread"]) == (6, 1, {})
    kinds = {frozenset((pair["one"], pair["other"])): pair["kind"] for pair in told["near"]}
    assert kinds == {
        frozenset((sha256(PHOTOGRAPHS[SIDE]), sha256(SMALL_SIDE))): "scaled",
        frozenset((sha256(PHOTOGRAPHS[REAR]), sha256(MIRRORED_REAR))): "mirrored",
    }
    assert sorted(map(sorted, told["members"])) == [["one/rear.jpg", "two/c.jpg"], ["one/side.jpg", "two/b.jpg"]]
    assert told["copies"] == {sha256(PHOTOGRAPHS[FRONT]): ["one/front.jpg", "two/a.jpg"]}
    assert "2 of 1, 2 of 2" in run("dedupe", "one", "two")


def test_dedupe_names_pictures_that_are_absent_or_changed(home: Path, run_json: RunJson) -> None:
    store = home / "datasets/store/images"
    front, inside = (store / sha256(PHOTOGRAPHS[n])[:2] / f"{sha256(PHOTOGRAPHS[n])}.jpg" for n in (FRONT, INSIDE))
    front.unlink()
    inside.write_bytes(SMALL_SIDE)
    told = run_json("dedupe", "one", "two")
    assert {name: why.split(";")[0] for name, why in told["unread"].items()} == {
        sha256(PHOTOGRAPHS[FRONT]): "cannot be read: No such file or directory",
        sha256(PHOTOGRAPHS[INSIDE]): "was changed after it was stored",
    }
    assert len(told["near"]) == 2
    merged = run_json("merge", "one", "two")
    assert merged["unread"] == told["unread"]
    assert merged["images"] == 5


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


def test_versions_that_hold_a_class_of_another_kind_are_not_joined_by_chance(
    refusal: Callable[..., str], run: Run, tmp_path: Path
) -> None:
    for name, kind in (("marked", "rectangle"), ("tagged", "tag")):
        project = tmp_path / f"{name}.yaml"
        project.write_text(f"categories: [{{name: dirty, kind: {kind}}}, {{name: dent}}]")
        folder = write_coco(tmp_path / name, {"a.jpg": PHOTOGRAPHS[0]}, [("a.jpg", "dent", [1, 2, 30, 40])])
        run("import", folder, "--project", project, "--drop", "damaged door")
    assert "'dirty'" in refusal("merge", "marked", "tagged")
    assert refusal("merge", "marked", "tagged") == refusal("merge", "tagged", "marked")


def many(folder: Path, numbers: Sequence[int]) -> Path:
    photographs = {f"{number}.jpg": jpeg(picture(number)) for number in numbers}
    return write_coco(folder, photographs, [(name, "dent", [10, 10, 40, 30]) for name in photographs])


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


def test_licenses_are_listed_by_source(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("licenses", "all")
    assert {(row["license"], row["source"]): row["images"] for row in told["rows"]} == {
        ("CC BY 4.0", "one"): 3,
        ("CC BY 4.0", "two"): 4,
    }
    assert told["unknown"] == 0
    assert "CC BY 4.0" in run("licenses", "all")


@pytest.mark.parametrize("claim", [["--url", "http://cars.example/front.jpg#top"], ["--hash", "FRONT"]])
def test_a_picture_taken_down_is_in_no_named_version_and_is_refused_again(
    claim: list[str], folders: Path, home: Path, run: Run, run_json: RunJson
) -> None:
    front = sha256(PHOTOGRAPHS[FRONT])
    old = Shelf(home).names()
    told = run_json("takedown", *(front[:12] if word == "FRONT" else word for word in claim), "--reason", "asked")
    assert (told["removed"], told["deleted"], told["unmatched"], told["runs"]) == ([front], [], [], {})
    assert told["replacements"] == {old[name]: digest for name, digest in Shelf(home).names().items()}
    for name in old:
        assert front not in sides(home, name)
    assert run_json("import", folders / "one")["taken_down"] == [front]
    assert (front, run_json("list")[1]["images"]) not in (sides(home, "one"), 3)
    assert run_json("merge", "one", "two", "--name", "all")["images"] == 4


def test_a_copy_in_another_size_is_taken_down_too(home: Path, run_json: RunJson) -> None:
    told = run_json("takedown", "--hash", sha256(SMALL_SIDE))
    assert sorted(told["removed"]) == sorted((sha256(SMALL_SIDE), sha256(PHOTOGRAPHS[SIDE])))
    assert all(sha256(PHOTOGRAPHS[SIDE]) not in sides(home, name) for name in ("all", "one", "two"))


def test_images_are_deleted_only_on_request_and_from_the_store_alone(
    folders: Path, home: Path, run: Run, run_json: RunJson
) -> None:
    front = sha256(PHOTOGRAPHS[FRONT])
    path = home / f"datasets/store/images/{front[:2]}/{front}.jpg"
    run("takedown", "--source", "one")
    assert path.exists()
    told = run_json("takedown", "--hash", front, "--delete")
    assert told["deleted"] == [str(path)]
    assert not path.exists()
    assert (folders / "one" / "front.jpg").exists()
    assert "1 were not there" in run("takedown", "--hash", front, "--delete")


def test_a_takedown_again_changes_nothing(home: Path, run: Run) -> None:
    run("takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]))
    before = state(home)
    run("takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]))
    assert state(home) == before


def test_a_takedown_keeps_the_conflicts_of_what_stays(home: Path, run: Run) -> None:
    run("takedown", "--hash", sha256(PHOTOGRAPHS[INSIDE]))
    assert [one.kind for one in read_conflicts(Shelf(home).find("all")) if one.kind == "class"] == ["class"]


def test_coco_and_yolo_exports_come_back_the_same(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    run("split", "all", "--test-fraction", "0.5")
    for form in ("coco", "yolo"):
        told = run_json("export", "all", tmp_path / form, "--format", form)
        assert (told["out"], told["images"], told["annotations"]) == (str(tmp_path / form), 5, 4)
        back = run_json("import", tmp_path / form, "--name", f"from {form}")
        assert (back["format"], back["images"], back["annotations"]) == (form, 5, 4)
    assert (tmp_path / "yolo" / "data.yaml").exists()
    assert any(
        "origins" in loss["what"] for loss in run_json("export", "all", tmp_path / "y", "--format", "yolo")["losses"]
    )


def test_an_export_again_is_the_same_and_another_takes_its_place(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    run("export", "all", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    run("export", "all", tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    assert run_json("export", "all", tmp_path / "out", "--class", "dent", "--copy")["annotations"] == 2
    assert "annotations" in run("export", "one", tmp_path / "out")


def test_statistics_are_told_and_put_on_a_page(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("stats", "all", "--html", tmp_path / "stats.html")
    assert (told["images"], told["annotations"], told["copies"]) == (5, 4, 1)
    page = (tmp_path / "stats.html").read_text()
    assert "damaged door" in page
    assert "<script src" not in page
    assert f"Page: {tmp_path / 'stats.html'}" in run("stats", "all", "--html", tmp_path / "stats.html")


def test_frames_in_conflict_are_shown_on_a_page(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    told = run_json("show", "all", "--html", tmp_path / "frames.html", "--only", "conflicts")
    assert sha256(PHOTOGRAPHS[FRONT]) in json.dumps(told)
    assert sha256(PHOTOGRAPHS[INSIDE]) not in json.dumps(told)
    assert "damaged door" in (tmp_path / "frames.html").read_text()
    run("show", "one", "--number", "2")
    assert Path("frames.html").exists()


VERSION_COMMANDS = [["merge"], ["dedupe"], ["split"], ["licenses"], ["stats"], ["show"], ["export"]]


def with_out(command: list[str], *versions: str) -> list[str]:
    return [*command, *versions, *(["out"] if command == ["export"] else [])]


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_an_unknown_version_is_told_with_the_known_names(command: list[str], refusal: Callable[..., str]) -> None:
    said = refusal(*with_out(command, "none"))
    assert said == (
        "carloop: none is no dataset version here; known names: all, one, two; "
        "see carloop dataset list, or import it first"
    )
    assert not any(Path.cwd().iterdir())


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_a_beginning_of_several_digests_is_told(command: list[str], home: Path, refusal: Callable[..., str]) -> None:
    versions, digest = home / "datasets/versions", Shelf(home).names()["one"]
    shutil.copytree(versions / digest, versions / (digest[:6] + "0" * 58))
    assert "several versions begin with it" in refusal(*with_out(command, digest[:6]))
    assert "no dataset version" in refusal(*with_out(command, digest[:5]))


@pytest.mark.parametrize("command", VERSION_COMMANDS, ids=" ".join)
def test_a_version_that_was_changed_is_told(command: list[str], home: Path, refusal: Callable[..., str]) -> None:
    path = Shelf(home).find("one") / "annotations.json"
    path.write_bytes(path.read_bytes().replace(b"damaged door", b"damaged doof"))
    assert "was changed after it was written" in refusal(*with_out(command, "one"))
    path.write_bytes(path.read_bytes()[:-9])
    assert "is not valid JSON at byte" in refusal(*with_out(command, "one"))
    path.unlink()
    assert "is not there" in refusal(*with_out(command, "one"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "nowhere"], "nowhere is not there; give a folder"),
        (["import", "."], "is in no format that is known here"),
        (["import", "{one}", "--format", "voc"], "has nothing in it that is voc"),
        (["import", "{one}", "--family", "("], "not a regular expression"),
        (["import", "{one}", "--project", "none.yaml"], "none.yaml is not there; give --project"),
        (["validate", "nowhere"], "neither a file nor a folder"),
        (["validate", "."], "needs annotations.json"),
        (["validate", "{one}", "--repair", "{one}"], "repairs go into a new file"),
        (["takedown", "--hash", "1234"], "give at least its first 8 hex digits"),
        (["takedown", "--hash", "12345678"], "holds an image of hash 12345678"),
        (["takedown", "--url", "https://none.example"], "holds an image of URL https://none.example"),
        (["export", "one", "{one}"], "holds files that are no complete export"),
        (["export", "one", "out", "--class", "dunt"], "class 'dunt' is not in the project"),
        (["export", "one", "out", "--split", "test"], "is left to export"),
        (["export", "one", "out", "--format", "folders"], "has exactly one tag"),
        (["show", "one", "--only", "conflicts"], "none of 3 images can be shown (conflicts)"),
        (["show", "one", "--class", "dunt"], "class 'dunt' is not in the project"),
        (["show", "one", "--html", "none/frames.html"], "No such file or directory"),
        (["stats", "one", "--html", "none/stats.html"], "No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_told_in_one_sentence(
    arguments: list[str], said: str, folders: Path, refusal: Callable[..., str]
) -> None:
    assert said in refusal(*(argument.format(one=folders / "one") for argument in arguments))
    assert not any(Path.cwd().iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "x", "--format", "tfrecord"],
        ["merge"],
        ["merge", "one", "--iou", "0"],
        ["split", "one", "--test-fraction", "1"],
        ["split", "one", "--seed", "-1"],
        ["takedown"],
        ["takedown", "--delete"],
        ["export", "one"],
        ["show", "one", "--number", "0"],
        ["stats", "one", "--home"],
    ],
    ids=" ".join,
)
def test_a_wrong_usage_ends_with_2(arguments: list[str], refusal: Callable[..., str]) -> None:
    assert "Error: " in refusal(*arguments, code=2)


def test_unknown_classes_are_told_with_the_lines_to_paste_which_then_do(
    refusal: Callable[..., str], run_json: RunJson, tmp_path: Path
) -> None:
    objects: list[Object] = [("a.jpg", name, [x, 2, 30, 40]) for x, name in enumerate(("rust: bad", "dunt", "dunt"))]
    odd = write_coco(tmp_path / "odd", {"a.jpg": PHOTOGRAPHS[0]}, objects, classes=["dunt", "rust: bad"])
    said = refusal("import", odd, lines=3)
    assert "'dunt' (2 objects), 'rust: bad' (1 objects) not in the project" in said
    lines = [line for line in said.splitlines() if line.startswith("  - ")]
    (tmp_path / "carloop.yaml").write_text("\n".join(["categories:", *lines]))
    assert run_json("import", odd, "--project", tmp_path / "carloop.yaml")["annotations"] == 3


def test_a_broken_project_is_told_whether_named_or_found(folders: Path, refusal: Callable[..., str]) -> None:
    project = Path("carloop.yaml")
    for text, said in (("categoris: []", "categoris"), ("categories: [", "cannot be read as YAML")):
        project.write_text(text)
        for arguments in (["import", folders / "one"], ["merge", "one"], ["merge", "one", "--project", project]):
            assert said in refusal(*arguments)


def test_a_merge_under_a_project_that_lacks_a_class_in_use_is_refused(refusal: Callable[..., str]) -> None:
    Path("carloop.yaml").write_text("categories: [{name: dent}]")
    assert "class 'damaged door' is not in the project; its classes are ['dent']" in refusal("merge", "one", "two")


@pytest.mark.parametrize(
    ("name", "command"), [("names", "list"), ("names", "stats"), ("names", "import"), ("splits", "split")]
)
@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "3", "null", '{"one": 5}', "\xff"])
def test_broken_names_and_splits_are_told(
    name: str, command: str, text: str, home: Path, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    path = home / f"datasets/{name}.json"
    path.write_bytes(text.encode("latin-1"))
    new = write_coco(tmp_path / "new", {"a.jpg": PHOTOGRAPHS[REAR]})
    said = refusal(command, *{"list": [], "import": [new]}.get(command, ["one"]))
    assert str(path) in said
    assert ";" in said, "what to do comes after it"


@pytest.mark.parametrize("side", ["valid", "", None])
def test_a_side_that_there_is_not_is_told(side: str | None, home: Path, refusal: Callable[..., str]) -> None:
    (home / "datasets/splits.json").write_text(json.dumps({sha256(PHOTOGRAPHS[FRONT]): side}))
    assert "splits.json is broken" in refusal("split", "one")


def test_a_broken_ledger_of_takedowns_is_told(home: Path, folders: Path, refusal: Callable[..., str]) -> None:
    (home / "datasets/takedowns.json").write_text('{"takedowns": [{}]}')
    assert "no ledger of takedowns" in refusal("import", folders / "one")
    assert "no ledger of takedowns" in refusal("takedown", "--source", "one")


def npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.arange(3))
    return content.getvalue()


DIRECTORY = b"PK\x01\x02\x2d\x03\x2d\x00"  # how an archive's list of files begins, before their flags
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "text": lambda content: b"no archive",
    "cut": lambda content: content[: len(content) // 2],
    "other bytes": lambda content: content.replace(b"NUMPY", b"NUMPI"),
    "no end": lambda content: content[:-60] + b"\xff" * 60,
    "encrypted": lambda content: content.replace(DIRECTORY + b"\x00", DIRECTORY + b"\x01"),
    "patched": lambda content: content.replace(DIRECTORY + b"\x00", DIRECTORY + b"\x20"),
    "one array": lambda content: npy(),
    "a column less": lambda content: npz(sha256s=np.array(["a"])),
    "other columns": lambda content: npz(sha256s=np.array(["a"]), descriptors=np.zeros(1, [("a", "<u4")])),
    "no rows": lambda content: npz(sha256s=np.array(3), descriptors=np.arange(3)),
    "rows of rows": lambda content: npz(sha256s=np.array([["a"]]), descriptors=np.arange(1)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_descriptors_are_made_again(damage: str, home: Path, run_json: RunJson) -> None:
    path = home / "datasets/descriptors.npz"
    expected, whole = run_json("dedupe", "one", "two"), path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    assert path.read_bytes() != whole
    assert run_json("dedupe", "one", "two") == expected
    assert len(Shelf(home)._read_descriptors()) == 6


def test_names_and_sides_given_at_the_same_time_are_all_kept(home: Path) -> None:
    shelf = Shelf(home)
    image = content_of(home, "two").images[0]

    def write(number: int) -> None:
        shelf.write_name(f"name {number}", "0" * 64)
        shelf.write_splits([replace(image, sha256=f"{number:064x}", split="train")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert {f"name {number}" for number in range(40)} <= shelf.names().keys()
    assert shelf.splits() == {f"{number:064x}": "train" for number in range(40)}


def test_a_known_error_ends_a_process_with_1_and_results_go_to_stdout_alone(
    carloop: Callable[..., subprocess.CompletedProcess[str]], home: Path
) -> None:
    done = carloop("dataset", "list", "--json", "--home", home)
    assert (done.returncode, done.stderr, len(json.loads(done.stdout))) == (0, "", 3)
    done = carloop("dataset", "stats", "none", CARLOOP_HOME=str(home))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("carloop: none is no dataset version here")


KILLER = """
import os, shutil, signal, sys
from pathlib import Path

import datasets.importing, pipelines.dataset_commands, pipelines.project
from pipelines.cli import main

root, template, *command = sys.argv[1:]
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
WRITES = os.O_WRONLY | os.O_RDWR


def end_at(number, home):
    step = 0

    def watch(event, args):
        nonlocal step
        writes = event == "open" and args[2] & WRITES and str(args[0]).startswith(home)
        if writes or event in CHANGES:
            step += 1
            if step == number:
                if event == "os.rename" and os.path.isfile(args[0]) and number % 2:
                    os.truncate(args[0], os.path.getsize(args[0]) // 2)  # as if it came while the file was written
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


number, alive = 0, True
while alive:
    number += 1
    home = os.path.join(root, str(number))
    shutil.copytree(template, home)
    if (child := os.fork()) == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        end_at(number, home)
        main(["dataset", *command, "--home", home], standalone_mode=False)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    alive = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
print(number, os.waitstatus_to_exitcode(status))
"""


def kill_everywhere(root: Path, template: Path, *command: object) -> tuple[list[Path], Path]:
    """The homes that the command leaves when killed before each change it makes to a disk, and an undisturbed one."""
    arguments = [sys.executable, "-c", KILLER, str(root), str(template), *map(str, command)]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stderr
    last, code = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return [root / str(number) for number in range(1, last)], root / str(last)


def everything(home: Path) -> dict[str, bytes]:
    """All files of a home by name; of the descriptors, whose order is free, that they are there."""
    files = {str(path.relative_to(home)): path for path in home.rglob("*") if path.is_file()}
    return {name: b"" if name.endswith(".npz") else path.read_bytes() for name, path in files.items()}


def assert_nothing_is_half_done(home: Path, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    shelf = Shelf(home)
    assert shelf.names() in (old, new)
    for path in (home / "datasets/versions").glob("[0-9a-f]*"):
        assert read_content(path), "every version that is there is whole"
    for path in (home / "datasets/store/images").rglob("*.jpg"):
        assert sha256(path.read_bytes()) == path.stem


@pytest.mark.parametrize("command", ["import", "merge", "split", "takedown"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_same_command_completes_it(
    command: str, folders: Path, template: Path, tmp_path: Path
) -> None:
    before = Path(shutil.copytree(template, tmp_path / "before"))
    arguments: list[object] = {
        "import": ["import", write_coco(tmp_path / "new", {f"{n}.jpg": jpeg(picture(n)) for n in (50, 51)})],
        "merge": ["merge", "two", "one", "--name", "joined"],
        "split": ["split", "all"],
        "takedown": ["takedown", "--hash", sha256(PHOTOGRAPHS[FRONT]), "--delete"],
    }[command]
    if command == "merge":
        shutil.rmtree(Shelf(before).find("all"))
        (before / "datasets/descriptors.npz").unlink()
        (before / "datasets/names.json").write_text(
            json.dumps({name: digest for name, digest in Shelf(before).names().items() if name != "all"})
        )
    killed, undisturbed = kill_everywhere(tmp_path / "homes", before, *arguments)
    assert len(killed) > 8
    old, new = Shelf(before).names(), Shelf(undisturbed).names()
    assert old != new
    for home in killed:
        if command != "takedown":  # whose names go over one by one
            assert_nothing_is_half_done(home, old, new)
        code, _, err = invoke(*arguments, "--home", home)
        assert code == 0, err
        assert without_times(everything(home)) == without_times(everything(undisturbed))


def without_times(files: dict[str, bytes]) -> dict[str, Any]:
    ledger = "datasets/takedowns.json"
    if ledger not in files:
        return files
    told = json.loads(files[ledger])
    return {**files, ledger: [{**entry, "at": ""} for entry in told["takedowns"]]}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Told]]:
    """A home with three real datasets, and what was told when each was imported and all were merged."""
    if not os.environ.get("CARLOOP_REAL_DATA"):
        pytest.skip("CARLOOP_REAL_DATA does not say where real datasets are")
    home, told = tmp_path_factory.mktemp("real"), {}
    names = ("damaged-parts", "car-scratch", "car-damage-via")
    commands = {name: ["import", Path(os.environ["CARLOOP_REAL_DATA"]) / name] for name in names}
    for name, command in (commands | {"all": ["merge", *names, "--name", "all"]}).items():
        project = ["--project", EXAMPLES / "three-sources.yaml"]
        code, out, err = invoke(*command, *project, "--home", home, "--json")
        assert code == 0, err
        told[name] = json.loads(out)
    return home, told


def test_three_real_datasets_are_imported_whole(real: tuple[Path, dict[str, Told]]) -> None:
    _, told = real
    found = {name: (one["format"], one["images"], one["annotations"]) for name, one in told.items() if name != "all"}
    assert found == {
        "damaged-parts": ("coco", 630, 1292),
        "car-scratch": ("coco", 1221, 1965),
        "car-damage-via": ("via", 69, 375),
    }
    assert "4 objects reach out of their image and were clipped to it" in told["damaged-parts"]["notes"]
    assert any("says the same as" in note for note in told["car-damage-via"]["notes"])


def test_three_real_datasets_merge_into_one_in_any_order_and_again(real: tuple[Path, dict[str, Told]]) -> None:
    home, told = real
    merged = told["all"]
    assert merged["images"] + merged["copies"] == 630 + 1221 + 69
    assert merged["unread"] == {}
    project = ["--project", EXAMPLES / "three-sources.yaml"]
    names = ["car-damage-via", "all", "car-scratch", "damaged-parts", "car-scratch"]
    code, out, err = invoke("merge", *names, *project, "--home", home, "--json")
    assert (code, json.loads(out)["version"]) == (0, merged["version"]), err


def test_photographs_in_train_and_test_under_two_names_are_told(real: tuple[Path, dict[str, Told]]) -> None:
    home, _ = real
    folder = Shelf(home).find("all")
    exact = {image.sha256 for image in read_content(folder).images if len({v.source for v in image.views}) > 1}
    named = [conflict for conflict in read_conflicts(folder) if conflict.kind == "name"]
    assert {conflict.detail for conflict in named} == {"car-scratch/test: Scratch, car-scratch/train: 0"}
    assert 43 <= len({conflict.sha256 for conflict in named}) <= len(exact)


def test_copies_that_an_augmentation_made_of_a_real_photograph_share_a_family(
    real: tuple[Path, dict[str, Told]],
) -> None:
    home, _ = real
    families: dict[str, set[str]] = {}
    for image in read_content(Shelf(home).find("all")).images:
        for view in image.views:
            if view.source == "damaged-parts":
                families.setdefault(view.file_name.partition("_jpg.rf.")[0], set()).add(image.family)
    assert len(families) == 210
    assert sum(len(found) == 1 for found in families.values()) > 200
