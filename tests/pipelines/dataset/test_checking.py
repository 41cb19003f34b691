"""Validate and dedupe: what is wrong and what is there twice is found."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.duplicates import Descriptors
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
    invoke,
    sha256,
    write_coco,
)


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
    assert len(Descriptors(Shelf(home).descriptors).read()) == 6
