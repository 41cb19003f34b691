"""`carloop cvat prelabel`: published models' predictions in jobs that nobody has begun, once, whatever is cut short."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from cvat_sdk import models
from msgspec.structs import replace

from benchmarks.function_data import open_host
from cvat.jobs import Job, list_jobs
from cvat.project import require_project
from cvat.wire import read_wire
from datasets.comparison import Fate
from datasets.labelled import LabelledObject
from datasets.ledger import FateRow, Ledger, Pull
from pipelines.cli import main
from pipelines.modelling.place import find_place
from pipelines.modelling.shadow import shadow
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly
from tests.nuclio_functions.conftest import SIZE, write_constant_graph
from tests.pipelines.dataset.helpers import invoke, jpeg, picture, write_coco
from training.bundle import BundleSpec, publish, write_bundle

IMAGES = 6
ANCHOR = [[[32.0], [32.0], [20.0], [10.0], [0.01], [0.87]]]
"""One dent in the middle of the square, and no damaged door."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with six photographs of no known content, as `cars`."""
    write_coco(tmp_path / "cars", {f"{n}.jpg": jpeg(picture(n)) for n in range(IMAGES)})
    assert invoke("import", tmp_path / "cars", "--home", tmp_path / "home")[0] == 0
    return tmp_path / "home"


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    folder = tmp_path / "bundles"
    publish_detector(folder, version="1")
    return folder


def publish_detector(bundles: Path, *, version: str, anchor: Any = ANCHOR) -> None:
    graph = write_constant_graph(bundles.parent / "detector.onnx", np.array(anchor))
    classes = ("damaged door", "dent")
    spec = BundleSpec(task="detector", model="damage_detector", version=version, class_names=classes, image_size=SIZE)
    publish(bundles, "damage_detector", write_bundle(bundles, spec, graph))


