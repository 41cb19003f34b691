"""Foreign folders with ground truth: read as they are meant, or told in one sentence what to mend."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from datasets.errors import CarloopError, UnknownCategory
from datasets.importing import TruthSettings, read_truth
from datasets.taxonomy import Category, Taxonomy

REAL_DATA = "CARLOOP_REAL_DATA"
Write = Callable[..., Path]


def told(folder: Path, taxonomy: Taxonomy, settings: TruthSettings | None = None) -> str:
    """The one sentence that refuses a folder."""
    with pytest.raises(CarloopError) as caught:
        read_truth(folder, taxonomy, settings or TruthSettings())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_boxes_get_the_project_s_classes_by_name_or_alias(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings())
    assert truth.images[0].boxes == ((2, (10, 12, 20.5, 8)), (1, (0.1, 0.1, 0.2, 0.2)))
    assert (truth.annotated_ids, truth.clipped) == ({1, 2}, 0)


def test_an_image_is_named_by_its_bytes_and_keeps_its_licence(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    folder = write_folder(coco)
    truth = read_truth(folder, taxonomy, TruthSettings())
    assert truth.images[0].sha256 == hashlib.sha256((folder / "7_front.jpg").read_bytes()).hexdigest()
    assert [image.license for image in truth.images] == ["CC BY 4.0", None]


def test_an_empty_licence_is_an_unknown_one(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    coco["licenses"] = [{"id": 1, "name": "", "url": ""}]
    assert read_truth(write_folder(coco), taxonomy, TruthSettings()).images[0].license is None


def test_tags_are_classes_of_the_whole_image(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    coco["categories"].append({"id": 5, "name": "dirty"})
    coco["images"][1]["tags"] = [{"category_id": 5}]
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings())
    assert [image.tag_ids for image in truth.images] == [(), (4,)]


def test_images_may_lie_in_a_folder_of_their_own(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, photograph: Callable[..., bytes]
) -> None:
    folder = write_folder(coco, photographs={"7_front.jpg": None, "images/7_front.jpg": photograph(7)})
    truth = read_truth(folder, taxonomy, TruthSettings())
    assert truth.images[0].path == folder / "images" / "7_front.jpg"


@pytest.mark.parametrize("name", ["_annotations.coco.json", "instances_default.json"])
def test_the_annotation_file_is_found_by_other_tools_names(
    name: str, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    assert len(read_truth(write_folder(coco, name=name), taxonomy, TruthSettings()).images) == 2


def test_a_dropped_class_is_neither_there_nor_searched_for(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings(drop=("door",)))
    assert [category_id for category_id, _ in truth.images[0].boxes] == [2]
    assert truth.annotated_ids == {2}


@pytest.mark.parametrize(
    ("bbox", "inside"),
    [
        ([-4, 40, 10, 20], (0, 40, 6, 8)),
        ([60, -1, 10, 10], (60, 0, 4, 9)),
        ([64, 0, 5, 5], None),
        ([5, 5, 0, 5], None),
        ([5, 5, 5, -5], None),
    ],
)
def test_a_box_is_clipped_to_its_image_and_counted(
    bbox: list[float], inside: object, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["annotations"] = [{"id": 1, "image_id": 2, "category_id": 1, "bbox": bbox}]
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings())
    assert truth.images[1].boxes == (((2, inside),) if inside else ())
    assert truth.clipped == 1


@pytest.mark.parametrize(
    ("pattern", "families"),
    [
        (None, ["7_front", "8_rear"]),
        (r"^\d+", ["7", "8"]),
        (r"^(\d+)_(\w+)", ["7", "8"]),
        (r"^(?:(7)|(8))_", ["7", "8"]),
        (r"^(7)_", ["7", "8_rear"]),
        (r"x*", ["7_front", "8_rear"]),
    ],
)
def test_the_family_is_what_the_pattern_s_first_group_says(
    pattern: str | None, families: list[str], write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings(family=pattern))
    assert [image.family for image in truth.images] == families


def test_a_family_that_the_file_names_outranks_the_pattern(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["images"][0]["family"] = "car 12"
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings(family=r"^(\d+)"))
    assert [image.family for image in truth.images] == ["car 12", "8"]


def test_a_pattern_that_is_none_is_refused_with_the_settings() -> None:
    with pytest.raises(ValidationError, match=r"'\(' is not a regular expression: missing \)"):
        TruthSettings(family="(")


def test_one_photograph_under_two_names_is_one_image_with_the_labels_of_both(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, photograph: Callable[..., bytes]
) -> None:
    coco["annotations"][1]["image_id"] = 2
    settings = TruthSettings(family="jpg")
    truth = read_truth(write_folder(coco, photographs={"8_rear.jpg": photograph(7)}), taxonomy, settings)
    (image,) = truth.images
    assert image.path.name == "7_front.jpg"
    assert [category_id for category_id, _ in image.boxes] == [2, 1]


def test_one_photograph_in_two_families_is_left_out_and_told(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, photograph: Callable[..., bytes]
) -> None:
    truth = read_truth(write_folder(coco, photographs={"8_rear.jpg": photograph(7)}), taxonomy, TruthSettings())
    assert truth.images == ()
    assert truth.notes == ["1 photographs are in several families and were left out of all"]


def test_crowd_regions_are_left_out_and_told(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    coco["annotations"][0]["iscrowd"] = 1
    truth = read_truth(write_folder(coco), taxonomy, TruthSettings())
    assert sum(len(image.boxes) for image in truth.images) == len(coco["annotations"]) - 1
    assert truth.notes == ["1 crowd regions were left out: they are no single objects"]


def test_a_missing_folder_is_told(tmp_path: Path, taxonomy: Taxonomy) -> None:
    assert told(tmp_path / "none", taxonomy) == (
        f"{tmp_path}/none is not a folder; give one with images and an annotations.json in COCO format"
    )


def test_an_empty_folder_is_told(tmp_path: Path, taxonomy: Taxonomy) -> None:
    assert "needs one COCO file called annotations.json or _annotations.coco.json; found: none" in told(
        tmp_path, taxonomy
    )


def test_two_annotation_files_are_told_by_name(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    folder = write_folder(coco, name="train.json")
    (folder / "val.json").write_text("{}")
    assert told(folder, taxonomy).endswith("found: train.json, val.json")


def test_broken_json_is_told_with_its_byte(write_folder: Write, taxonomy: Taxonomy) -> None:
    assert "annotations.json is not valid JSON at byte 12 of 13: " in told(
        write_folder('{"images": []'[:-1] + "}"), taxonomy
    )


@pytest.mark.parametrize("content", [[], {"images": []}, {"7.jpg": {"regions": []}}])
def test_json_that_is_no_coco_is_told_with_the_place(content: object, write_folder: Write, taxonomy: Taxonomy) -> None:
    assert re.search(
        r"annotations\.json is not COCO: .+ \(\d such places\); mend the file", told(write_folder(content), taxonomy)
    )


@pytest.mark.parametrize("bbox", [[1, 2, 3], [1, 2, 3, "wide"], None])
def test_a_box_that_is_none_is_told_with_its_place(
    bbox: object, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["annotations"][1]["bbox"] = bbox
    assert "is not COCO: annotations.1.bbox" in told(write_folder(coco), taxonomy)


def test_a_box_at_no_number_is_told_with_its_place(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["annotations"][1]["bbox"] = [float("nan"), 0, 1, 1]
    assert "annotations.1.bbox.0" in told(write_folder(coco), taxonomy)


def test_a_file_without_images_is_told(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    coco["images"], coco["annotations"] = [], []
    assert told(write_folder(coco), taxonomy).endswith("names no images; a loop needs photographs with ground truth")


def test_absent_images_are_counted_and_the_first_is_named(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    folder = write_folder(coco, photographs={"7_front.jpg": None})
    assert f"names 1 of 2 images that are absent, '7_front.jpg' first; put them into {folder}" in told(folder, taxonomy)


def test_a_link_that_leaves_the_folder_is_told(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, tmp_path: Path
) -> None:
    folder = write_folder(coco, photographs={"7_front.jpg": None})
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "7_front.jpg").symlink_to(tmp_path / "secret.jpg")
    assert f"leads out of the folder, to {tmp_path}/secret.jpg; copy what is there into" in told(folder, taxonomy)


@pytest.mark.parametrize("name", ["../secret.jpg", "images/../../secret.jpg", "/etc/passwd"])
def test_a_name_that_leaves_the_folder_is_told(
    name: str, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, tmp_path: Path
) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    coco["images"][0]["file_name"] = name
    assert f"file_name '{name}' leaves the folder; use names below" in told(write_folder(coco), taxonomy)


def test_unknown_classes_are_all_told_with_their_counts(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["categories"] += [{"id": 20, "name": "dunt"}, {"id": 21, "name": "scratch"}]
    for number, category_id in enumerate([20, 20, 21], start=10):
        coco["annotations"].append({"id": number, "image_id": 1, "category_id": category_id, "bbox": [1, 1, 5, 5]})
    folder = write_folder(coco)
    assert "'dunt' (2 objects), 'scratch' (1 objects) not in the project; add each to categories:" in told(
        folder, taxonomy
    )
    with pytest.raises(UnknownCategory):
        read_truth(folder, taxonomy, TruthSettings(drop=("dunt",)))
    assert read_truth(folder, taxonomy, TruthSettings(drop=("dunt", "scratch"))).images


@pytest.mark.parametrize("end", [0, 100, 0.9])
def test_a_truncated_image_is_told_by_name(
    end: float, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy, photograph: Callable[..., bytes]
) -> None:
    whole = photograph(8)
    cut = whole[: int(end * len(whole)) if isinstance(end, float) else end]
    folder = write_folder(coco, photographs={"8_rear.jpg": cut})
    assert re.search(r"8_rear\.jpg: .+; replace it or remove it from the annotations", told(folder, taxonomy))


@pytest.mark.parametrize(
    ("records", "kind", "number"),
    [("images", "image", 1), ("categories", "category", 0), ("annotations", "annotation", 1)],
)
def test_an_id_given_twice_is_told(
    records: str, kind: str, number: int, write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco[records][1]["id"] = number
    assert told(write_folder(coco), taxonomy).endswith(f"{kind} id {number} is given twice; number them anew")


def test_annotations_without_ids_are_read(write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy) -> None:
    for annotation in coco["annotations"]:
        del annotation["id"]
    assert len(read_truth(write_folder(coco), taxonomy, TruthSettings()).images[0].boxes) == 2


def test_annotations_of_images_that_are_not_named_are_told(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["annotations"][0]["image_id"] = 77
    assert "annotations.json: 1 annotations name images that 'images' lacks, id 77 first; mend" in told(
        write_folder(coco), taxonomy
    )


def test_annotations_of_classes_that_are_not_named_are_told(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["annotations"][0]["category_id"] = 77
    assert "annotations name category ids [77] that 'categories' lacks; mend" in told(write_folder(coco), taxonomy)


def test_a_box_of_a_class_for_whole_images_is_told(
    write_folder: Write, coco: dict[str, Any], taxonomy: Taxonomy
) -> None:
    coco["categories"][1]["name"] = "dirty"
    assert "the other way round for ['dirty']; change their kind: or drop them" in told(write_folder(coco), taxonomy)


def test_real_photographs_are_read_with_their_copies_in_one_family() -> None:
    if REAL_DATA not in os.environ:
        pytest.skip(f"{REAL_DATA} names no folder with real photographs")
    names = ["bumper", "door", "fender", "headlight", "hood", "rear", "trunk", "window", "windshield"]
    taxonomy = Taxonomy(categories=tuple(Category(name=f"damaged {name}") for name in names))
    settings = TruthSettings(family=r"^(\d+)_jpg\.rf\.")
    truth = read_truth(Path(os.environ[REAL_DATA]) / "damaged-parts", taxonomy, settings)
    assert len({image.family for image in truth.images}) == 210
    assert (len(truth.images), sum(len(image.boxes) for image in truth.images)) == (630, 1292)
    assert {image.license for image in truth.images} == {"CC BY 4.0"}
