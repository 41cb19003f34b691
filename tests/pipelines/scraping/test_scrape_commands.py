"""The `carloop scrape` commands, on sites of ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.errors import BadProject
from pipelines.project import Project
from pipelines.scraping.cli import scrape
from pipelines.scraping.sharding import Shard
from tests.pipelines.scraping.conftest import Run
from tests.scrapers.generated_sites import publish_classifieds, publish_gallery

Photograph = Callable[[int], bytes]


@pytest.fixture
def gallery(site: Any, photograph: Photograph, write_project: Callable[..., Path]) -> dict[str, Any]:
    """A gallery's source, in the project file."""
    publish_gallery(site, photograph)
    source = {
        "kind": "listing",
        "name": "gallery",
        "start_urls": [site.url("/tags/dent"), site.url("/tags/broken-headlight")],
        "next_page": "a.load-more",
        "item": "figure.card",
        "image": "img@srcset",
        "author": "a.photographer",
        "license": "a[rel~=license]",
    }
    write_project(source)
    return source


@pytest.mark.usefixtures("gallery")
def test_a_run_stores_what_may_be_used_and_the_next_one_asks_for_nothing(run: Run, site: Any) -> None:
    code, (told,) = run("run")
    assert code == 0
    assert (told["source"], told["found"], told["fates"]) == (
        "gallery",
        12,
        {"quarantined": 2, "stored": 5, "unlicensed": 3},
    )
    site.requests.clear()
    code, (again,) = run("run", "gallery")
    assert (code, again["fates"]) == (0, {"unlicensed": 3})
    assert site.asked("/full/") == []


@pytest.mark.usefixtures("gallery")
def test_a_dry_run_tells_what_a_run_would_do(run: Run, home: Path) -> None:
    _, (told,) = run("run", "--dry-run")
    assert told["fates"] == {"asked": 7, "unlicensed": 3}
    assert not list(home.glob("datasets/store/images/*/*"))


@pytest.mark.usefixtures("gallery")
def test_a_limit_is_for_each_source(run: Run) -> None:
    assert run("run", "--limit", 2)[1][0]["fates"]["stored"] == 2


@pytest.mark.usefixtures("gallery")
def test_what_waits_in_quarantine_is_accepted_or_rejected_by_a_person(run: Run, home: Path, site: Any) -> None:
    run("run")
    _, waiting = run("quarantine", "list")
    assert [record["reason"] for record in waiting] == ["its licence is not stated"] * 2
    first, second = (record["sha256"] for record in waiting)
    assert run("quarantine", "accept", first[:8], "--reason", "asked the photographer") == (0, {"accepted": 1})
    assert run("quarantine", "reject", "gallery", "--reason", "no answer") == (0, {"rejected": 1})
    assert list(home.glob(f"datasets/store/images/*/{first}.png"))
    assert not list(home.glob(f"**/{second}.png"))
    site.requests.clear()
    assert run("run")[1][0]["fates"] == {"unlicensed": 3}
    assert site.asked("/full/") == []
    with pytest.raises(BadProject, match="nothing quarantined is"):
        run("quarantine", "accept", "123456", "--reason", "none")


@pytest.mark.usefixtures("gallery")
def test_what_was_dropped_is_listed_and_restored(run: Run, gallery: Any, write_project: Any, home: Path) -> None:
    write_project(gallery, relevance={"min_side": 100})
    assert run("run")[1][0]["fates"] == {"dropped": 7, "unlicensed": 3}
    _, dropped = run("dropped")
    assert {record["reason"] for record in dropped} == {"32x24 pixels; relevance: min_side is 100"}
    run("dropped", "--restore", "all")
    assert len(run("quarantine", "list")[1]) == 2
    assert len(list(home.glob("datasets/store/images/*/*"))) == 5


@pytest.mark.usefixtures("gallery")
def test_an_audit_tells_whether_provenance_is_complete(run: Run, home: Path) -> None:
    run("run")
    code, told = run("audit")
    assert (code, told["images"], told["complete"], told["files_absent"]) == (0, 5, 5, [])
    assert not any(told["without"].values())
    gone = next(home.glob("datasets/store/images/*/*"))
    gone.unlink()
    code, told = run("audit")
    assert (code, told["files_absent"]) == (1, [gone.stem])


@pytest.mark.usefixtures("gallery")
def test_a_preview_shows_verdicts_and_pictures_and_stores_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    page = tmp_path / "preview.html"
    code, told = run("preview", "gallery", "--html", page, "--images", 4)
    assert (code, told["pages"], len(told["images"])) == (0, 3, 10)
    assert [image["verdict"] for image in told["images"][:4]] == ["allowed", "refused", "unknown", "allowed"]
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 3
    assert text.count("not asked for: its licence is refused") == 1
    assert "<script" not in text
    assert not list(home.glob("**/*.png"))


