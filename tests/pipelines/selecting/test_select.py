"""`carloop select`: what is looked at, what is written, and what is refused."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from datasets.coco import Dataset, Tag, make_dataset
from datasets.decisions import Decision, write_decisions
from datasets.errors import BadDataset, BadInput
from datasets.importing.truth import read_truth
from datasets.selecting.pool import Found
from datasets.taxonomy import DEFAULT_TAXONOMY, Taxonomy
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


def test_a_selection_is_made_anew_when_the_same_images_are_labelled_otherwise(home: Path) -> None:
    shelf, left = Shelf(home), waiting(home)
    for category_id, name in enumerate(("dents", "scratches"), start=1):
        images = [replace(image, tags=(Tag(category_id),)) for image in left.images[4:]]
        shelf.write_name(name, write_version(make_dataset(left.taxonomy, images, ()), shelf.versions))

    folders = {chosen(home, 3, "--labelled", name)["folder"] for name in ("dents", "scratches", "dents")}

    assert len(folders) == 2


def test_a_version_of_other_classes_is_no_witness_of_what_is_labelled(home: Path) -> None:
    shelf, left = Shelf(home), waiting(home)
    fewer = Taxonomy(categories=left.taxonomy.categories[1:])
    images = [replace(image, **NOTHING_KNOWN) for image in left.images]
    shelf.write_name("fewer", write_version(make_dataset(fewer, images, ()), shelf.versions))
    done = select("cars", "--labelled", "fewer", "--budget", 1, "--home", home)
    assert isinstance(done.exception, BadInput)
    assert f"fewer has other classes than what is chosen from ({left.taxonomy.categories[0].name})" in str(
        done.exception
    )


Decide = Callable[[dict[str, Decision]], None]


@pytest.fixture
def decide(home: Path) -> Iterator[Decide]:
    """Keeps what reviewers decided, for the test alone."""
    path = Shelf(home).decisions
    yield lambda decisions: write_decisions(path, decisions)
    path.unlink(missing_ok=True)


def chosen(home: Path, budget: int, *arguments: object) -> dict[str, Any]:
    done = select("cars", "--budget", budget, *arguments, "--home", home, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    return {**told, "chosen": [image["sha256"] for image in told["images"]]}


@pytest.mark.parametrize("strategy", ["mix", "random"])
def test_what_reviewers_excluded_is_not_chosen(home: Path, decide: Decide, strategy: str) -> None:
    first = chosen(home, 4, "--strategy", strategy)["chosen"]
    decide({first[0]: Decision(marks=("exclude",))})

    again = chosen(home, 4, "--strategy", strategy, "--name", "next")

    assert len(again["chosen"]) == 4
    assert first[0] not in again["chosen"]
    assert first[0] not in read_version(Shelf(home).versions, again["version"]).by_sha256
    assert "reviewers excluded 1 of the images that nobody has labelled" in again["notes"]


@pytest.mark.parametrize("strategy", ["mix", "random"])
def test_an_image_s_place_is_divided_by_its_rating(home: Path, decide: Decide, strategy: str) -> None:
    asked = ("--strategy", strategy, "--seed", 3)
    ranked = chosen(home, 5, *asked)["chosen"]
    decide({ranked[0]: Decision(quality=1), ranked[4]: Decision(quality=5)})

    weighed = chosen(home, 3, *asked)

    assert weighed["chosen"] == [ranked[1], ranked[0], ranked[2]]
    decide({ranked[4]: Decision(quality=5)})
    assert chosen(home, 4, *asked)["chosen"] == [*ranked[:3], ranked[4]]
    assert "reviewers rated it 1" in weighed["images"][1]["reason"]


def test_gold_images_and_notes_change_nothing(home: Path, decide: Decide) -> None:
    first = chosen(home, 4)
    decide({first["chosen"][0]: Decision(marks=("gold",), notes="fine")})

    assert chosen(home, 4) == first


def test_where_reviewers_excluded_too_many_all_others_are_chosen_and_it_is_told(home: Path, decide: Decide) -> None:
    families = {image.family: image.sha256 for image in waiting(home).images}
    kept = sorted(families)[:2]
    decide({i.sha256: Decision(marks=("exclude",)) for i in waiting(home).images if i.family not in kept})

    told = chosen(home, 3)

    assert sorted(image["family"] for image in told["images"]) == kept
    assert told["notes"][0].endswith("which leaves 2 to choose in place of 3")


def test_a_budget_over_what_there_is_is_refused_before_anything_is_looked_at(home: Path) -> None:
    done = select("cars", "--budget", 999, "--home", home)
    assert isinstance(done.exception, BadInput)
    assert "look at" not in done.stderr


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