@pytest.fixture
def project(server: CvatServer, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project of its own to which `cars` were pushed, three jobs of two frames each."""
    name = f"cars {uuid4().hex}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
    monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
    Path("carloop.yaml").write_text(
        f"cvat: {{url: '{server.url}', project: {name}, segment_size: 2, control_share: 0}}"
    )
    assert cvat(home, "push", "cars")[0] == 0
    return name


def cvat(home: Path, *arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["cvat", *map(str, arguments), "--home", str(home)], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def prelabel(home: Path, bundles: Path, *arguments: object) -> Any:
    code, out, err = cvat(home, "prelabel", "--bundles", bundles, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def jobs_of(server: CvatServer, project: str) -> list[Job]:
    with directly(server) as client:
        return list_jobs(client, project_id=require_project(client, project))


def shapes_of(server: CvatServer, project: str) -> list[Any]:
    with directly(server) as client:
        jobs = list_jobs(client, project_id=require_project(client, project))
        return [shape for job in jobs for shape in read_wire(client, "jobs", job.id).shapes]


def test_every_frame_gets_what_the_model_sees_once(server, home: Path, bundles: Path, project: str) -> None:
    told = prelabel(home, bundles)
    assert (told["jobs"], told["frames"], told["classes"]) == (3, IMAGES, {"dent": IMAGES})
    assert {shape.source for shape in shapes_of(server, project)} == {"auto"}
    again = prelabel(home, bundles)
    assert (again["jobs"], again["jobs_as_they_are"], again["frames"]) == (0, 3, 0)
    assert prelabel(home, bundles, "--fresh")["frames"] == IMAGES
    assert len(shapes_of(server, project)) == IMAGES


def test_a_newer_model_replaces_what_nobody_touched(server, home: Path, bundles: Path, project: str) -> None:
    prelabel(home, bundles)
    with directly(server) as client:
        touched = list_jobs(client, project_id=require_project(client, project))[0]
        job = client.jobs.retrieve(touched.id)
        shape = job.get_annotations().shapes[0].to_dict() | {"points": [1.0, 1.0, 9.0, 9.0]}
        job.update_annotations(models.PatchedLabeledDataRequest(shapes=[models.LabeledShapeRequest(**shape)]))
    publish_detector(bundles, version="2", anchor=[[[20.0], [20.0], [8.0], [8.0], [0.9], [0.01]]])
    assert prelabel(home, bundles)["classes"] == {"damaged door": IMAGES}
    points = [tuple(shape.points) for shape in shapes_of(server, project)]
    assert len(points) == IMAGES
    assert points.count((1.0, 1.0, 9.0, 9.0)) == 1


@pytest.fixture
def challenger(home: Path, bundles: Path) -> None:
    """Version 2 in the home's registry, beside version 1, which is served: it takes a dent for a damaged door."""
    place = find_place(home, None)
    (home / "training").mkdir()
    graph = write_constant_graph(home / "challenger.onnx", np.array([[[32.0], [32.0], [20.0], [10.0], [0.9], [0.01]]]))
    for key in ("first", "second"):
        registered = place.registry.register(
            "damage_detector", key=key, dataset="d" * 64, parent=None, training=home / "training"
        )
    spec = BundleSpec(
        task="detector",
        model="damage_detector",
        version=registered.version,
        class_names=("damaged door", "dent"),
        image_size=SIZE,
    )
    place.registry.describe(registered, bundle=write_bundle(place.bundles, spec, graph), metrics={})
    champion = place.registry.version("damage_detector", "1")
    place.registry.note_turn(champion, "promoted", now=datetime(2026, 1, 1, tzinfo=UTC))
    place.registry.set_alias("champion", champion)


def test_a_challenger_shows_a_share_of_the_families_and_the_ledger_tells_which_was_corrected_less(
    server, home: Path, bundles: Path, project: str, challenger: None
) -> None:
    project_path = Path("carloop.yaml")
    project_path.write_text(f"{project_path.read_text()}\ntraining: {{promotion: {{shadow_share: 0.5}}}}")
    told = prelabel(home, bundles)
    shadowed = told["shadow"]["frames"]
    assert 0 < shadowed < IMAGES
    assert told["classes"] == {"dent": IMAGES - shadowed, "damaged door": shadowed}
    assert prelabel(home, bundles)["jobs_as_they_are"] == 3
    assert prelabel(home, bundles, "--fresh")["shadow"] == told["shadow"]
    assert len(shapes_of(server, project)) == IMAGES

    accept_all(server, project)
    assert cvat(home, "pull", "--name", "pulled")[0] == 0
    verdict = compare_in_the_shadow(home)
    assert (verdict["champion_frames"], verdict["challenger_frames"]) == (IMAGES - shadowed, shadowed)
    assert verdict["challenger"]["value"] == 0
    assert "20 of each are needed" in verdict["told"]


def accept_all(server: CvatServer, project: str) -> None:
    accepted = models.PatchedJobWriteRequest(stage="acceptance", state="completed")
    with directly(server) as client:
        for job in jobs_of(server, project):
            client.jobs.retrieve(job.id).update(accepted)


def compare_in_the_shadow(home: Path) -> Any:
    result = CliRunner().invoke(shadow, ["damage_detector", "--home", str(home), "--json"], catch_exceptions=False)
    return json.loads(result.stdout)["verdict"]


def test_a_begun_job_is_left_alone(server, home: Path, bundles: Path, project: str) -> None:
    begun = jobs_of(server, project)[0]
    with directly(server) as client:
        client.jobs.retrieve(begun.id).update(models.PatchedJobWriteRequest(state="in progress"))
    assert prelabel(home, bundles)["jobs"] == 2
    with directly(server) as client:
        assert not read_wire(client, "jobs", begun.id)


def test_a_test_set_is_never_shown_predictions(server, home: Path, bundles: Path, project: str) -> None:
    assert cvat(home, "push", "cars", "--subset", "Test", "--title", "frozen")[0] == 0
    write_coco(home.parent / "more", {"new.jpg": jpeg(picture(99))})
    assert invoke("import", home.parent / "more", "--home", home)[0] == 0
    assert cvat(home, "push", "more", "--subset", "Test")[0] == 0
    assert prelabel(home, bundles)["frames"] == IMAGES


def test_a_frame_that_cannot_be_decoded_is_put_into_quarantine_and_the_rest_goes_on(
    server, home: Path, bundles: Path, project: str
) -> None:
    path = next((home / "datasets" / "store" / "images").glob("*/*.jpg"))
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[: len(content) // 2])
    told = prelabel(home, bundles)
    assert told["classes"] == {"dent": IMAGES - 1}
    assert list(told["quarantined"]) == [path.stem]
    assert "cut short" in told["quarantined"][path.stem] or "no picture" in told["quarantined"][path.stem]
    path.write_bytes(content)
    assert prelabel(home, bundles, "--fresh")["quarantined"] == {}
    with directly(server) as client:
        ledger = Ledger(f"sqlite:///{home}/ledger.sqlite", scope=f"{server.url} {project}")
        assert ledger.read_quarantine() == {}
        ledger.close()
        require_project(client, project)
    assert len(shapes_of(server, project)) == IMAGES


def test_a_limit_is_a_number_of_jobs_and_the_next_run_goes_on(server, home: Path, bundles: Path, project: str) -> None:
    assert prelabel(home, bundles, "--limit", 1)["frames"] == 2
    assert prelabel(home, bundles)["frames"] == 4
    assert len(shapes_of(server, project)) == IMAGES


def test_a_threshold_of_the_command_counts_before_the_model_s_own(
    server, home: Path, bundles: Path, project: str
) -> None:
    assert prelabel(home, bundles, "--threshold", 0.9)["prelabels"] == 0
    assert prelabel(home, bundles, "--threshold", 0.005)["classes"] == {"dent": IMAGES}


def test_what_cost_more_to_correct_than_to_draw_is_left_out(server, home: Path, bundles: Path, project: str) -> None:
    ledger = Ledger(f"sqlite:///{home}/ledger.sqlite", scope=f"{server.url} {project}")
    shown = LabelledObject("dent", (1.0, 1.0, 9.0, 9.0), score=0.5)
    fates = [
        FateRow(f"{n:064x}", "damage_detector@1", Fate(*told))
        for n in range(60)
        for told in (
            ("deleted", replace(shown, score=0.6 + n / 200), None),
            ("accepted", replace(shown, score=0.95), shown),
        )
    ]
    pull = Pull(
        999,
        1,
        "r1",
        "train",
        "ann",
        61.5,
        "2026-03-01T10:00:00Z",
        60,
        b"",
        tuple(sorted({row.sha256 for row in fates})),
    )
    ledger.write_prelabels(999, [])
    ledger.write_pull(pull, fates)
    ledger.close()
    assert prelabel(home, bundles, "--break-even")["prelabels"] == 0  # of 0.87, where 0.95 pays
    assert prelabel(home, bundles)["prelabels"] == IMAGES


def test_a_killed_run_is_completed_by_the_same_command(server, home: Path, bundles: Path, project: str) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "cvat", "prelabel"]
    options = ["--bundles", str(bundles), "--home", str(home)]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        ledger = Ledger(f"sqlite:///{home}/ledger.sqlite", scope=f"{server.url} {project}")
        while process.poll() is None and not ledger.prelabelled_jobs():
            pass
        process.send_signal(signal.SIGKILL)
    prelabel(home, bundles)
    assert len(shapes_of(server, project)) == IMAGES
    noted = [p.stored.shape_id for job in jobs_of(server, project) for p in ledger.read_prelabels(job.id)]
    assert sorted(noted) == sorted(shape.id for shape in shapes_of(server, project))
    ledger.close()


def test_cvat_s_own_runs_double_nothing_and_lost_labels_are_told(
    home: Path, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_host(bundles) as host:
        server = CvatServer(tmp_path, CARLOOP_NUCLIO_URL=host.url)
        monkeypatch.setenv("CARLOOP_CVAT_USER", server.user)
        monkeypatch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
        cvat_settings = f"{{url: '{server.url}', project: cars, segment_size: 2, control_share: 0}}"
        Path("carloop.yaml").write_text(f"categories: [{{name: dent}}]\ncvat: {cvat_settings}")
        assert cvat(home, "push", "cars")[0] == 0
        through_cvat = ("--via", "cvat", "--model", "damage_detector")
        told = prelabel(home, bundles, *through_cvat)
        assert (told["jobs"], told["frames"], told["classes"]) == (3, IMAGES, {"dent": IMAGES})
        assert len(told["unmatched_labels"]) == 7
        assert "the project has no label 'damaged door'" in told["unmatched_labels"][0]
        assert prelabel(home, bundles, *through_cvat)["jobs_as_they_are"] == 3
        assert prelabel(home, bundles, *through_cvat, "--fresh")["prelabels"] == IMAGES
        assert len(shapes_of(server, "cars")) == IMAGES
        noted = Ledger(f"sqlite:///{home}/ledger.sqlite", scope=f"{server.url} cars")
        assert sum(len(noted.read_prelabels(job.id)) for job in jobs_of(server, "cars")) == IMAGES
        noted.close()
        with directly(server) as client:
            job = client.jobs.retrieve(jobs_of(server, "cars")[0].id)
            moved = job.get_annotations().shapes[0].to_dict() | {"points": [1.0, 1.0, 9.0, 9.0]}
            job.update_annotations(models.PatchedLabeledDataRequest(shapes=[models.LabeledShapeRequest(**moved)]))
        touched = prelabel(home, bundles, *through_cvat, "--fresh")
        assert (touched["jobs"], touched["jobs_with_barred_frames"]) == (2, 1)
        assert len(shapes_of(server, "cars")) == IMAGES
        code, out, err = cvat(home, "prelabel", "--bundles", bundles, "--via", "cvat", "--fresh")
        assert (code, out) == (1, "")
        assert "lists no function carloop-cleanliness-classifier" in err
        server.kill()


def test_no_model_is_told_in_a_sentence(server, home: Path, tmp_path: Path, project: str) -> None:
    code, out, err = cvat(home, "prelabel", "--bundles", tmp_path / "nothing")
    assert (code, out) == (1, "")
    assert "no damage_detector and no cleanliness_classifier is published in" in err


def test_a_task_that_is_not_there_is_told_in_a_sentence(server, home: Path, bundles: Path, project: str) -> None:
    code, out, err = cvat(home, "prelabel", "--bundles", bundles, "--task", 99999)
    assert (code, out) == (1, "")
    assert "has no task 99999" in err
