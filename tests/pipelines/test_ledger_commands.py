"""`carloop ledger report`: on a run's ledger, a home's, or any that is named."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datasets.comparison import Fate
from datasets.errors import BadInput
from datasets.labelled import LabelledObject
from datasets.ledger import FateRow, Ledger, Prelabel
from pipelines.annotation.ledger import ledger_group
from pipelines.annotation.ledgers import find_scope, ledger_url, parse_costs

DENT = LabelledObject("dent", (10.0, 10.0, 50.0, 40.0), shape_id=1, score=0.8)


def write_ledger(folder: Path, *scopes: str) -> Path:
    for scope in scopes:
        ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite", scope=scope)
        ledger.write_prelabels(1, [Prelabel("1" * 64, "m@1", DENT)])
        ledger.write_fates(1, [FateRow("1" * 64, "m@1", Fate("accepted", DENT, DENT, 1.0))])
        ledger.close()
    return folder


def report(*options: object) -> Result:
    return CliRunner().invoke(ledger_group, ["report", *map(str, options)], catch_exceptions=False)


def test_a_run_s_ledger_is_reported_as_json_and_as_a_page(tmp_path: Path) -> None:
    done = report("--run", write_ledger(tmp_path, ""), "--json", "--html", tmp_path / "page.html")
    assert json.loads(done.stdout)["total"]["accepted"]["count"] == 1
    assert f"Pre-labels of {tmp_path.name}" in (tmp_path / "page.html").read_text()


def test_a_home_s_ledger_is_reported_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARLOOP_LEDGER_URL", raising=False)
    done = report("--home", write_ledger(tmp_path, "http://cvat cars"), "--html", tmp_path / "page.html")
    assert "1 pre-labels in 1 accepted jobs with 1 images." in done.stdout
    assert f"Page: {tmp_path}/page.html" in done.stdout
    assert "http://cvat cars" in (tmp_path / "page.html").read_text()


def test_costs_that_are_given_count(tmp_path: Path) -> None:
    done = report("--run", write_ledger(tmp_path, ""), "--json", "--cost", "accepted=3", "--cost", "added=2.5")
    told = json.loads(done.stdout)
    assert [(c["seconds"], c["origin"]) for c in told["costs"] if c["origin"] == "given"] == [
        (3, "given"),
        (2.5, "given"),
    ]
    assert told["break_evens"][0]["told"] == "Drawing costs less than correcting at every score."


@pytest.mark.parametrize("text", ["drawn=3", "moved", "moved=", "moved=-1", "moved=nan", "moved=inf"])
def test_a_cost_that_is_none_is_told(text: str) -> None:
    with pytest.raises(BadInput, match=f"--cost {text} is not FATE=SECONDS; a fate is accepted, moved"):
        parse_costs([text])


def test_the_ledger_that_is_named_goes_before_the_home_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARLOOP_LEDGER_URL", "postgresql://host/ledger")
    named = f"sqlite:///{write_ledger(tmp_path, '')}/ledger.sqlite"
    assert ledger_url(named, None, tmp_path) == named
    assert ledger_url(None, tmp_path, tmp_path / "other") == named
    assert ledger_url(None, None, tmp_path) == "postgresql://host/ledger"


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no ledger at .*/ledger.sqlite; push and pull first"):
        ledger_url(None, tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_and_a_run_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--ledger and --run name two ledgers"):
        ledger_url("sqlite:///x", tmp_path, tmp_path)


def test_the_project_that_fits_is_found(tmp_path: Path) -> None:
    url = f"sqlite:///{write_ledger(tmp_path, 'http://a cars', 'http://b cars', 'http://a my cars')}/ledger.sqlite"
    project = tmp_path / "carloop.yaml"
    project.write_text("cvat: {project: my cars}\n")
    assert find_scope(url, scope=None, project_path=project) == "http://a my cars"
    assert find_scope(url, scope="http://b cars", project_path=None) == "http://b cars"
    with pytest.raises(
        BadInput, match="several projects, choose one by --project or --scope: http://a cars; http://a my"
    ):
        find_scope(url, scope=None, project_path=None)
    with pytest.raises(BadInput, match="the ledger has nothing of http://c cars; it has: http://a cars"):
        find_scope(url, scope="http://c cars", project_path=None)
