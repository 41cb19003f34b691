"""Roboflow, by replies as its API's documentation shows them."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrapers.errors import FetchFailed, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page, Refusal
from scrapers.sources.roboflow import find_on_roboflow
from scrapers.sources.settings import RoboflowSource

PATH = "/ann/cars/3/coco?api_key=secret"
PAGE = "https://universe.roboflow.com/ann/cars/dataset/3"


def coco_zip(photograph: Callable[[int], bytes]) -> bytes:
    """An export: two splits, each with its annotations."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for split, shade in (("train", 1), ("valid", 2)):
            coco = {
                "info": {"version": "3"},
                "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
                "categories": [],
                "images": [{"id": 0, "license": 1, "file_name": "a.png", "height": 24, "width": 32}],
                "annotations": [],
            }
            archive.writestr(f"{split}/_annotations.coco.json", json.dumps(coco))
            archive.writestr(f"{split}/a.png", photograph(shade))
        archive.writestr("README.roboflow.txt", "cars")
    return content.getvalue()


@pytest.fixture
def find(site: Any, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Page]]:
    monkeypatch.setenv("ROBOFLOW_API_KEY", "secret")

    def run() -> list[Page | Refusal]:
        source = RoboflowSource(name="rf", workspace="ann", project="cars", dataset_version=3, api=site.url(""))
        return list(find_on_roboflow(source, fetcher, tmp_path))

    return run  # type: ignore[return-value]


def _publish_link(site: Any, status: int = 200, **reply: object) -> None:
    site.publish(PATH, json.dumps(reply), status=status, content_type="application/json")


def test_the_export_is_downloaded_once_and_its_images_have_its_licence(
    find: Any, site: Any, tmp_path: Path, photograph: Callable[[int], bytes]
) -> None:
    link = site.publish("/signed/export.zip?key=hidden", coco_zip(photograph))
    _publish_link(site, version={"id": "ann/cars/3"}, export={"format": "coco", "link": link})
    (page,) = find()
    assert page.images[0] == FoundImage(
        url=f"{PAGE}/train/a.png",
        page_url=PAGE,
        family=f"{PAGE}/a.png",
        license="CC BY 4.0",
        license_url="https://creativecommons.org/licenses/by/4.0/",
        title="a",
        path=tmp_path / "unpacked" / "train" / "a.png",
    )
    assert len(page.images) == 2
    assert find() == [page]
    assert len(site.asked()) == 2


def test_an_export_that_is_being_made_is_for_another_run(find: Any, site: Any) -> None:
    _publish_link(site, status=202, ready=False, progress=0.5)
    with pytest.raises(FetchFailed, match=r"still being made \(50% done\)"):
        find()


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_does_not_tell_the_key(find: Any, site: Any, status: int) -> None:
    _publish_link(site, status=status, error={"message": "This API key does not exist", "status": status})
    with pytest.raises(FetchFailed, match=str(status)) as told:
        find()
    assert "secret" not in str(told.value)


def test_a_link_that_has_expired_is_told_without_it(find: Any, site: Any) -> None:
    _publish_link(site, export={"link": site.url("/signed/export.zip?key=hidden")})
    with pytest.raises(FetchFailed, match="the archive of") as told:
        find()
    assert "hidden" not in str(told.value)


def test_a_missing_key_is_told_with_its_variable(find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    with pytest.raises(RecipeFailed, match="put one into ROBOFLOW_API_KEY"):
        find()
