"""Bad input is told in one sentence, with everything left as it was."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines.dataset.helpers import PHOTOGRAPHS, Object, Run, RunJson, write_coco


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
        ["merge", "one", "--name", "a/b"],
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


@pytest.mark.parametrize("name", ["abc123", "20240101", "", "-x", ".x", "a b", "../x", "x" * 81])
def test_what_is_no_name_is_told(name: str, folders: Path, refusal: Callable[..., str]) -> None:
    for command in (["import", folders / "one"], ["merge", "one"], ["split", "one"]):
        assert f"{name!r} is no name: take up to 80 letters" in refusal(*command, f"--name={name}", code=2)


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


def test_a_broken_ledger_of_takedowns_is_told(home: Path, folders: Path, refusal: Callable[..., str]) -> None:
    (home / "datasets/takedowns.json").write_text('{"takedowns": [{}]}')
    assert "no ledger of takedowns" in refusal("import", folders / "one")
    assert "no ledger of takedowns" in refusal("takedown", "--source", "one")


def test_a_known_error_ends_a_process_with_1_and_results_go_to_stdout_alone(
    carloop: Callable[..., subprocess.CompletedProcess[str]], home: Path
) -> None:
    done = carloop("dataset", "list", "--json", "--home", home)
    assert (done.returncode, done.stderr, len(json.loads(done.stdout))) == (0, "", 3)
    done = carloop("dataset", "stats", "none", CARLOOP_HOME=str(home))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("carloop: none is no dataset version here")
