import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from datasets.files import digest, read_json, write_json
from datasets.taxonomy import Category, Taxonomy
from training.bundle import BundleSpec, class_names, file_sha256, publish, read_bundle, read_pointer, write_bundle
from training.errors import BadBundle, TamperedBundle

SPEC = BundleSpec(
    task="detector", model="damage_detector", version="3", class_names=("dent", "damaged door"), image_size=224
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "export.onnx"
    path.write_bytes(b"a graph")
    return path


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


def test_a_bundle_is_read_as_it_was_written(bundles: Path, graph: Path) -> None:
    bundle_digest = write_bundle(bundles, SPEC, graph)

    bundle = read_bundle(bundles, bundle_digest)

    assert bundle.name == "damage_detector@3"
    assert bundle.spec.class_names == ("dent", "damaged door")
    assert bundle.model_path.read_bytes() == b"a graph"


def test_the_same_content_is_stored_once(bundles: Path, graph: Path) -> None:
    assert write_bundle(bundles, SPEC, graph) == write_bundle(bundles, SPEC, graph)
    assert len(list(bundles.iterdir())) == 1


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_a_missing_file_is_named(bundles: Path, graph: Path, name: str) -> None:
    bundle_digest = write_bundle(bundles, SPEC, graph)
    (bundles / bundle_digest / name).unlink()

    with pytest.raises(TamperedBundle, match=name):
        read_bundle(bundles, bundle_digest)


def test_a_changed_graph_is_refused(bundles: Path, graph: Path) -> None:
    bundle_digest = write_bundle(bundles, SPEC, graph)
    (bundles / bundle_digest / "model.onnx").write_bytes(b"another graph")

    with pytest.raises(TamperedBundle, match=r"model\.onnx has SHA-256"):
        read_bundle(bundles, bundle_digest)


def test_a_changed_description_is_refused(bundles: Path, graph: Path) -> None:
    bundle_digest = write_bundle(bundles, SPEC, graph)
    path = bundles / bundle_digest / "bundle.json"
    write_json(path, read_json(path) | {"class_names": ["damaged door", "dent"]})

    with pytest.raises(TamperedBundle, match=r"bundle\.json has digest"):
        read_bundle(bundles, bundle_digest)


def test_the_pointer_follows_what_is_published(bundles: Path, graph: Path) -> None:
    assert read_pointer(bundles, "damage_detector") is None
    bundle_digest = write_bundle(bundles, SPEC, graph)

    publish(bundles, "damage_detector", bundle_digest)

    assert read_pointer(bundles, "damage_detector") == bundle_digest
    assert read_pointer(bundles, "cleanliness_classifier") is None


def test_a_pointer_out_of_the_folder_is_refused(bundles: Path, graph: Path) -> None:
    write_bundle(bundles, SPEC, graph)
    publish(bundles, "damage_detector", "../elsewhere")

    with pytest.raises(BadBundle, match="names no bundle"):
        read_pointer(bundles, "damage_detector")


def test_class_names_follow_the_pinned_ids() -> None:
    kinds = {"dent": "rectangle", "clean": "tag", "damaged hood": "rectangle", "dirty": "tag"}
    taxonomy = Taxonomy(categories=tuple(Category.model_validate({"name": n, "kind": k}) for n, k in kinds.items()))

    assert class_names(taxonomy, "detector") == ("dent", "clean", "damaged hood")
    assert class_names(taxonomy, "classifier") == ("clean", "dirty")


def test_serving_needs_no_training_stack() -> None:
    heavy = "{'torch', 'torchvision', 'ultralytics', 'timm', 'mlflow', 'onnx'}"
    code = f"import sys, training.bundle, training.predictors; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_bundles_published_before_there_were_more_fields_keep_their_digest(bundles: Path, graph: Path) -> None:
    then = {
        "task": "detector",
        "model": "damage_detector",
        "version": "3",
        "class_names": ["dent", "damaged door"],
        "image_size": 224,
        "threshold": 0.25,
        "iou_threshold": 0.6,
        "files": {"model.onnx": file_sha256(graph)},
    }

    assert write_bundle(bundles, SPEC, graph) == digest(then)


def test_thresholds_by_class_and_the_shape_are_kept(bundles: Path, graph: Path) -> None:
    spec = SPEC.model_copy(update={"thresholds": {"dent": 0.4}, "shape": "polygon"})

    read = read_bundle(bundles, write_bundle(bundles, spec, graph)).spec

    assert (read.threshold_of("dent"), read.threshold_of("damaged door")) == (0.4, 0.25)
    assert read.shape == "polygon"


def test_a_threshold_for_an_unknown_class_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"thresholds for \['dunt'\]"):
        BundleSpec.model_validate(SPEC.model_dump() | {"thresholds": {"dunt": 0.4}})


@pytest.mark.parametrize("files", [{}, {"model.onnx": "a" * 64, "../model.onnx": "a" * 64}])
def test_a_bundle_without_its_graph_or_with_files_elsewhere_is_refused(
    bundles: Path, graph: Path, files: dict[str, str]
) -> None:
    content = SPEC.model_dump(mode="json") | {"files": files}
    folder = bundles / digest(content)
    folder.mkdir(parents=True)
    write_json(folder / "bundle.json", content)
    (folder / "model.onnx").write_bytes(graph.read_bytes())

    with pytest.raises(BadBundle, match=r"files|lists no model"):
        read_bundle(bundles, folder.name)
