"""Predicting from files to a folder of results, with models that see how red and how green a picture is."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from datasets.errors import BadDataset, BadInput
from pipelines.predict.cli import predict_command
from pipelines.predict.exports import find_export
from pipelines.predict.records import Found, Seen
from pipelines.predict.verdicts import judge
from tests.training.mixing import write_mixing_graph
from training.assessability import Limits, Visibility
from training.bundle import BundleSpec, publish, read_bundle, read_pointer, write_bundle
from training.errors import TamperedBundle, UntrustedCheckpoint
from training.exporting.export import Material, export_bundle
from training.exporting.formats import Format

SIZE = 64
SHARP = Visibility(light=200.0, glare=0.0, sharpness=100.0)

Predict = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both models published: a dent as likely as a picture is red, dirt as it is green."""
    home = tmp_path_factory.mktemp("home")
    redness, greenness = np.zeros((3, 6)), np.zeros((3, 2))
    redness[0, 5], greenness[1] = 1, (-1, 1)
    specs = (
        BundleSpec(
            task="detector", model="damage_detector", version="3", class_names=("hood", "dent"), image_size=SIZE
        ),
        BundleSpec(
            task="classifier",
            model="cleanliness_classifier",
            version="2",
            class_names=("clean", "dirty"),
            image_size=SIZE,
        ),
    )
    graphs = (
        write_mixing_graph(home / "detector.onnx", redness, [32, 32, 20, 10, 0, 0], size=SIZE, anchors=True),
        write_mixing_graph(home / "classifier.onnx", greenness, [1, 0], size=SIZE, anchors=False),
    )
    for spec, graph in zip(specs, graphs, strict=True):
        publish(home / "bundles", spec.model, write_bundle(home / "bundles", spec, graph))
    return home


