"""The whole loop on a few small cars: real servers, real trainings, real FiftyOne and MLflow."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil
import pytest

from benchmarks.state import only_run, read_state
from cvat.annotator import GOOD_ENOUGH_IOU
from datasets.coco import read_coco
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger, Pull
from datasets.ledger.report import make_report, read_material
from datasets.likeness import likeness
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.versions import read_content, read_version
from tests.pipelines.dataset.helpers import invoke
from training.bundle import read_bundle, read_pointer

ROUND_0, ROUND_1 = 0, 1


def test_every_image_of_a_round_went_through_cvat(finished) -> None:
    first, second = finished.printed["rounds"]
    assert (first["images"], second["images"]) == (6, 6)
    assert second["labelled_images"] == 12
    assert set(first["tasks"]) == {"train", "test"}
    assert set(second["tasks"]) == {"train"}


def test_nothing_was_prelabelled_before_there_was_a_model(finished) -> None:
    fates = finished.printed["rounds"][ROUND_0]["fates"]
    assert {verdict for kinds in fates.values() for verdict, count in kinds.items() if count} == {"added"}


def test_every_image_of_the_next_round_got_its_tag_from_the_champion_but_those_of_control_jobs(finished) -> None:
    ledger, second = open_ledger(finished), finished.printed["rounds"][ROUND_1]
    pulls = of_task(ledger, second["tasks"]["train"])
    controls, learnt = ledger.read_controls(), learnt_before(finished)
    shown = {sha256 for job_id, pull in pulls.items() if job_id not in controls for sha256 in pull.sha256s} - learnt
    tags = second["fates"]["tag"]
    assert 0 < len(shown) < 6
    assert tags["accepted"] + tags["reclassed"] + tags["deleted"] == len(shown)
    assert {row.fate.verdict for job_id in controls for row in ledger.read_fates_by_job([job_id])[job_id]} == {"added"}


def test_probes_are_on_images_that_were_labelled_before_and_nothing_is_learnt_from_them(finished) -> None:
    ledger, (first, second) = open_ledger(finished), finished.printed["rounds"]
    probed = {probe.sha256 for probes in ledger.read_probes().values() for probe in probes}
    assert probed
    assert probed <= learnt_before(finished)
    versions = finished.folder / "versions"
    before, after = (read_version(versions, one["dataset"], DEFAULT_TAXONOMY) for one in (first, second))
    assert after.only(probed) == before.only(probed)
    assert sum(second["fates"]["tag"].values()) == second["images"]


def test_the_ledger_tells_when_the_annotator_worked_on_every_job(finished) -> None:
    material = read_material(open_ledger(finished))
    tasks = [task_id for one in finished.printed["rounds"] for task_id in one["tasks"].values()]
    assert {pull.task_id for pull in open_ledger(finished).read_pulls().values()} == set(tasks)
    assert len(material.timed_jobs) == len(material.jobs)
    assert make_report(material).blindness.waiting == 0


def open_ledger(finished) -> Ledger:
    return Ledger(f"sqlite:///{finished.folder}/ledger.sqlite")


def of_task(ledger: Ledger, task_id: int) -> dict[int, Pull]:
    return {job_id: pull for job_id, pull in ledger.read_pulls().items() if pull.task_id == task_id}


def learnt_before(finished) -> set[str]:
    """The images that were learnt from in round 0."""
    name = finished.printed["rounds"][ROUND_0]["dataset"]
    return set(read_version(finished.folder / "versions", name, DEFAULT_TAXONOMY).by_sha256)


def test_the_labels_that_were_learnt_from_are_the_ground_truth_to_the_annotators_tolerance(
    finished, cars: Path
) -> None:
    truth = json.loads((cars / "annotations.json").read_text())
    by_stem = {Path(image["file_name"]).stem: image for image in truth["images"]}
    name = finished.printed["rounds"][ROUND_1]["dataset"]
    dataset = read_version(finished.folder / "versions", name, DEFAULT_TAXONOMY)
    for image in dataset.images:
        true_image = by_stem[Path(image.source.url or "").stem.rpartition("-")[0]]
        assert [tag.category_id for tag in image.tags] == [tag["category_id"] for tag in true_image["tags"]]
        true_boxes = [a for a in truth["annotations"] if a["image_id"] == true_image["id"]]
        learnt = dataset.annotations_of.get(image.sha256, [])
        assert sorted(a.category_id for a in learnt) == sorted(a["category_id"] for a in true_boxes)
        for annotation in learnt:
            same_class = [xyxy(a["bbox"]) for a in true_boxes if a["category_id"] == annotation.category_id]
            box = LabelledObject("", xyxy(annotation.bbox_xywh))
            assert max(likeness(box, LabelledObject("", other)) for other in same_class) >= GOOD_ENOUGH_IOU


def xyxy(bbox_xywh: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = bbox_xywh
    return (x, y, x + width, y + height)


def test_the_test_set_shares_no_family_with_what_is_learnt_and_stays_the_same(finished) -> None:
    first, second = finished.printed["rounds"]
    versions = finished.folder / "versions"
    test_set = read_version(versions, first["test_set"], DEFAULT_TAXONOMY)
    learnt = read_version(versions, second["dataset"], DEFAULT_TAXONOMY)
    assert second["test_set"] == first["test_set"]
    assert {image.family for image in test_set.images}.isdisjoint(image.family for image in learnt.images)
    assert {annotation.source for annotation in test_set.annotations} == {"manual"}


def test_images_keep_licence_page_and_robots_decision(finished) -> None:
    name = finished.printed["rounds"][ROUND_1]["dataset"]
    dataset = read_coco(finished.folder / "versions" / name / "annotations.json", DEFAULT_TAXONOMY)
    for image in dataset.images:
        assert image.source.license == "CC0-1.0"
        assert image.source.robots == "allowed"
        assert "/listing/" in (image.source.page_url or "")


def test_what_is_served_is_the_champion(finished) -> None:
    for name, model in finished.printed["rounds"][ROUND_1]["models"].items():
        pointer = read_pointer(finished.folder / "bundles", name)
        assert pointer == model["bundle"]
        assert read_bundle(finished.folder / "bundles", pointer).name == model["champion"]


def test_the_report_needs_nothing_beside_it_and_agrees_with_the_numbers(finished) -> None:
    page = (finished.folder / "report.html").read_text()
    for reference in ('src="http', 'href="http', "<script", "<link", "@import"):
        assert reference not in page
    for row in finished.printed["table"]:
        assert f"<td>{row['corrections_per_image']:.2f}</td>" in page
    assert json.loads((finished.folder / "report.json").read_text()) == finished.printed


def test_a_finished_run_is_shown_again_without_starting_anything(
    finished, loop_command: Callable[..., list[str]]
) -> None:
    log = finished.folder / "logs" / "cvat.log"
    before = log.stat().st_mtime_ns
    again = subprocess.run(loop_command(finished.home, "--json"), capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == finished.printed
    assert log.stat().st_mtime_ns == before


def test_a_run_that_another_process_holds_is_left_alone(finished, loop_command: Callable[..., list[str]]) -> None:
    import fcntl

    with finished.folder.with_suffix(".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = subprocess.run(loop_command(finished.home), capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is working on" in refused.stderr.splitlines()[-1]


def test_runs_that_hold_what_is_taken_down_are_told_with_their_models(finished, cars: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(finished.home / "runs")
    assert invoke("import", cars, "--home", tmp_path)[0] == 0
    last = finished.printed["rounds"][ROUND_1]
    photograph = read_content(finished.folder / "versions" / last["dataset"]).images[0].sha256
    takedown = ["takedown", "--hash", photograph, "--home", tmp_path]
    held = json.loads(invoke(*takedown, "--json")[1])["runs"][finished.folder.name]
    assert last["dataset"] in held["versions"]
    assert {model["challenger"] for model in last["models"].values()} <= set(held["models"])
    told = invoke(*takedown)[1]
    assert f"The run {finished.folder.name} still has them, in {len(held['versions'])} versions" in told
    assert f"delete {tmp_path / 'runs' / finished.folder.name}" in told


@pytest.mark.timeout(900)
def test_a_run_stopped_and_killed_ends_like_an_undisturbed_one_with_the_same_command(
    finished, loop_command: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Ctrl-C ends in one sentence. Neither leaves a process behind, and two runs of one seed give the same versions."""
    said = end_after(loop_command(tmp_path), "scrape", signal.SIGINT, code=130)
    assert said.splitlines()[-1] == "carloop: stopped; the same command goes on where it was"
    end_after(loop_command(tmp_path), "pre-annotate", signal.SIGKILL, code=-signal.SIGKILL)
    subprocess.run(loop_command(tmp_path), capture_output=True, check=True, timeout=600)
    assert read_state(only_run(tmp_path)) == read_state(finished.folder)


def end_after(command: list[str], step: str, number: signal.Signals, *, code: int) -> str:
    """Signal the command as soon as it tells that this step is over; returns what it said after that."""
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as process:
        assert process.stderr is not None
        assert any(step in line for line in process.stderr), f"{step!r} was never told"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    wait_until_gone(children)
    return said


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while alive := [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, f"still running: {[one.cmdline() for one in alive]}"
        time.sleep(0.05)
