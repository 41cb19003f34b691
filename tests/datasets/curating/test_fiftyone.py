"""Reviews in a real FiftyOne and MongoDB, in another process: FiftyOne is one per process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.project import Project
from pipelines.runs import make_run
from pipelines.services import start_mongodb

SESSION = Path(__file__).with_name("fiftyone_session.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("review")
    run = make_run(folder / "run", Project(), key="review")
    with start_mongodb(run) as uri:
        ended = subprocess.run(
            [sys.executable, str(SESSION), str(folder), uri],
            env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def test_a_review_synced_again_changes_nothing(seen: dict[str, Any]) -> None:
    assert (seen["first"], seen["again"]) == ([24, 24, 0, 0], [24, 0, 0, 0])


def test_a_later_sync_writes_what_changed_and_removes_what_went(seen: dict[str, Any]) -> None:
    """All other images lose what the ledger told, but two lose nothing of it and change in the dataset."""
    images, added, changed, removed = seen["later"]
    assert (images, added, removed) == (23, 0, 1)
    assert changed >= 2
    assert seen["family"] == "another car"


def test_samples_are_what_fiftyone_itself_would_have_written(seen: dict[str, Any]) -> None:
    assert seen["unlike_theirs"] == []


def test_a_photograph_is_shown_by_reference_with_where_it_came_from(seen: dict[str, Any]) -> None:
    sample = seen["sample"]
    assert Path(sample["filepath"]).is_file()
    assert [sample[name] for name in ("license", "author", "page_url", "url", "family", "split", "tags")] == [
        "CC0-1.0", "Ada", "https://a.example/1", "https://a.example/1.png", "car 1", "train", ["train"],
    ]  # fmt: skip


def test_labels_are_shown_in_parts_of_the_image_with_who_drew_them(seen: dict[str, Any]) -> None:
    drawn = {box["drawn_by"]: box for box in seen["sample"]["ground_truth"]["detections"]}
    assert drawn["semi-auto"]["bounding_box"] == [0.1, 0.2, 0.2, 0.4]
    assert (drawn["semi-auto"]["rotation"], drawn["semi-auto"]["depth"]) == (30.0, "2")
    assert drawn["semi-auto"]["_id"] != drawn["manual"]["_id"]
    assert [tag["label"] for tag in seen["sample"]["whole_image"]["classifications"]] == ["dirty"]


def test_polygons_and_masks_are_shown_as_drawn(seen: dict[str, Any]) -> None:
    assert seen["outline"] == [[[0.1, 0.2], [0.3, 0.2], [0.3, 0.6]]]
    mask = seen["mask"]
    assert (len(mask), len(mask[0]), mask[0][0], sum(map(sum, mask))) == (20, 40, 0, 799)


def test_prelabels_are_shown_with_their_model_and_verdict(seen: dict[str, Any]) -> None:
    (box,) = seen["sample"]["prelabels"]["detections"]
    (tag,) = seen["sample"]["prelabelled_tags"]["classifications"]
    assert (box["label"], box["model"], box["verdict"], box["confidence"]) == (
        "dent", "damage_detector@3", "moved", 0.87,
    )  # fmt: skip
    assert (tag["label"], tag["verdict"], tag["became"]) == ("clean", "reclassed", "dirty")


def test_what_was_decided_earlier_is_shown_again(seen: dict[str, Any]) -> None:
    assert seen["decided"] == [["train", "gold"], 4, "sharp"]


def test_views_show_what_reviewers_look_for(seen: dict[str, Any]) -> None:
    shown = seen["shown"]
    assert shown["corrected most"] == [0]
    assert shown["hard dirty cars"] == [0]
    assert len(shown["models disagree"]) == 24
    assert {2, 10, 11} <= set(shown["near-duplicates"])
    assert set(shown["leaks"]) == {0, 1, 2, 3}
    assert shown["conflicts between sources"] == [5]
    assert {0, 1} <= set(shown["rare classes"])
    assert (shown["quarantined"], shown["probes failed"]) == ([6], [7])
    assert shown["likely label mistakes"]


def test_the_brain_compares_embeddings_and_evaluates_both_models_without_torch(seen: dict[str, Any]) -> None:
    assert seen["likeness"] == {"embedded": 24, "lookalikes": 2}
    assert seen["evaluated"] == {"champion": 24, "challenger": 24}
    assert seen["patches"] > 0
    assert not seen["torch"]
    assert "0 of the 1 embeddings" in seen["few_embeddings"]


def test_what_reviewers_said_outlives_a_sync_and_is_read_back(seen: dict[str, Any]) -> None:
    note = "look at the tag\ntoo dark"
    assert seen["marks"] == [["exclude"], 2, note, ["relabel"]]
    assert seen["label_tags"] == ["note:look at the tag"]
    assert seen["kept_gold"] in (["gold"], "gone")


def test_a_dataset_that_nobody_touched_takes_nothing_back(seen: dict[str, Any]) -> None:
    """Two datasets show an image, and are read in turns."""
    both = {"marks": ["exclude", "relabel"], "quality": 5}
    assert seen["turns"] == [{"marks": ["exclude"], "quality": 5}, both, both, both]
    assert seen["taken_off"] == {"marks": ["relabel"]}


def test_images_with_decisions_that_were_not_read_are_not_removed(seen: dict[str, Any]) -> None:
    assert seen["read"] == [23, 0, 0, 1]
    assert "'one' shows 1 images that this would remove, with decisions that were not taken back" in seen["unread"]
    assert "carloop curate read one, then sync again" in seen["mistyped"]


def test_the_tags_of_a_label_that_is_another_now_stay_on_its_image(seen: dict[str, Any]) -> None:
    assert seen["moved"][2] > 0
    assert (seen["still_unread"], seen["is_other"]) == (["relabel"], True)


def test_words_that_nobody_knows_are_told_with_where_they_are(seen: dict[str, Any]) -> None:
    assert "'exlude', which nobody knows; known are exclude, relabel, gold" in seen["unknown"]
    assert seen["ignored"]
    assert "quality '7'" in seen["bad_quality"]


def test_a_dataset_that_is_none_of_ours_is_left_alone(seen: dict[str, Any]) -> None:
    assert "was not made by carloop curate" in seen["foreign"]
    assert "FiftyOne has no dataset 'absent'" in seen["absent"]


def test_the_same_boxes_are_shown_as_by_fiftyones_own_importer(seen: dict[str, Any]) -> None:
    assert seen["timed"] == ["carloop", "fiftyone", "update"]


def test_no_mongodb_at_the_address_is_told_with_what_to_do() -> None:
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    ask = f"from datasets.curating import open_fiftyone as o; o('{uri}').__enter__()"
    ended = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, timeout=600)
    assert "datasets.errors.Unavailable" in ended.stderr
    assert "FIFTYONE_DATABASE_URI" in ended.stderr
