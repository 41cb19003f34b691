"""Exports of a model whose answers are known, and of a small network of timm's."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.taxonomy import Category, Taxonomy
from tests.training.mixing import write_mixing_graph
from training.bundle import Bundle, BundleSpec, file_sha256, read_bundle, write_bundle
from training.errors import BadBundle, CannotExport, UntrustedCheckpoint
from training.exporting import child
from training.exporting.children import run_child
from training.exporting.export import Material, export_bundle
from training.exporting.formats import Format
from training.exporting.outside import open_outside
from training.exporting.parity import agrees, compare
from training.exporting.runners import ScriptGraph
from training.jobs import JOB_FILE, WEIGHTS_FILE, ClassifierJob
from training.predicting.opening import open_checkpoint
from training.predictors import ClassScore, Detection
from training.settings import ClassifierSettings

SIZE = 32


def silent(_: str) -> None: ...


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A detector that finds a dent as likely as a picture is red."""
    folder = tmp_path_factory.mktemp("bundles")
    weights = np.zeros((3, 6))
    weights[0, 5] = 1
    graph = write_mixing_graph(folder / "model.onnx", weights, [16, 16, 10, 8, 0, 0], size=SIZE, anchors=True)
    spec = BundleSpec(
        task="detector", model="damage_detector", version="3", class_names=("hood", "dent"), image_size=SIZE
    )
    return read_bundle(folder, write_bundle(folder, spec, graph))


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Four pictures, three of them red enough."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for red in (20, 90, 160, 230):
        paths.append(folder / f"{red}.png")
        Image.fromarray(np.full((40, 30, 3), (red, 90, 10), np.uint8)).save(paths[-1])
    return Material(images=paths)


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_an_export_answers_as_the_bundle_does(form: Format, bundle: Bundle, material: Material, tmp_path: Path) -> None:
    told = export_bundle(bundle, form, tmp_path, material, tell=silent)
    assert (told["agrees"], told["parity"]["agreement"], told["parity"]["objects"]) == (True, 1.0, 3)
    assert told["parity"]["max_box_difference"] == 0
    assert told["images_per_second"]["export"]["median"] > 0
    assert (told["bundle"], told["calibration_images"]) == (bundle.digest, 0)
    assert json.loads((Path(told["folder"]) / "manifest.json").read_text())["files"] == told["files"]


def test_the_same_export_is_made_once(bundle: Bundle, material: Material, tmp_path: Path) -> None:
    first = export_bundle(bundle, "openvino", tmp_path, material, tell=silent)
    doings: list[str] = []
    assert export_bundle(bundle, "openvino", tmp_path, material, tell=doings.append) == first
    assert doings == []


@pytest.mark.parametrize(
    ("form", "needs", "is_possible"),
    [
        ("openvino-int8", "nncf", find_spec("nncf") is not None),
        ("torchscript", "trained weights", False),
        ("tensorrt", "NVIDIA GPU", shutil.which("nvidia-smi") is not None),
    ],
)
def test_what_a_format_lacks_is_said_and_nothing_left(
    form: Format, needs: str, is_possible: bool, bundle: Bundle, material: Material, tmp_path: Path
) -> None:
    if is_possible:
        pytest.skip(f"{form} can be made here")
    with pytest.raises(CannotExport, match=needs):
        export_bundle(bundle, form, tmp_path, replace(material, calibration=material.images), tell=silent)
    assert not list(tmp_path.iterdir())


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(CannotExport, match="FileNotFoundError"):
        run_child("torchscript", tmp_path, "2", "32", tmp_path / "model.torchscript")


def test_torchscript_answers_as_the_trained_network(tmp_path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=2)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / WEIGHTS_FILE)
    taxonomy = Taxonomy(categories=(Category(name="clean", kind="tag"), Category(name="dirty", kind="tag")))
    settings = ClassifierSettings(model="test_resnet", image_size=SIZE)
    job = ClassifierJob(dataset=tmp_path, taxonomy=taxonomy, store=tmp_path, out=tmp_path, settings=settings)
    (tmp_path / JOB_FILE).write_text(job.model_dump_json())
    squares = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    np.save(tmp_path / "squares.npy", squares)

    child.torchscript(tmp_path, 2, SIZE, tmp_path / "model.torchscript")
    told = child.run(tmp_path, 2, tmp_path / "squares.npy", tmp_path / "answers.npz")

    script = ScriptGraph(tmp_path / "model.torchscript", SIZE)
    answers = [outputs[0] for _, outputs in script.stream(enumerate(squares))]
    np.testing.assert_allclose(answers, np.load(tmp_path / "answers.npz")["arr_0"], atol=1e-5)
    assert (script.output_shapes, len(told["images_per_second"])) == ([(1, 2)], 3)


def dent(left: float, score: float, name: str = "dent") -> Detection:
    return Detection(name, (left, 10.0, left + 20, 30.0), score)


def test_parity_counts_what_only_one_finds() -> None:
    before = [[dent(10, 0.9), dent(60, 0.4)], [dent(10, 0.5)]]
    after = [[dent(12, 0.8)], [dent(10, 0.5, "hood")]]
    found = compare(before, after)
    assert (found.images, found.objects, found.agreement) == (2, 4, 0.25)
    assert (found.max_box_difference, round(found.max_score_difference, 6)) == (2.0, 0.1)


def test_parity_of_classifiers_is_their_likeliest_class() -> None:
    before = [
        [ClassScore("clean", 0.8), ClassScore("dirty", 0.2)],
        [ClassScore("dirty", 0.51), ClassScore("clean", 0.49)],
    ]
    after = [
        [ClassScore("clean", 0.7), ClassScore("dirty", 0.3)],
        [ClassScore("clean", 0.55), ClassScore("dirty", 0.45)],
    ]
    found = compare(before, after)
    assert (found.agreement, found.max_box_difference) == (0.5, None)
    assert found.max_score_difference == pytest.approx(0.1)


def test_an_export_that_answers_otherwise_is_accepted_for_what_it_costs() -> None:
    found = compare([[dent(10, 0.9)]], [[dent(10, 0.8)]])
    assert not agrees(found)
    assert agrees(found, costs=0.01)
    assert not agrees(found, costs=0.05)


def test_a_bundle_is_opened_under_any_name_and_another_folder_refused(bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(bundle.folder, tmp_path / "copy")
    assert open_checkpoint(tmp_path / "copy").digest == bundle.digest
    with pytest.raises(BadBundle, match="no model"):
        open_checkpoint(tmp_path)


def test_a_pickled_checkpoint_is_opened_for_its_own_digest_alone(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"anything")
    sha256 = file_sha256(tmp_path / "best.pt")
    with pytest.raises(UntrustedCheckpoint, match=f"--trust {sha256}"):
        open_outside(tmp_path / "best.pt", tmp_path / "outside", trust=None)
    with pytest.raises(UntrustedCheckpoint, match=f"has SHA-256 {sha256}, not"):
        open_outside(tmp_path / "best.pt", tmp_path / "outside", trust="0" * 64)
    assert not (tmp_path / "outside").exists()