def write_picture(path: Path, *, red: float, green: float, size: tuple[int, int] = (80, 80)) -> Path:
    """A PNG whose pixels are all on or off in each channel, so many of them on: sharp, and light enough."""
    rng = np.random.default_rng(len(path.name))
    shares = (red, green, 0.5)
    pixels = np.stack([rng.permutation(np.arange(size[0] * size[1]) < share * size[0] * size[1]) for share in shares])
    image = (pixels.reshape(3, *size).transpose(1, 2, 0) * 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_picture(folder / "one" / "dented.png", red=0.6, green=0.1)
    write_picture(folder / "one" / "dirty.png", red=0.05, green=0.7)
    write_picture(folder / "two" / "dirty and doubtful.png", red=0.2, green=0.8)
    write_picture(folder / "two" / "fine.png", red=0.05, green=0.2)
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(folder / "two" / "blurred.png")
    (folder / "two" / "broken.jpg").write_bytes(b"\xff\xd8 cut short")
    return folder


@pytest.fixture(scope="module")
def predict(home: Path) -> Predict:
    def run(
        *arguments: object, models: tuple[str, ...] = ("damage_detector@champion", "cleanliness_classifier")
    ) -> Result:
        chosen = [part for model in models for part in ("--model", model)]
        return CliRunner().invoke(predict_command, [*chosen, "--home", str(home), *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def out(predict: Predict, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one prediction on all pictures."""
    out = tmp_path_factory.mktemp("results") / "out"
    result = predict("--images", pictures, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    return out


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def statuses(out: Path) -> dict[str, str]:
    return {Path(row["car"]).name: row["status"] for row in rows(out / "cars.csv")}


def test_each_picture_is_told_with_its_objects_and_likeliest_class(out: Path) -> None:
    dented = [row for row in rows(out / "predictions.csv") if row["image"].endswith("dented.png")]
    told = [(row["kind"], row["class_name"], round(float(row["score"]), 2)) for row in dented]
    assert told == [("object", "dent", 0.6), ("tag", "clean", 0.9)]
    assert [dented[0][side] for side in ("left", "top", "right", "bottom")] == ["27.5", "33.8", "52.5", "46.2"]
    assert dented[0]["model"] == "damage_detector@3"


def test_a_car_needs_repair_or_a_wash_or_nothing_or_cannot_be_judged(out: Path) -> None:
    assert statuses(out) == {
        "dented.png": "needs repair",
        "dirty.png": "wash",
        "dirty and doubtful.png": "not assessable",
        "fine.png": "fine",
        "blurred.png": "not assessable",
    }


def test_a_folder_of_pictures_can_be_one_car(out: Path, predict: Predict, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    assert predict("--images", pictures, "--out", tmp_path / "out", "--car", "folder").exit_code == 0
    assert statuses(tmp_path / "out") == {"one": "needs repair", "two": "not assessable"}


def test_what_cannot_be_decoded_is_told_and_left_out(out: Path) -> None:
    skipped = json.loads((out / "metadata.json").read_text())["skipped"]
    assert [Path(name).name for name in skipped] == ["broken.jpg"]
    assert "no picture" in next(iter(skipped.values()))


def test_charts_grid_and_annotated_pictures_are_pictures(out: Path) -> None:
    drawn = [*out.glob("*.png"), *(out / "individual").iterdir()]
    assert len(drawn) == 2 + 5
    for path in drawn:
        with Image.open(path) as opened:
            opened.load()


def test_a_rerun_predicts_nothing_again_and_writes_the_same(out: Path, predict: Predict, pictures: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    before = files()
    told = json.loads(predict("--images", pictures, "--out", out, "--json").stdout)
    assert told["seen_now"] == 0
    assert files() == before


def test_a_killed_prediction_goes_on_where_it_was(out: Path, predict: Predict, pictures: Path, tmp_path: Path) -> None:
    killed = tmp_path / "out"
    shutil.copytree(out, killed)
    lines = (killed / ".seen.jsonl").read_bytes().splitlines(keepends=True)
    (killed / ".seen.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    (killed / "metadata.json").unlink()
    told = json.loads(predict("--images", pictures, "--out", killed, "--json").stdout)
    assert told["seen_now"] == 5 - 2
    assert (killed / "predictions.csv").read_bytes() == (out / "predictions.csv").read_bytes()


def test_another_threshold_begins_anew(out: Path, predict: Predict, pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "out"
    shutil.copytree(out, other)
    told = json.loads(predict("--images", pictures / "one", "--out", other, "--threshold", "0.7", "--json").stdout)
    assert (told["seen_now"], told["objects"]) == (2, {})
    assert len(list((other / "individual").iterdir())) == 2


def test_one_model_alone_tells_no_status(predict: Predict, pictures: Path, tmp_path: Path) -> None:
    result = predict("--images", pictures, "--out", tmp_path / "out", "--json", models=("damage_detector@champion",))
    assert json.loads(result.stdout)["cars"] == {}
    assert not (tmp_path / "out" / "cars.csv").exists()


def test_samples_are_as_many_as_asked_for(predict: Predict, pictures: Path, tmp_path: Path) -> None:
    result = predict(
        "--images", pictures / "one", pictures / "two" / "f*.png", "--out", tmp_path / "out", "--max-samples", "2"
    )
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out" / "individual").iterdir())) == 2


def test_every_few_frames_of_a_video_are_one_car(predict: Predict, tmp_path: Path) -> None:
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (80, 80))
    frame = cv2.imread(str(write_picture(tmp_path / "frame.png", red=0.6, green=0.1)))
    for _ in range(12):
        writer.write(frame)
    writer.release()
    for seen_now in (3, 0):
        result = predict("--images", path, "--out", tmp_path / "out", "--every", "5", "--json")
        assert json.loads(result.stdout)["seen_now"] == seen_now
    found = [row["frame"] for row in rows(tmp_path / "out" / "predictions.csv") if row["kind"] == "object"]
    assert found == ["0", "5", "10"]
    assert statuses(tmp_path / "out") == {"walk.avi": "needs repair"}


def test_two_models_of_one_task_are_refused(predict: Predict, pictures: Path, tmp_path: Path) -> None:
    result = predict(
        "--images", pictures, "--out", tmp_path / "out", models=("damage_detector", "damage_detector@champion")
    )
    assert isinstance(result.exception, BadInput)
    assert "same task" in str(result.exception)


def test_a_folder_of_other_things_is_not_written_into(predict: Predict, pictures: Path) -> None:
    result = predict("--images", pictures / "one", "--out", pictures)
    assert isinstance(result.exception, BadInput)


def test_images_that_are_not_there_are_told(predict: Predict, tmp_path: Path) -> None:
    result = predict("--images", tmp_path / "nothing*", "--out", tmp_path / "out")
    assert isinstance(result.exception, BadDataset)


def test_a_pickled_checkpoint_is_refused_with_its_digest(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"anything")
    asked = ["--checkpoint", tmp_path / "best.pt", "--images", pictures, "--out", tmp_path / "out"]
    result = CliRunner().invoke(predict_command, list(map(str, asked)))
    assert isinstance(result.exception, UntrustedCheckpoint)
    assert "--trust " in str(result.exception)


def seen(*objects: Found, dirty: float = 0.0, visibility: Visibility = SHARP) -> Seen:
    return Seen("ab" * 32, None, 100, 80, objects, {"clean": 1 - dirty, "dirty": dirty}, visibility)


DENT = Found("dent", (1.0, 1.0, 9.0, 9.0), 0.8, sure=True)
DARK = Visibility(light=10.0, glare=0.0, sharpness=5.0)


def test_damage_on_one_picture_of_many_is_enough() -> None:
    assert judge("a", [seen(), seen(DENT), seen(dirty=0.9)], Limits()).status == "needs repair"


def test_pictures_that_say_nothing_are_left_out_with_their_reason() -> None:
    verdict = judge("a", [seen(), seen(DENT, visibility=DARK)], Limits())
    assert (verdict.status, verdict.reason) == (
        "fine",
        "clean, no damage found; 1 of 2 pictures left out: too dark",
    )
    assert judge("a", [seen(DENT, visibility=DARK)], Limits()).reason == "too dark"


def test_exports_answer_what_their_models_do(
    home: Path, pictures: Path, predict: Predict, out: Path, tmp_path: Path
) -> None:
    forms: dict[str, Format] = {"damage_detector": "openvino", "cleanliness_classifier": "onnx"}
    given = [part for name, form in forms.items() for part in ("--checkpoint", write_export(home, name, form))]
    result = predict(*given, "--images", pictures, "--out", tmp_path / "out", "--max-samples", "0", models=())
    assert result.exit_code == 0, result.output

    assert (tmp_path / "out" / "predictions.csv").read_text() == (out / "predictions.csv").read_text()
    told = json.loads((tmp_path / "out" / "metadata.json").read_text())["models"]
    assert [model["format"] for model in told] == list(forms.values())


def test_an_export_whose_files_were_changed_is_refused(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    shutil.copytree(write_export(home, "damage_detector", "openvino"), folder)
    assert find_export(folder / "model.xml") == find_export(folder)
    assert find_export(tmp_path) is None
    (folder / "model.bin").write_bytes(b"others")

    with pytest.raises(TamperedBundle, match=r"model\.bin"):
        find_export(folder)


def write_export(home: Path, name: str, form: Format) -> Path:
    """The folder of a published model's export, made once and not measured."""
    bundle = read_bundle(home / "bundles", read_pointer(home / "bundles", name) or "")
    told = export_bundle(bundle, form, home / "bundles", Material(), tell=lambda _: None)
    return Path(told["folder"])
