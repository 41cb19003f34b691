"""`carloop model export` of a bundle's folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipelines.modelling.export import _FORMATS, export
from tests.training.mixing import write_mixing_graph
from training.bundle import BundleSpec, write_bundle
from training.errors import CannotExport
from training.exporting.formats import FORMATS

SIZE = 32


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    """The command for a classifier that finds dirt as likely as a picture is green, on one picture."""
    weights = np.zeros((3, 2))
    weights[1] = (-1, 1)
    graph = write_mixing_graph(tmp_path / "model.onnx", weights, [1, 0], size=SIZE, anchors=False)
    spec = BundleSpec(
        task="classifier",
        model="cleanliness_classifier",
        version="1",
        class_names=("clean", "dirty"),
        image_size=SIZE,
    )
    bundle = tmp_path / write_bundle(tmp_path, spec, graph)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((40, 40, 3), (0, 200, 0), np.uint8)).save(picture)
    return [str(bundle), "--home", str(tmp_path / "home"), "--images", str(picture)]


def test_an_export_is_told_with_its_parity_and_lies_beside_the_bundles(asked: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(export, [*asked, "--format", "openvino", "--json"])
    assert result.exit_code == 0, result.output
    (told,) = json.loads(result.stdout)
    assert (told["format"], told["agrees"], told["parity"]["images"]) == ("openvino", True, 1)
    assert Path(told["folder"]).parent == tmp_path / "home" / "bundles" / "exports"
    assert {path.name for path in Path(told["folder"]).iterdir()} == {"manifest.json", "model.bin", "model.xml"}


def test_a_format_that_the_model_lacks_something_for_is_a_sentence(asked: list[str]) -> None:
    result = CliRunner().invoke(export, [*asked, "--format", "torchscript"])
    assert isinstance(result.exception, CannotExport)


def test_the_command_knows_every_format() -> None:
    assert _FORMATS == FORMATS
