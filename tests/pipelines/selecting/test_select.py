"""`carloop select`: what is looked at, what is written, and what is refused."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from datasets.coco import Dataset, make_dataset
from datasets.errors import BadDataset, BadInput
from datasets.importing.truth import read_truth
from datasets.selecting.pool import Found
from datasets.taxonomy import DEFAULT_TAXONOMY
from datasets.versions import read_version, write_version
from pipelines.project import Project
from pipelines.selecting.features import Embedder
from pipelines.selecting.looking import to_found, to_probabilities
from pipelines.selecting.simulation import SimulationSettings, open_simulation
from pipelines.shelf import Shelf
from tests.pipelines.selecting.conftest import publish_models, select
from training.bundle import read_bundle
from training.predictors import ClassScore, Detection

LABELLED = 6


@pytest.fixture(scope="module")
def home(truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with models and a version `cars`, in which six images of the train side are labelled."""
    home = tmp_path_factory.mktemp("home")
    project = Project()
    photographs = read_truth(truth, project.taxonomy, project.truth)
    simulation = open_simulation(project, truth, photographs, home, SimulationSettings(seed_images=2, budget=2))
    train, shelf = simulation.train, Shelf(home)
    with shelf.store.batch() as batch:
        stored = {
            image.sha256: batch.write_image((truth / image.file_name).read_bytes()).file_name
            for image in (*train.images, *simulation.test.images)
        }
    known = {image.sha256 for image in train.images[:LABELLED]}
    images = [
        replace(image, file_name=stored[image.sha256], **({} if image.sha256 in known else NOTHING_KNOWN))
        for image in (*train.images, *simulation.test.images)
    ]
    annotations = [annotation for annotation in train.annotations if annotation.sha256 in known]
    version = write_version(make_dataset(DEFAULT_TAXONOMY, images, annotations), shelf.versions)
    shelf.write_name("cars", version)
    publish_models(home / "bundles", tmp_path_factory.mktemp("graphs"))
    return home


NOTHING_KNOWN = {"tags": (), "neg_category_ids": ()}


def waiting(home: Path) -> Dataset:
    dataset = Shelf(home).read("cars")
    return dataset.only(
        image.sha256
        for image in dataset.images
        if image.split == "train" and not dataset.known_category_ids(image.sha256)
    )


def test_images_are_chosen_explained_and_written_as_json_table_and_page(home: Path) -> None:
    done = select("cars", "--budget", 5, "--home", home, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    chosen = [image["sha256"] for image in told["images"]]
    assert len(set(chosen)) == 5
    assert set(chosen) <= waiting(home).by_sha256.keys()
    assert len({image["family"] for image in told["images"]}) == 5
    assert all(image["reason"] for image in told["images"])
    assert told["notes"] == ["disagreement is left out: there are no challenger's answers"]
    assert told["labelled_images"] == LABELLED
    folder = Path(told["folder"])
    with (folder / "selection.csv").open(newline="") as handle:
        assert [row["sha256"] for row in csv.DictReader(handle)] == chosen
    assert (folder / "selection.html").read_text().count("data:image/jpeg") == 5


def test_the_same_command_again_finds_what_it_chose(home: Path) -> None:
    first, second = (select("cars", "--budget", 4, "--home", home, "--json") for _ in range(2))
    assert first.stdout == second.stdout
    assert "look at" in first.stderr
    assert "look at" not in second.stderr


def test_a_named_selection_is_a_version_of_the_chosen_images_alone(home: Path) -> None:
    told = json.loads(select("cars", "--budget", 3, "--name", "next", "--home", home, "--json").stdout)
    version = read_version(Shelf(home).versions, told["version"])
    assert version.by_sha256.keys() == {image["sha256"] for image in told["images"]}
    assert Shelf(home).names()["next"] == told["version"]


def test_a_person_is_told_the_page_and_the_first_reasons(home: Path) -> None:
    done = select("cars", "--budget", 2, "--strategy", "diversity", "--home", home)
    assert "selection.html" in done.stdout
    assert "from the nearest image labelled or chosen" in done.stdout


def test_without_models_a_strategy_that_needs_them_is_refused_and_random_is_not(home: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "datasets").symlink_to(home / "datasets")
    refused = select("cars", "--budget", 2, "--strategy", "uncertainty", "--home", bare)
    assert isinstance(refused.exception, BadInput)
    assert "no model's answers to look at" in str(refused.exception)
    assert select("cars", "--budget", 2, "--strategy", "random", "--home", bare).exit_code == 0


def test_images_that_another_version_labels_are_not_chosen(home: Path) -> None:
    shelf, left = Shelf(home), waiting(home)
    labelled = [replace(image, neg_category_ids=(1,)) for image in left.images[2:]]
    shelf.write_name("more", write_version(make_dataset(left.taxonomy, labelled, ()), shelf.versions))
    told = json.loads(select("cars", "--labelled", "more", "--budget", 1, "--home", home, "--json").stdout)
    assert told["waiting_images"] == 2
    assert told["images"][0]["sha256"] in {image.sha256 for image in left.images[:2]}


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("cars", "--budget", 999), BadInput, "the budget is 999 images but only"),
        (("trucks", "--budget", 1), BadDataset, "trucks is no dataset version here"),
    ],
)
def test_what_cannot_be_is_told(home: Path, arguments: tuple[object, ...], error: type, sentence: str) -> None:
    done = select(*arguments, "--home", home)
    assert isinstance(done.exception, error)
    assert sentence in str(done.exception)


def test_an_unknown_strategy_is_a_usage_error_that_lists_the_known(home: Path) -> None:
    done = select("cars", "--budget", 1, "--strategy", "entropie", "--home", home)
    assert done.exit_code == 2
    assert "uncertainty" in done.stderr


@pytest.mark.parametrize(("task", "numbers"), [("classifier", 12), ("detector", 16)])
def test_a_picture_is_embedded_by_what_goes_into_the_head_or_by_the_coarsest_widest_map(
    tmp_path: Path, task: str, numbers: int
) -> None:
    folder = publish_models(tmp_path / "bundles", tmp_path)[task]
    embedder = Embedder(read_bundle(folder.parent, folder.name))
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 255, (48, 80, 3), dtype=np.uint8) for _ in range(2))
    assert embedder.embed(one).shape == (numbers,)
    assert np.array_equal(embedder.embed(one), embedder.embed(one))
    assert not np.allclose(embedder.embed(one), embedder.embed(other))


def test_answers_are_arrays_in_the_order_of_all_models_classes() -> None:
    found = to_found([Detection("hood", (1, 2, 3, 4), 0.5)], ("dent", "hood"))
    assert isinstance(found, Found)
    assert found.class_ids.tolist() == [1]
    assert to_found([], ("dent",)).boxes_xyxy.shape == (0, 4)
    scores = [ClassScore("dirty", 0.7), ClassScore("clean", 0.3)]
    assert to_probabilities(scores, ("clean", "dirty", "wet")).tolist() == [0.3, 0.7, 0.0]


def test_a_selection_is_the_same_bytes_wherever_it_is_made(home: Path) -> None:
    told = json.loads(select("cars", "--budget", 6, "--home", home, "--json").stdout)
    first = hashlib.sha256((Path(told["folder"]) / "selection.json").read_bytes()).hexdigest()
    for path in Path(told["folder"]).iterdir():
        path.unlink()
    Path(told["folder"]).rmdir()
    again = json.loads(select("cars", "--budget", 6, "--home", home, "--json").stdout)
    assert hashlib.sha256((Path(again["folder"]) / "selection.json").read_bytes()).hexdigest() == first
