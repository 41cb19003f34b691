"""Sources that are files: lists of addresses, folders, archives and COCO datasets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import write_table

from scrapers.errors import ArchiveRefused, RecipeFailed
from scrapers.fetching.fetcher import Fetcher
from scrapers.found import FoundImage, Page
from scrapers.keeping import Places
from scrapers.sources.coco_url import find_in_coco
from scrapers.sources.local import find_locally
from scrapers.sources.settings import CocoSource, LocalSource, UrlListSource
from scrapers.sources.url_list import find_in_url_list
from tests.scrapers.sources.test_roboflow import coco_zip

COLUMNS = {"url": "link", "license": "rights", "listing_id": "id"}


@pytest.fixture
def zipped(tmp_path: Path, photograph: Callable[[int], bytes]) -> Path:
    path = tmp_path / "cars.zip"
    path.write_bytes(coco_zip(photograph))
    return path


def _images(pages: Any) -> list[FoundImage]:
    return [image for page in pages for image in page.images]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_list_of_addresses_is_read_by_its_columns(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cars{suffix}"
    columns = {
        "id": [1, 1, 2],
        "link": ["https://a.example/1.jpg", "https://a.example/2.jpg", None],
        "rights": ["CC0"] * 3,
    }
    if suffix == ".csv":
        path.write_text("\ufeffid,link,rights\n1,https://a.example/1.jpg,CC0\n1,https://a.example/2.jpg,CC0\n2,,CC0\n")
    else:
        write_table(pyarrow.table(columns), path)
    source = UrlListSource(name="list", path=path, columns=COLUMNS, author="Ann")
    assert _images(find_in_url_list(source)) == [
        FoundImage(url=f"https://a.example/{n}.jpg", family="1", listing_id="1", license="CC0", author="Ann")
        for n in (1, 2)
    ]


def test_a_long_list_comes_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "cars.csv"
    path.write_text("url\n" + "".join(f"https://a.example/{number}.jpg\n" for number in range(4_100)))
    pages = list(find_in_url_list(UrlListSource(name="list", path=path)))
    assert [len(page.images) for page in pages] == [2_000, 2_000, 100]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cars.csv", b"a,b\n1,2\n", "has no column 'url' but a, b"),
        ("cars.csv", b"\xff\xfe", "cannot be read"),
        ("cars.parquet", b"PAR2", "cannot be read"),
        ("gone.csv", None, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeFailed, match=told):
        list(find_in_url_list(UrlListSource(name="list", path=tmp_path / name)))


def test_a_folder_gives_its_images_by_family(tmp_path: Path, photograph: Callable[[int], bytes]) -> None:
    for name in ("car 1/a.png", "car 1/b.PNG", "car 2/a.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photograph(1))
    found = _images(find_locally(LocalSource(name="mine", path=tmp_path, license="ours", author="us"), tmp_path))
    assert [(image.url, image.family) for image in found] == [
        ("local://mine/car 1/a.png", "local://mine/car 1"),
        ("local://mine/car 1/b.PNG", "local://mine/car 1"),
        ("local://mine/car 2/a.png", "local://mine/car 2"),
    ]
    assert {(image.license, image.author) for image in found} == {("ours", "us")}


def test_a_family_may_be_told_by_names(tmp_path: Path, photograph: Callable[[int], bytes]) -> None:
    for name in ("7-front.png", "7-rear.png", "other.png"):
        (tmp_path / name).write_bytes(photograph(1))
    found = _images(find_locally(LocalSource(name="mine", path=tmp_path, family=r"^(\d+)-"), tmp_path))
    assert [image.family.rpartition("/")[2] for image in found] == ["7", "7", "other.png"]


def test_an_archive_is_taken_with_the_licences_of_its_coco_files(
    visit: Any, places: Places, zipped: Path, photograph: Callable[[int], bytes]
) -> None:
    source = LocalSource(name="mine", path=zipped)
    assert visit(source).fates == {"stored": 2}
    assert {record.license for record in places.catalog.records()} == {"CC BY 4.0"}
    assert all(str(zipped.parent) not in str(record) for record in places.catalog.records())
    assert visit(source).fates == {}


def test_what_is_not_there_or_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeFailed, match="is not there"):
        find_locally(LocalSource(name="mine", path=tmp_path / "gone"), tmp_path)
    (tmp_path / "cars.zip").write_bytes(b"no archive")
    with pytest.raises(ArchiveRefused):
        find_locally(LocalSource(name="mine", path=tmp_path / "cars.zip"), tmp_path)


def test_a_coco_file_by_url_gives_addresses_and_licences(site: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    coco = {
        "images": [
            {"id": 1, "file_name": "1.jpg", "license": 4, "coco_url": "https://images.example/1.jpg", "width": 3},
            {"id": 2, "file_name": "sub/2.jpg", "license": 9},
        ],
        "licenses": [{"id": 4, "url": "http://creativecommons.org/licenses/by/2.0/", "name": "Attribution License"}],
        "annotations": [{"id": 1}],
    }
    url = site.publish("/annotations/instances.json", json.dumps(coco))
    source = CocoSource(name="coco", url=url, images_url="https://images.example/all", license="stated by us")
    (page,) = find_in_coco(source, fetcher, tmp_path)
    assert [(image.url, image.license, image.license_url) for image in page.images] == [
        ("https://images.example/1.jpg", "Attribution License", "http://creativecommons.org/licenses/by/2.0/"),
        ("https://images.example/all/sub/2.jpg", "stated by us", None),
    ]
    assert list(find_in_coco(source, fetcher, tmp_path)) == [page]
    assert site.asked() == ["/annotations/instances.json"]
    with pytest.raises(RecipeFailed, match="say under images_url: where they lie"):
        list(find_in_coco(CocoSource(name="coco", url=url), fetcher, tmp_path))


def test_a_coco_archive_by_url_is_downloaded_and_taken(
    site: Any, fetcher: Fetcher, tmp_path: Path, zipped: Path
) -> None:
    source = CocoSource(name="coco", url=site.publish("/cars.zip?version=3", zipped.read_bytes()))
    (page,) = find_in_coco(source, fetcher, tmp_path / "downloads")
    assert isinstance(page, Page)
    assert [image.license for image in page.images] == ["CC BY 4.0"] * 2
    assert page.images[0].page_url == source.url
