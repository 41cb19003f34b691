"""`carloop model` on a home with a constant detector and two classifiers that look at how green a picture is."""

import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from threading import Event
from time import monotonic
from typing import Any

import pytest
from click.testing import CliRunner

from datasets.errors import BadDataset, BadInput
from datasets.files import read_json
from datasets.labelled import tag
from datasets.ledger import Ledger, Prelabel
from datasets.review import fates_of_job
from nuclio_functions.handler import MODEL_HEADER, answer
from nuclio_functions.published import PublishedModel
from pipelines.champions import with_champions
from pipelines.dataset.cli import dataset
from pipelines.modelling.cli import model
from pipelines.modelling.place import find_place
from pipelines.results import ModelResult, RoundResult
from tests.pipelines.modelling.green_cars import CARS, NAME
from training.bundle import read_pointer
from training.bundle_stores import open_bundles
from training.errors import NoSuchModel, NotComparable
from training.promotion import promote, roll_back, was_rolled_back

LOGGER = logging.getLogger("function")


@pytest.fixture(scope="module")
def home(new_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that tests change together."""
    return copytree(new_home, tmp_path_factory.mktemp("homes") / "home")


def run(home: Path, *arguments: object, fails: bool = False) -> Any:
    """What a command told as JSON; the exit code if it `fails`."""
    result = CliRunner().invoke(model, [*map(str, arguments), "--home", str(home), "--json"], catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    return json.loads(result.stdout)


def test_models_are_promoted_rolled_back_and_listed(home: Path) -> None:
    assert run(home, "promote", f"{NAME}@1", "--dry-run")["promoted"]
    assert run(home, "list")[NAME]["aliases"] == {"challenger": "3"}, "a dry run changes nothing"
    assert "no champion yet" in run(home, "promote", f"{NAME}@1")["reasons"][0]

    better = run(home, "promote", f"{NAME}@2")
    assert better["promoted"]
    assert better["comparison"]["overall"]["gain"]["value"] == pytest.approx(1.0)
    assert run(home, "promote", f"{NAME}@2")["reasons"] == [f"{NAME}@2 is the champion already"]
    alike = run(home, "promote", f"{NAME}@3", fails=True)
    assert not alike["promoted"]
    assert "the champion stays" in alike["reasons"][0]

    assert run(home, "rollback", NAME, "--reason", "trying")["champion"] == f"{NAME}@1"

    place = find_place(home, None)
    champion = place.registry.champion(NAME)
    assert champion is not None
    assert champion.version == "1"
    assert read_pointer(place.bundles, NAME) == champion.bundle
    told = run(home, "list")[NAME]
    assert [turn["event"] for turn in told["history"]] == ["promoted", "promoted", "rolled back"]
    assert told["history"][-1]["reason"] == "trying"
    assert "the champion stays" in told["versions"][2]["decision"]


def test_an_evaluation_is_written_once_and_recomputed(home: Path) -> None:
    first = run(home, "evaluate", f"{NAME}@2", "--resamples", "50")
    report = Path(first["folder"]) / "report.json"
    written = report.stat().st_mtime_ns

    assert first["overall"]["macro_f1"]["value"] == 1
    assert run(home, "evaluate", f"{NAME}@2", "--resamples", "50") == first
    assert report.stat().st_mtime_ns == written
    assert run(home, "evaluate", "--from", first["folder"]) == first
    assert {**read_json(report), "folder": first["folder"]} == first
    with pytest.raises(BadInput, match="another resamples"):
        run(home, "evaluate", f"{NAME}@2", "--resamples", "60", "--out", first["folder"])


def test_a_running_function_follows_promotion_and_rollback_without_losing_a_request(own_home: Path) -> None:
    store = open_bundles(str(own_home / "bundles"), cache=own_home / "cache")
    picture = next((own_home / "datasets/store/images").glob("*/*.png")).read_bytes()
    body = {"image": base64.b64encode(picture).decode()}
    assert run(own_home, "promote", f"{NAME}@1")["promoted"]
    models = [PublishedModel(store, NAME, LOGGER)]
    seen: list[tuple[int, str]] = []
    stop = Event()

    def ask() -> str:
        status, _, headers = answer(models, body, LOGGER)
        seen.append((status, headers[MODEL_HEADER]))
        return headers[MODEL_HEADER]

    def ask_until(name: str) -> None:
        deadline = monotonic() + 20
        while ask() != name:
            assert monotonic() < deadline, f"{name} was never served"

    def ask_on() -> None:
        while not stop.wait(0.005):
            ask()

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask_on)
        try:
            ask_until(f"{NAME}@1")
            assert run(own_home, "promote", f"{NAME}@2")["promoted"]
            ask_until(f"{NAME}@2")
            assert run(own_home, "rollback", NAME)["champion"] == f"{NAME}@1"
            ask_until(f"{NAME}@1")
        finally:
            stop.set()
        asking.result()
    assert set(seen) == {(200, f"{NAME}@1"), (200, f"{NAME}@2")}


def test_how_much_a_seed_does_is_told_from_trainings_that_differ_by_it_alone(home: Path) -> None:
    found = run(home, "spread", f"{NAME}@1", f"{NAME}@2", f"{NAME}@3")

    assert list(found["values"].values()) == [0.0, 1.0, 1.0]
    assert found["observed"] == pytest.approx(3**-0.5)
    assert found["spread"] > found["observed"], "three trainings tell it roughly"
    with pytest.raises(NotComparable, match="at least 3"):
        run(home, "spread", f"{NAME}@1", f"{NAME}@2")


def test_pictures_that_were_taken_down_are_not_evaluated_on(own_home: Path) -> None:
    place = find_place(own_home, None)
    version, cars = place.read_version(str(place.registry.find(f"{NAME}@2").test_set))
    gone = cars.images[0]
    takedown = ["takedown", "--hash", gone.sha256, "--delete", "--home", str(own_home), "--json"]
    told = json.loads(CliRunner().invoke(dataset, takedown, catch_exceptions=False).stdout)

    report = run(own_home, "evaluate", f"{NAME}@2", "--resamples", "50")

    assert report["images"] == len(cars.images) - 1
    assert report["test_set"] == told["replacements"][version]
    assert not [path for path in Path(report["folder"]).glob("*.json") if gone.sha256 in path.read_text()]


def test_a_round_goes_on_from_the_champion_that_a_rollback_left(own_home: Path) -> None:
    place = find_place(own_home, None)
    registry, now = place.registry, datetime(2026, 1, 2, tzinfo=UTC)
    for number in (1, 2):
        promote(registry, registry.find(f"{NAME}@{number}"), place.bundles, now=now)
    second = ModelResult(champion=f"{NAME}@2", bundle="2" * 64, reason="")
    previous = RoundResult.model_construct(number=1, models={NAME: second})

    def champion() -> ModelResult:
        found = with_champions(previous, registry, "run", number=2)
        assert found is not None
        return found.models[NAME]

    assert champion() == second
    roll_back(registry, NAME, place.bundles, now=now)
    assert champion().champion == f"{NAME}@1"
    assert champion().bundle == registry.find(f"{NAME}@1").bundle
    assert was_rolled_back(registry, registry.find(f"{NAME}@2"))
    assert not was_rolled_back(registry, registry.find(f"{NAME}@1"))


def test_a_model_tells_what_it_comes_from(home: Path) -> None:
    place = find_place(home, None)
    version, cars = place.read_version(place.registry.find(f"{NAME}@1").dataset)
    shown, other = (image.sha256 for image in cars.images[:2])
    ledger = Ledger(f"sqlite:///{place.ledger.absolute()}")
    stored = [Prelabel(shown, f"{NAME}@1", tag("dirty", score=0.9))]
    ledger.write_prelabels(7, stored)
    ledger.write_fates(7, fates_of_job([shown, other], [(shown, tag("dirty")), (other, tag("clean"))], stored))
    ledger.close()

    told = run(home, "show", f"{NAME}@1")

    assert (told["dataset"], told["images"], told["licenses"]) == (version, 2 * CARS, {"CC0-1.0": 2 * CARS})
    assert told["cvat_jobs"] == ["7"]
    assert told["labels"] == {"accepted": 1, "added": 1}
    assert told["prelabels"] == {"accepted": 1}


def test_a_test_set_that_was_learnt_from_or_drawn_on_is_refused(home: Path) -> None:
    place = find_place(home, None)
    train = place.registry.find(f"{NAME}@3").dataset
    ledger = Ledger(f"sqlite:///{place.ledger.absolute()}")
    shown = place.read_version(train)[1].images[0].sha256
    ledger.write_fates(8, fates_of_job([shown], [], [Prelabel(shown, f"{NAME}@1", tag("dirty", score=0.9))]))
    ledger.close()

    refused = run(home, "promote", f"{NAME}@3", "--on", train, fails=True)

    assert "test frames were pre-labelled" in refused["reasons"][0]
    assert f"shares {2 * CARS} of {2 * CARS} images with what the challenger was trained on" in refused["reasons"][1]


def test_what_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchModel, match="there are cleanliness_classifier"):
        run(home, "show", "damage_detector@1")
    with pytest.raises(BadDataset, match="carloop dataset list"):
        run(home, "evaluate", f"{NAME}@1", "--on", "absent")
    with pytest.raises(BadInput, match="no run of the loop"):
        run(home, "list", "--run", tmp_path)
    assert CliRunner().invoke(model, ["evaluate"]).exit_code == 2
