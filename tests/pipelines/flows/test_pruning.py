"""Pruning: what nothing refers to goes, all else stays, whenever it is killed."""

import fcntl
import json
import os
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from datasets.files import write_json
from datasets.ledger import Ledger
from datasets.store import ImageStore
from datasets.versions import write_version
from pipelines.flows import pruning
from pipelines.flows.pruning import Rubbish, prune, totals
from pipelines.flows.upkeep import prune_command
from pipelines.flows.wanted import wanted_bundles, wanted_versions
from pipelines.shelf import Shelf
from tests.pipelines.dataset.helpers import FRONT, PHOTOGRAPHS, REAR, SIDE, invoke, write_coco
from training.registered import RegisteredVersion, Turn

_rmtree = shutil.rmtree
LATER = datetime.now(UTC) + timedelta(days=2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose version has one photograph; another was pushed, and a third is nobody's."""
    home = tmp_path / "home"
    write_coco(tmp_path / "one", {"front.jpg": PHOTOGRAPHS[FRONT]}, [("front.jpg", "dent", [10, 10, 40, 30])])
    assert invoke("import", tmp_path / "one", "--home", home, "--name", "one")[0] == 0
    store = ImageStore(home / "datasets" / "store")
    pushed = store.write_image(PHOTOGRAPHS[SIDE])
    store.write_image(PHOTOGRAPHS[REAR])
    with closing(Ledger(f"sqlite:///{home / 'ledger.sqlite'}", "a server cars")) as ledger:
        ledger.write_frames(1, [pushed.sha256])
    return home


def ledger_of(home: Path) -> str:
    return f"sqlite:///{home / 'ledger.sqlite'}"


def pruned(home: Path, *, dry_run: bool = False, now: datetime = LATER, versions: bool = False) -> list[Rubbish]:
    return prune(home, ledger_url=ledger_of(home), now=now, dry_run=dry_run, versions=versions)


def images(home: Path) -> int:
    return len(list((home / "datasets" / "store" / "images").glob("*/*")))


def test_an_image_that_nothing_has_goes_and_the_others_stay(home: Path) -> None:
    (gone,) = pruned(home)
    assert (gone.kind, gone.bytes) == ("images", len(PHOTOGRAPHS[REAR]))
    assert images(home) == 2
    assert not pruned(home)


def test_a_dry_run_tells_the_same_and_removes_nothing(home: Path) -> None:
    assert totals(pruned(home, dry_run=True)) == {"images": {"number": 1, "bytes": len(PHOTOGRAPHS[REAR])}}
    assert images(home) == 3


def test_what_is_new_stays_for_it_may_be_about_to_be_named(home: Path) -> None:
    assert not pruned(home, now=datetime.now(UTC))


def test_an_image_of_which_a_reviewer_said_something_stays(home: Path) -> None:
    (gone,) = pruned(home, dry_run=True)
    write_json(home / "datasets" / "decisions.json", {gone.path.stem: {"tags": ["exclude"]}})
    assert not pruned(home)


def test_a_version_that_cannot_be_read_stops_it_all(home: Path) -> None:
    annotations = Shelf(home).find("one") / "annotations.json"
    annotations.write_bytes(annotations.read_bytes()[:-50])
    with pytest.raises(Exception, match="annotations"):
        pruned(home)
    assert images(home) == 3


def test_parts_of_killed_processes_go_and_those_that_somebody_writes_stay(home: Path) -> None:
    left, written = home / "datasets" / ".names.json.part", home / "bundles" / ".d1.part"
    left.write_bytes(b"half")
    written.mkdir(parents=True)
    handle = os.open(written, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert left in [one.path for one in pruned(home)]
    assert written.exists()
    assert not left.exists()
    os.close(handle)
    pruned(home)
    assert not written.exists()


def test_weights_of_a_finished_learn_go_and_those_of_one_under_way_stay(home: Path) -> None:
    for key in ("done", "under way"):
        (home / "learn" / key / "models").mkdir(parents=True)
        (home / "learn" / key / "models" / "weights").write_bytes(b"weights")
    write_json(home / "learn" / "done" / "result.json", {})
    assert "trainings that are registered" in totals(pruned(home))
    assert sorted(path.parent.parent.name for path in home.glob("learn/*/models/weights")) == ["under way"]


def test_a_folder_that_was_being_removed_when_killed_is_no_whole_one_and_goes_next_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = home / "learn" / "done" / "models"
    models.mkdir(parents=True)
    (models / "weights").write_bytes(b"weights")
    write_json(models.parent / "result.json", {})

    class Killed(BaseException):
        pass

    def kill(path: Path, **more: object) -> None:
        if not more:
            raise Killed

    monkeypatch.setattr(pruning.shutil, "rmtree", kill)
    with pytest.raises(Killed):
        pruned(home)
    assert not models.exists()
    monkeypatch.setattr(pruning.shutil, "rmtree", _rmtree)
    pruned(home)
    assert [path.name for path in models.parent.iterdir()] == ["result.json"]
    assert Shelf(home).read("one").images


def test_versions_that_nothing_names_go_when_asked_and_their_images_after_them(home: Path) -> None:
    shelf = Shelf(home)
    first = shelf.find("one").name
    made = write_version(shelf.read("one").only([]), shelf.versions, parents=[first])
    shelf.write_name("one", made)

    assert [one.kind for one in pruned(home, versions=True)] == ["images"]
    assert shelf.read(first).images  # the named one was made from it

    shelf.rename({made: first})
    assert [one.kind for one in pruned(home)] == []
    (gone,) = pruned(home, versions=True)
    assert (gone.kind, gone.path.name) == ("dataset versions", made)
    assert [path.name for path in shelf.versions.iterdir()] == [first]


@pytest.mark.parametrize("told_in", ["selections/k/selection.json", "runs/now/config.yaml", "learn/k/result.json"])
def test_a_version_that_a_file_names_stays(home: Path, told_in: str) -> None:
    version = Shelf(home).find("one").name
    (home / "datasets" / "names.json").unlink()
    (home / told_in).parent.mkdir(parents=True)
    (home / told_in).write_text(f'dataset: "{version}"')
    pruned(home, versions=True)
    assert Shelf(home).find(version).is_dir()


def test_a_version_that_a_model_was_trained_or_tested_on_stays(home: Path) -> None:
    assert wanted_versions(Versions(), home) >= {"lessons", "tests"}


class Versions:
    """Six versions of a detector: the third serves, by way of the first; people see the fourth, the sixth is new."""

    def models(self) -> list[str]:
        return ["damage_detector"]

    def history(self, model: str) -> list[Turn]:
        return [Turn("2026", "promoted", "1"), Turn("2026", "promoted", "3")]

    def aliases(self, model: str) -> dict[str, str]:
        return {"champion": "3", "challenger": "4"}

    def versions(self, model: str) -> list[RegisteredVersion]:
        return [
            RegisteredVersion(
                model=model,
                version=str(number),
                key="",
                dataset="lessons",
                parent="2" if number == 4 else None,
                weights=Path(),
                bundle=f"bundle {number}",
                metrics={},
                test_set="tests",
            )
            for number in range(1, 7)
        ]


def test_bundles_that_are_served_or_can_be_gone_back_to_are_wanted(tmp_path: Path) -> None:
    assert set(wanted_bundles(Versions(), tmp_path)) == {f"bundle {number}" for number in (1, 2, 3, 4, 6)}


def test_the_command_tells_by_kind_and_removes_only_when_it_is_told_to(home: Path) -> None:
    def run(*options: str) -> str:
        result = CliRunner().invoke(prune_command, ["--home", str(home), "--older-than", "0", *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert json.loads(run("--json"))["kinds"] == {"images": {"number": 1, "bytes": len(PHOTOGRAPHS[REAR])}}
    assert "would remove" in run("--dry-run")
    assert images(home) == 3
    assert json.loads(run("--yes", "--json"))["removed"]
    assert images(home) == 2


@pytest.mark.parametrize("days", ["nan", "inf", "1e18", "36500.5", "-1"])
def test_an_age_that_is_none_is_refused_in_a_sentence(days: str, home: Path) -> None:
    result = CliRunner().invoke(prune_command, ["--home", str(home), "--yes", "--older-than", days])
    assert result.exit_code == 2
    assert "'--older-than'" in result.stderr
    assert "36500" in result.stderr
    assert images(home) == 3
