"""`carloop scrape collect`: from what was scraped to a version on the shelf."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from datasets.coco import Dataset
from datasets.errors import BadDataset, UnknownCategory
from datasets.rights import Claim
from pipelines.dataset.rights import take_down
from pipelines.errors import BadProject
from pipelines.scraping.cli import scrape
from pipelines.shelf import Shelf
from tests.pipelines.scraping.conftest import Run
from tests.scrapers.generated_sites import publish_classifieds

Photograph = Callable[[int], bytes]
CC_BY = {"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}
RESERVED = {"id": 2, "name": "All rights reserved", "url": ""}


def coco(*names: str, licence: int = 1, address: str | None = None) -> str:
    """A COCO file that has looked for dents and mirrors, and found a dent on each image."""
    images = [
        {"id": number, "file_name": name, "width": 32, "height": 24, "license": licence}
        | ({"coco_url": f"{address}/{name}"} if address else {})
        for number, name in enumerate(names)
    ]
    annotations = [{"id": n, "image_id": n, "category_id": 1, "bbox": [2, 3, 10, 8]} for n in range(len(names))]
    categories = [{"id": 1, "name": "dent"}, {"id": 2, "name": "damaged mirror"}]
    licenses = [CC_BY, RESERVED]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories, "licenses": licenses})


def archive(**files: bytes | str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for name, held in files.items():
            written.writestr(name, held)
    return content.getvalue()


def version(home: Path, name: str = "scraped") -> Dataset:
    return Shelf(home).read(name)


@pytest.fixture
def adverts(site: Any, photograph: Photograph, write_project: Callable[..., Path]) -> None:
    """A classifieds site of two listings with two photographs each."""
    publish_classifieds(site, photograph, adverts=2, photos=2)
    write_project(
        {
            "kind": "listing",
            "name": "cars",
            "start_urls": [site.url("/used-cars?page=1")],
            "listing": "h2 a[href^='/advert']",
            "image": "section.gallery img@data-src",
            "listing_id": "main@data-advert-id",
            "author": ".seller [itemprop=name]",
            "license": "a[rel=license]",
        }
    )


@pytest.mark.usefixtures("adverts")
def test_kept_images_become_a_version_with_where_they_came_from(run: Run, home: Path, site: Any) -> None:
    run("run")
    code, told = run("collect", "scraped")
    assert (code, told["images"], told["families"], told["sources"]) == (0, 4, 2, {"cars": 4})
    image = next(image for image in version(home).images if image.source.url == site.url("/media/0/1.png?w=1600"))
    assert (image.family, image.views[0].source, image.views[0].file_name) == ("cars/ad-0", "cars", "1.png")
    assert image.source.page_url == site.url("/advert/0?ref=list")
    assert (image.source.author, image.source.license) == ("Seller 0", CC_BY["url"])
    assert (image.source.robots, bool(image.source.retrieved_at)) == ("allowed", True)
    assert version(home).known_category_ids(image.sha256) == set()


@pytest.mark.usefixtures("adverts")
def test_collecting_again_changes_nothing(run: Run, home: Path) -> None:
    run("run")
    _, first = run("collect", "scraped")
    there = {path: path.stat().st_mtime_ns for path in (home / "datasets" / "versions").rglob("*")}
    assert run("collect", "scraped")[1] == first
    assert {path: path.stat().st_mtime_ns for path in (home / "datasets" / "versions").rglob("*")} == there


@pytest.mark.usefixtures("adverts")
def test_what_was_withdrawn_or_is_no_longer_allowed_stays_out(
    run: Run, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("run")
    run("collect", "scraped")
    sha256 = version(home).images[0].sha256
    take_down(Shelf(home), home, Claim(sha256s=(sha256,)), reason="asked", delete=False, as_json=True)
    capsys.readouterr()
    _, told = run("collect", "scraped")
    assert (told["images"], told["left_out"]) == (3, {"their right to be used was withdrawn": 1})
    project = tmp_path / "carloop.yaml"
    project.write_text(project.read_text().replace("  sources:", "  licences: {allowed: [CC0-1.0]}\n  sources:"))
    with pytest.raises(BadDataset, match="3 are left out, for the licence policy no longer allows their licence"):
        run("collect", "scraped")


def test_nothing_to_collect_is_told(run: Run, write_project: Callable[..., Path]) -> None:
    write_project()
    with pytest.raises(BadDataset, match="none is kept, 0 wait in quarantine; run carloop scrape run first"):
        run("collect", "scraped")


def test_annotations_of_an_archive_come_with_the_images_that_may_be_used(
    run: Run, home: Path, site: Any, photograph: Photograph, write_project: Callable[..., Path]
) -> None:
    files = {
        "train/_annotations.coco.json": coco("a.png", "b.png"),
        "train/a.png": photograph(1),
        "train/b.png": photograph(2),
        "valid/_annotations.coco.json": coco("c.png", licence=2),
        "valid/c.png": photograph(3),
        "README.txt": "cars",
    }
    site.publish("/parts.zip", archive(**files), content_type="application/zip")
    write_project({"kind": "coco", "name": "parts", "url": site.url("/parts.zip"), "author": "Ann"})
    run("run")
    _, told = run("collect", "scraped")
    assert (told["images"], told["annotated"], told["annotations"], told["families"]) == (2, 2, 2, 2)
    assert told["licenses"] == {"CC BY 4.0": 2}
    assert told["left_out"] == {"they are named by annotations and not kept": 1}
    dataset = version(home)
    assert [one.bbox_xywh for one in dataset.annotations] == [(2, 3, 10, 8)] * 2
    image = dataset.images[0]
    assert dataset.known_category_ids(image.sha256) == {
        dataset.taxonomy.category_id(name) for name in ("dent", "damaged mirror")
    }
    assert (image.source.author, image.views[0].source) == ("Ann", "parts/train")
    assert not list(home.glob("scraped/.stage-*"))


def test_annotations_of_a_file_meet_images_that_lie_elsewhere(
    run: Run, home: Path, site: Any, photograph: Photograph, write_project: Callable[..., Path]
) -> None:
    for number in (1, 2):
        site.publish(f"/far/{number}.png", photograph(number), content_type="image/png")
    site.publish("/cars.json", coco("1.png", "2.png", "3.png", address=site.url("/far")))
    write_project({"kind": "coco", "name": "far", "url": site.url("/cars.json")})
    run("run")
    _, told = run("collect", "scraped")
    assert (told["images"], told["annotations"]) == (2, 2)
    assert version(home).images[0].source.url in {site.url("/far/1.png"), site.url("/far/2.png")}


def test_altered_copies_of_a_roboflow_photograph_are_one_family_whatever_their_split(
    run: Run,
    home: Path,
    site: Any,
    photograph: Photograph,
    write_project: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROBOFLOW_API_KEY", "secret")
    names = ("7_jpg.rf.a1.png", "7_jpg.rf.b2.png", "8_jpg.rf.c3.png")
    files = {f"{side}/{name}": photograph(n) for n, (side, name) in enumerate(zip("ttv", names, strict=True))}
    told_of = {"t/_annotations.coco.json": coco(*names[:2]), "v/_annotations.coco.json": coco(names[2])}
    link = site.publish("/export.zip", archive(**files, **told_of), content_type="application/zip")
    site.publish("/ann/cars/3/coco?api_key=secret", json.dumps({"export": {"link": link}}))
    write_project(
        {
            "kind": "roboflow",
            "name": "rf",
            "workspace": "ann",
            "project": "cars",
            "dataset_version": 3,
            "api": site.url(""),
        }
    )
    run("run")
    _, told = run("collect", "scraped")
    assert (told["images"], told["annotations"], told["families"]) == (3, 3, 2)


def test_classes_that_the_project_lacks_are_told_or_kept(
    run: Run, home: Path, photograph: Photograph, write_project: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.png").write_bytes(photograph(1))
    (folder / "annotations.json").write_text(coco("a.png").replace('"dent"', '"rust"'))
    write_project({"kind": "local", "name": "mine", "path": str(folder)})
    run("run")
    with pytest.raises(UnknownCategory, match="'rust'"):
        run("collect", "scraped")
    _, told = run("collect", "scraped", "--unknown", "keep")
    assert (told["unknown"], told["annotations"]) == ({"rust": 1}, 1)
    assert version(home).taxonomy.has("rust")


def test_what_a_person_accepted_is_collected_and_what_waits_is_not(
    run: Run, home: Path, write_project: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for shade in (1, 2):
        PillowImage.new("RGB", (32, 24), (shade, 0, 0)).save(folder / f"{shade}.png")
    write_project({"kind": "local", "name": "mine", "path": str(folder)})
    run("run")
    first = run("quarantine", "list")[1][0]["sha256"]
    run("quarantine", "accept", first, "--reason", "asked the photographer")
    _, told = run("collect", "scraped", "mine")
    assert (told["images"], told["licenses"]) == (1, {"not stated": 1})
    assert [image.sha256 for image in version(home).images] == [first]


@pytest.mark.usefixtures("adverts")
def test_a_source_that_left_the_project_is_collected_by_its_name(
    run: Run, write_project: Callable[..., Path], site: Any
) -> None:
    run("run")
    write_project({"kind": "coco", "name": "parts", "url": site.url("/parts.zip")})
    assert run("collect", "scraped", "cars")[1]["sources"] == {"cars": 4}
    assert run("collect", "scraped")[1]["notes"] == [
        "parts: no annotations of it are here; if its settings have changed, run carloop scrape run"
    ]
    with pytest.raises(BadProject, match="no source is called 'vans'"):
        run("collect", "scraped", "vans")


def test_a_name_that_is_none_is_told() -> None:
    assert "is no name" in CliRunner().invoke(scrape, ["collect", "../x"]).stderr