def test_a_recipe_file_is_previewed_and_checked(
    run: Run, site: Any, photograph: Photograph, tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    write_project()
    publish_classifieds(site, photograph)
    example = Path(__file__).parents[3] / "examples" / "recipes" / "classifieds.yaml"
    recipe = tmp_path / "classifieds.yaml"
    recipe.write_text(example.read_text().replace("https://cars.example", site.url("")))
    assert len(run("preview", recipe, "--pages", 2)[1]["images"]) == 6
    assert run("check", recipe) == (0, {"classifieds": []})
    run("run", recipe)
    site.answers.clear()
    publish_classifieds(site, photograph, photos=1)
    code, told = run("check", recipe)
    assert (code, told) == (1, {"classifieds": ["1.0 images a page, where there were 3.0"]})
    recipe.write_text(recipe.read_text().replace('title: "h1"', 'title: "h7"'))
    assert "title: 'h7' finds nothing" in run("check", recipe)[1]["classifieds"]


def test_a_source_that_cannot_be_read_does_not_stop_the_others(
    run: Run, site: Any, write_project: Callable[..., Path], photograph: Photograph, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.png").write_bytes(photograph(1))
    write_project(
        {"kind": "sitemap", "name": "gone", "url": site.url("/sitemap.xml")},
        {"kind": "local", "name": "mine", "path": str(folder), "license": "CC0"},
    )
    code, (gone, mine) = run("run")
    assert code == 1
    assert "404" in gone["troubles"][0]["reason"]
    assert mine["fates"] == {"stored": 1}
    assert run("list") == (
        0,
        [
            {"source": "gone", "kind": "sitemap", "fates": {}},
            {"source": "mine", "kind": "local", "fates": {"stored": 1}},
        ],
    )


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("list",), ("preview", "gallery"), ("check",), ("quarantine", "list"), ("dropped",), ("audit",)],
)
@pytest.mark.usefixtures("gallery")
def test_every_command_tells_a_person_too(run: Run, arguments: tuple[str, ...]) -> None:
    code, told = run(*arguments, as_json=False)
    assert code == 0
    assert told.strip()


def test_every_command_has_help() -> None:
    for command in (scrape, *scrape.commands.values()):
        assert command.help


def test_sources_that_are_not_there_are_told(run: Run, write_project: Callable[..., Path]) -> None:
    write_project()
    with pytest.raises(BadProject, match="no sources; put some under scrape: sources:"):
        run("run")
    with pytest.raises(BadProject, match="no source is called 'cars'"):
        run("run", "cars")
    with pytest.raises(BadProject, match="is not there"):
        run("run", "cars.yaml")


def test_two_sources_of_one_name_are_refused(write_project: Callable[..., Path], run: Run) -> None:
    source = {"kind": "local", "name": "mine", "path": "."}
    write_project(source, source)
    with pytest.raises(BadProject, match="two are called 'mine'"):
        run("list")


@pytest.mark.parametrize(
    ("fetch", "said"),
    [
        (3, "fetch: has to be a mapping"),
        ({"atempts": 3}, "fetch.atempts: Extra inputs are not permitted"),
        ({"attempts": 0}, "fetch.attempts: Input should be greater than or equal to 1"),
        ({"hosts": {"cars.example:80": {"per_second": 0}}}, "per_second: Input should be greater than 0"),
    ],
)
def test_a_wrong_fetch_setting_is_told(fetch: object, said: str, write_project: Callable[..., Path], run: Run) -> None:
    write_project().write_text(yaml.safe_dump({"fetch": fetch}))
    with pytest.raises(BadProject, match=said):
        run("list")


def test_sources_change_no_run_of_the_loop() -> None:
    assert "scrape" not in Project().model_dump()


def test_every_host_belongs_to_one_of_several_workers() -> None:
    urls = [f"https://host-{number}.example/{photo}.jpg" for number in range(50) for photo in range(3)]
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    owners = {url: [shard.number for shard in shards if shard.owns(url)] for url in urls}
    assert all(len(found) == 1 for found in owners.values())
    assert len({(url.split("/")[2], *found) for url, found in owners.items()}) == 50
    assert {found[0] for found in owners.values()} == {1, 2, 3}


def test_a_shard_that_is_none_is_told() -> None:
    result = CliRunner().invoke(scrape, ["run", "--shard", "3/2"])
    assert result.exit_code == 2
    assert "'3/2' is no shard" in result.stderr
