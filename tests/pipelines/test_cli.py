"""The command line: quick and complete help, and one sentence for whatever a person can mend."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from datasets.errors import Unavailable
from datasets.files import told_when_full
from pipelines.cli import main

Carloop = Callable[..., subprocess.CompletedProcess[str]]
HEAVY = (
    "torch",
    "ultralytics",
    "timm",
    "fiftyone",
    "mlflow",
    "prefect",
    "cvat_sdk",
    "openvino",
    "cv2",
    "numpy",
    "rich",
)


def commands(group: click.Group = main, name: str = "carloop") -> Iterator[tuple[str, click.Command]]:
    yield name, group
    for child_name, child in group.commands.items():
        if isinstance(child, click.Group):
            yield from commands(child, f"{name} {child_name}")
        else:
            yield f"{name} {child_name}", child


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_and_option_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help, f"{name} has no help"
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    leaves = [name for name, command in commands() if not isinstance(command, click.Group)]
    assert [name for name in leaves if f"`{name}" not in readme] == []


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, pipelines.cli; print(sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def loop_run(home: Path, project: Path, truth: Path) -> Result:
    """A loop that is run in this process; whatever is no known error is raised."""
    options = ["--project", project, "--truth", truth, "--home", home]
    return CliRunner().invoke(main, ["loop", "run", *map(str, options)], catch_exceptions=False)


def refused(home: Path, project: Path, truth: Path) -> str:
    """The one sentence of a refused loop, which left nothing behind."""
    done = loop_run(home, project, truth)
    assert done.exit_code == 1, done.stderr
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("carloop: ")
    assert not (home / "runs").exists()
    return last


@pytest.fixture
def copy_of_cars(cars: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cars, tmp_path / "cars"))


def test_a_missing_folder_is_told(project_path: Path, tmp_path: Path) -> None:
    assert "is not a folder" in refused(tmp_path / "home", project_path, tmp_path / "nowhere")


def test_an_empty_folder_is_told(project_path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "annotations.json" in refused(tmp_path / "home", project_path, tmp_path / "empty")


def test_broken_json_is_told_with_its_place(project_path: Path, copy_of_cars: Path, tmp_path: Path) -> None:
    path = copy_of_cars / "annotations.json"
    path.write_bytes(path.read_bytes()[:1000])
    assert "is not valid JSON at byte" in refused(tmp_path / "home", project_path, copy_of_cars)


def test_absent_images_are_told_with_their_number(project_path: Path, copy_of_cars: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy_of_cars / "images")
    assert "images that are absent" in refused(tmp_path / "home", project_path, copy_of_cars)


def test_a_class_that_is_not_in_the_project_is_told_with_its_count(
    project_path: Path, copy_of_cars: Path, tmp_path: Path
) -> None:
    path = copy_of_cars / "annotations.json"
    path.write_text(path.read_text().replace('"dent"', '"dunt"'))
    said = refused(tmp_path / "home", project_path, copy_of_cars)
    assert "'dunt'" in said
    assert "objects" in said


def test_an_unknown_key_in_the_project_is_told_by_name(cars: Path, tmp_path: Path) -> None:
    project = tmp_path / "carloop.yaml"
    project.write_text("training:\n  detector: {epoch: 3}\n")
    assert "training.detector.epoch" in refused(tmp_path / "home", project, cars)


def test_a_home_that_may_not_be_written_is_told(project_path: Path, cars: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    done = loop_run(tmp_path / "home", project_path, cars)
    assert done.exit_code == 2
    assert "is a file" in done.stderr


def test_photographs_that_all_fall_on_one_side_are_told(cars: Path, tmp_path: Path) -> None:
    project = tmp_path / "carloop.yaml"
    project.write_text("split: {test_fraction: 0.0001}\n")
    assert "fall on the train side of the split" in refused(tmp_path / "home", project, cars)


def test_a_port_in_use_is_told(carloop: Carloop, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        login = {"CARLOOP_CVAT_USER": "a", "CARLOOP_CVAT_PASSWORD": "b"}
        cvat = carloop("cvat", "serve", "--port", port, "--data", tmp_path / "data", **login)
        function = carloop("function", "serve", "--port", port, "--bundles", tmp_path / "bundles")
    for done in (cvat, function):
        assert done.returncode == 1
        assert "Address already in use" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_a_full_disk_is_told_whatever_failed_because_of_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is full; free some space"), told_when_full(tmp_path):  # noqa: SIM117
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")


def test_no_mongodb_is_told_with_a_remedy(carloop: Carloop, tmp_path: Path) -> None:
    away = {"FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"}
    only = ["--only", "torch", "--only", "FiftyOne"]
    done = carloop("doctor", "--json", "--home", tmp_path / "home", *only, **away)
    torch, fiftyone = json.loads(done.stdout)
    assert done.returncode == 1
    assert not fiftyone["works"]
    assert "FIFTYONE_DATABASE_URI" in fiftyone["remedy"]
    assert torch["works"]


def test_a_part_that_the_doctor_does_not_know_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor", "--only", "heart", "--home", str(tmp_path)])
    assert done.exit_code == 1
    assert "no part 'heart'" in done.stderr
